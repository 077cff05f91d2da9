//! The health listener: `GET /{service}` is 200 or 503, and no call of the service.

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::registry::Registry;

/// What the recipe's health check answers. It adds the breaker's state, which it writes itself;
/// here the breaker alone knows its state.
#[derive(Serialize)]
struct Report<'a> {
    service_name: &'a str,
    health_status: &'static str,
}

pub(crate) async fn handle(request: Request<Incoming>, registry: Registry) -> Answer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return answer::error(StatusCode::METHOD_NOT_ALLOWED, "only GET is allowed here");
    }
    let name = request.uri().path().trim_start_matches('/');
    if name.is_empty() || name.contains('/') {
        return answer::error(StatusCode::NOT_FOUND, "name a service: GET /payment-service");
    }
    let Some(downstream) = registry.requested(name) else {
        return answer::error(StatusCode::NOT_FOUND, "there are too many services already");
    };
    downstream.count_health_call();
    let (status, health_status) = if downstream.is_healthy() {
        (StatusCode::OK, "healthy")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unhealthy")
    };
    answer::json(status, &Report { service_name: name, health_status })
}
