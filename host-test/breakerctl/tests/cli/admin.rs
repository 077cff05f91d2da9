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
                    let answer = answer(&request, &mut shown.lock().unwrap(), token);
                    async move { Ok::<_, Infallible>(answer) }
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

    /// The states of all services.
    pub(crate) fn states(&self) -> Vec<String> {
        let services = self.services.lock().unwrap();
        services.iter().map(|it| it["state"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn set(&self, services: Vec<Value>) {
        *self.services.lock().unwrap() = services;
    }
}

fn answer(
    request: &Request<Incoming>,
    services: &mut [Value],
    token: Option<&str>,
) -> Response<Full<Bytes>> {
    let given = request.headers().get(header::AUTHORIZATION);
    let is_given = |token| given.is_some_and(|given| given == &format!("Bearer {token}")[..]);
    let path = request.uri().path().strip_prefix("/circuit-breaker/services");
    let (status, body) = match path {
        None => (StatusCode::NOT_FOUND, json!({ "error": "no such resource: try /services" })),
        Some(_) if token.is_some_and(|token| !is_given(token)) => {
            (StatusCode::UNAUTHORIZED, json!({ "error": "give the admin token" }))
        }
        Some("") if services.is_empty() => {
            (StatusCode::OK, json!({ "services": [], "note": "no name is known" }))
        }
        Some("") => (StatusCode::OK, json!({ "services": services })),
        Some(path) => command(request, path, services),
    };
    let body = Full::new(Bytes::from(body.to_string()));
    Response::builder().status(status).body(body).unwrap()
}

/// Does as a command says: `/{name}/{command}`.
fn command(request: &Request<Incoming>, path: &str, services: &mut [Value]) -> (StatusCode, Value) {
    let (name, command) = path.trim_start_matches('/').split_once('/').unwrap();
    let name = name.replace("%3D", "=").replace("%7C", "|");
    let service = services.iter_mut().find(|it| it["service_name"] == name.as_str());
    let is_json = request.headers().get(header::CONTENT_TYPE);
    if request.method() != "POST" || is_json.is_none_or(|it| it != "application/json") {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, json!({ "error": "send json" }));
    }
    let state = match command {
        "force-open" => "FORCED_OPEN",
        "disable" => "DISABLED",
        "metrics-only" => "METRICS_ONLY",
        "enable" | "close" | "reset" => "CLOSED",
        _ => return (StatusCode::NOT_FOUND, json!({ "error": "no such resource" })),
    };
    match service {
        None => (StatusCode::NOT_FOUND, json!({ "error": "no service of that name" })),
        Some(service) if service["state"] == "STUCK" => {
            (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": "it could not be written" }))
        }
        Some(service) => {
            service["state"] = state.into();
            (StatusCode::OK, service.clone())
        }
    }
}
