//! The recipe at work: a proxy with the sample, and the services.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use services::{Downstream, Ports, Services};

use crate::observed::{Answerer, Breaker, Observed};
use crate::proxy::Proxy;

/// The port of the samples where clients call.
pub const INGRESS: u16 = 10_000;
/// Likewise where the admin API answers.
pub const BREAKER_ADMIN: u16 = 10_001;
/// Likewise those of the services.
pub const SERVICES: Ports =
    Ports { downstream: 8_081, fallback: 8_082, health: 8_083, control: 8_084 };

const SERVICE: &str = "payment-service";
/// The recipe's test input.
pub(crate) const PAYMENT: &str = r#"{"amount": 100.00, "currency": "USD", "customer_id": "12345"}"#;

/// Longer than the sample lets all attempts of a call take.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Starts the services, on the samples' own ports where these are free.
///
/// # Errors
///
/// If there is no port for one.
pub async fn services() -> Result<Services> {
    let ports = Ports {
        downstream: free_or_any(SERVICES.downstream),
        fallback: free_or_any(SERVICES.fallback),
        health: free_or_any(SERVICES.health),
        control: free_or_any(SERVICES.control),
    };
    Ok(Services::start(ports).await?)
}

/// The port, if nobody listens there, else 0: any other.
#[must_use]
pub fn free_or_any(port: u16) -> u16 {
    if TcpListener::bind(loopback(port)).is_ok() { port } else { 0 }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::V4(std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// Proxy and services.
pub(crate) struct Recipe<'a> {
    pub(crate) proxy: &'a Proxy,
    services: &'a Services,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
struct Answer {
    status: StatusCode,
    /// Who answered in the service's stead, if somebody did.
    fallback: Option<String>,
    /// Null if it is no JSON, as the proxy's own are not.
    body: serde_json::Value,
}

impl<'a> Recipe<'a> {
    pub(crate) fn new(services: &'a Services, proxy: &'a Proxy) -> Self {
        Self { proxy, services, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Makes a payment, and says how it went.
    pub(crate) async fn pay(&self) -> Result<Observed> {
        let service = self.service();
        let before = self.breaker().await?;
        let calls = service.calls();
        let start = Instant::now();
        let request = Request::post(self.payment_url())
            .header("content-type", "application/json")
            .body(Full::from(PAYMENT))?;
        let answer = self.send(request).await?;
        let took = start.elapsed();
        Ok(Observed {
            answered_by: Answerer::of(&answer.body, answer.fallback.as_deref()),
            status: answer.status.as_u16(),
            before,
            after: self.breaker().await?,
            service_calls: service.calls() - calls,
            took,
        })
    }

    /// The breaker of the payment service, as its admin API shows it.
    pub(crate) async fn breaker(&self) -> Result<Breaker> {
        let url = self.breaker_url();
        let answer = self.send(Request::get(&url).body(Full::default())?).await?;
        serde_json::from_value(answer.body).with_context(|| format!("GET {url}: {}", answer.status))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let what = format!("{} {}", request.method(), request.uri());
        let whole = async {
            let (head, body) = self.client.request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            let fallback = head.headers.get("x-circuit-breaker-fallback");
            let fallback = fallback.map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
            let body = serde_json::from_slice(&body).unwrap_or_default();
            anyhow::Ok(Answer { status: head.status, fallback, body })
        };
        let answer = tokio::time::timeout(TIMEOUT, whole).await;
        answer.with_context(|| format!("{what}: no answer in {TIMEOUT:?}"))?.context(what)
    }

    /// The payment service itself.
    pub(crate) fn service(&self) -> Downstream {
        self.services.service(SERVICE)
    }

    pub(crate) fn payment_url(&self) -> String {
        format!("http://{}/{SERVICE}/charge", self.proxy.ingress)
    }

    pub(crate) fn page_url(&self) -> String {
        format!("http://{}/circuit-breaker/", self.proxy.breaker_admin)
    }

    pub(crate) fn breaker_url(&self) -> String {
        format!("http://{}/circuit-breaker/services/{SERVICE}", self.proxy.breaker_admin)
    }

    pub(crate) fn control_url(&self) -> String {
        format!("http://{}/services/{SERVICE}", self.services.control())
    }
}
