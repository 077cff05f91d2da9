//! A small server that answers as the admin API does.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

/// What the admin API tells of a service in that state.
pub(crate) fn service(name: &str, state: &str, failures: u32) -> Value {
    let open = state == "OPEN";
    json!({
        "service_name": name, "state": state, "mode": "enabled", "failure_count": failures,
        "last_failure_time": open.then_some("2026-01-02T03:04:05.678Z"),
        "last_success_time": "2026-01-02T03:04:00.000Z",
        "opened_at": open.then_some("2026-01-02T03:04:05.678Z"),
        "retry_at": open.then_some("2026-01-02T03:04:35.678Z"),
        "trip_reason": open.then_some("consecutive_failures"),
        "failure_rate": null, "slow_call_rate": null, "buffered_calls": null, "in_flight": null,
        "generation": 2,
    })
}

/// The server. It runs until the test ends.
pub(crate) struct Admin {
    address: SocketAddr,
    services: Arc<Mutex<Vec<Value>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Admin {
    pub(crate) fn start(services: Vec<Value>, token: Option<&'static str>) -> Self {
        let services = Arc::new(Mutex::new(services));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shown = Arc::clone(&services);
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let shown = Arc::clone(&shown);
                let answer = move |request: Request<Incoming>| {
                    let services = shown.lock().unwrap().clone();
                    async move { Ok::<_, Infallible>(answer(&request, services, token)) }
                };
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(connection), hyper::service::service_fn(answer));
                tokio::spawn(connection);
            }
        });
        Self { address, services, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/circuit-breaker", self.address)
    }

    pub(crate) fn set(&self, services: Vec<Value>) {
        *self.services.lock().unwrap() = services;
    }
}

fn answer(
    request: &Request<Incoming>,
    services: Vec<Value>,
    token: Option<&str>,
) -> Response<Full<Bytes>> {
    let given = request.headers().get(header::AUTHORIZATION);
    let (status, body) = if request.uri().path() != "/circuit-breaker/services" {
        (StatusCode::NOT_FOUND, json!({ "error": "no such resource: try /services" }))
    } else if token
        .is_some_and(|token| given.is_none_or(|given| given != &format!("Bearer {token}")[..]))
    {
        (StatusCode::UNAUTHORIZED, json!({ "error": "give the admin token" }))
    } else {
        (StatusCode::OK, json!({ "services": services }))
    };
    let body = Full::new(Bytes::from(body.to_string()));
    Response::builder().status(status).body(body).unwrap()
}
