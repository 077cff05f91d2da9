//! The recipe at work: a proxy with the sample, and the services.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use envoy_harness::Sample;
use envoy_harness::client::{self, Client};
use http::Request;
use services::{Downstream, Ports, Services};

use crate::Form;
use crate::observed::{Answerer, Breaker, Observed};
use crate::proxy::Proxy;

/// The ports that are written in the samples.
const INGRESS: u16 = 10_000;
const BREAKER_ADMIN: u16 = 10_001;
const ENVOY_ADMIN: u16 = 9_901;
const SERVICES: Ports = Ports { downstream: 8_081, fallback: 8_082, health: 8_083, control: 8_084 };

const SERVICE: &str = "payment-service";
/// The recipe's test input.
pub(crate) const PAYMENT: &str = r#"{"amount": 100.00, "currency": "USD", "customer_id": "12345"}"#;

/// State has to be shared for this to go well: more workers than one.
const WORKERS: u32 = 2;
/// Longer than the sample lets all attempts of a call take.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Proxy and services. Dropped, they are stopped.
pub(crate) struct Recipe {
    pub(crate) proxy: Proxy,
    services: Services,
    client: Client,
}

impl Recipe {
    /// Starts the services and the proxy, on the sample's own ports where these are free.
    pub(crate) async fn start(form: Form) -> Result<Self> {
        let services = Services::start(Ports {
            downstream: free_or_any(SERVICES.downstream),
            fallback: free_or_any(SERVICES.fallback),
            health: free_or_any(SERVICES.health),
            control: free_or_any(SERVICES.control),
        })
        .await?;
        let sample = match form {
            Form::Wasm => "envoy/recipe.yaml",
            Form::Native => "envoy/recipe-native.yaml",
        };
        let sample = Sample::load(sample)?
            .listen("ingress", loopback(free_or_any(INGRESS)))?
            .listen("breaker-admin", loopback(free_or_any(BREAKER_ADMIN)))?
            .endpoint(SERVICES.downstream, services.downstream())?
            .endpoint(SERVICES.fallback, services.fallback())?
            .endpoint(SERVICES.health, services.health())?;
        let proxy = Proxy::start(sample, form, free_or_any(ENVOY_ADMIN), WORKERS).await?;
        Ok(Self { proxy, client: Client::new().timeout(TIMEOUT), services })
    }

    /// Makes a payment, and says how it went.
    pub(crate) async fn pay(&self) -> Result<Observed> {
        let service = self.service();
        let before = self.breaker().await?;
        let calls = service.calls();
        let start = Instant::now();
        let request = Request::post(self.payment_url())
            .header("content-type", "application/json")
            .body(client::full(PAYMENT))?;
        let answer = self.client.send(request).await?;
        let took = start.elapsed();
        // The proxy's own answers are no JSON.
        let body = answer.json().unwrap_or_default();
        Ok(Observed {
            answered_by: Answerer::of(&body, answer.header("x-circuit-breaker-fallback")),
            status: answer.status.as_u16(),
            before,
            after: self.breaker().await?,
            service_calls: service.calls() - calls,
            took,
        })
    }

    /// The breaker of the payment service, as its admin API shows it.
    pub(crate) async fn breaker(&self) -> Result<Breaker> {
        let answer = self.client.get(&self.breaker_url()).await?;
        serde_json::from_value(answer.json()?).with_context(|| {
            format!("GET {}: {} {}", self.breaker_url(), answer.status, answer.text())
        })
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

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::V4(std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// The port, if nobody listens there, else 0: any other.
fn free_or_any(port: u16) -> u16 {
    if TcpListener::bind(loopback(port)).is_ok() { port } else { 0 }
}
