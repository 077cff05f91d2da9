//! The control listener: shows and changes the services while they run.
//!
//! * `GET /services`, `GET /services/{name}`: how a service behaves, and what it has seen
//! * `PUT /services/{name}` with any of `failure_rate`, `latency_ms`, `health`, `mode`
//! * `GET /fallback`, `PUT /fallback` with `status`

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::answer::{self, Answer};
use crate::downstream::{Counts, Downstream, Health, Mode};
use crate::fallback::Fallback;
use crate::registry::Registry;

const MOST_BODY_BYTES: usize = 64 * 1024;

/// A service as it is shown.
#[derive(Serialize)]
struct View {
    service_name: String,
    failure_rate: f64,
    latency_ms: u64,
    health: Health,
    mode: Mode,
    #[serde(flatten)]
    counts: Counts,
}

impl View {
    fn of(service: &Downstream) -> Self {
        Self {
            service_name: service.name().to_owned(),
            failure_rate: service.failure_rate(),
            latency_ms: u64::try_from(service.latency().as_millis()).unwrap_or(u64::MAX),
            health: service.health(),
            mode: service.mode(),
            counts: service.counts(),
        }
    }
}

/// What is to change. What is left out stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    failure_rate: Option<f64>,
    latency_ms: Option<u64>,
    health: Option<Health>,
    mode: Option<Mode>,
}

impl Change {
    /// Changes all of it or, if any of it is wrong, nothing.
    fn apply(self, service: &Downstream) -> Result<(), String> {
        if let Some(rate) = self.failure_rate
            && !(0.0..=1.0).contains(&rate)
        {
            return Err(format!("failure_rate: {rate} is not from 0 to 1"));
        }
        if let Some(Mode::Status(status)) = self.mode {
            final_status(status).map_err(|message| format!("mode.status: {message}"))?;
        }
        self.failure_rate.inspect(|rate| service.set_failure_rate(*rate));
        self.latency_ms.inspect(|millis| service.set_latency(Duration::from_millis(*millis)));
        self.health.inspect(|health| service.set_health(*health));
        self.mode.inspect(|mode| service.set_mode(*mode));
        Ok(())
    }
}

/// The fallback as it is shown.
#[derive(Serialize)]
struct FallbackView {
    status: u16,
    calls: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FallbackChange {
    status: u16,
}

pub(crate) async fn handle(
    request: Request<Incoming>,
    registry: Registry,
    fallback: Fallback,
) -> Answer {
    let (head, body) = request.into_parts();
    let change = match head.method {
        Method::GET | Method::HEAD => None,
        Method::PUT => Some(body),
        _ => return answer::error(StatusCode::METHOD_NOT_ALLOWED, "use GET or PUT"),
    };
    let mut segments = head.uri.path().split('/').skip(1).filter(|segment| !segment.is_empty());
    let outcome = match (segments.next(), segments.next(), segments.next()) {
        (Some("services"), None, None) if change.is_none() => {
            let views: Vec<_> = registry.all().iter().map(View::of).collect();
            return answer::json(StatusCode::OK, &views);
        }
        (Some("services"), Some(name), None) => match registry.requested(name) {
            Some(service) => service_answer(&service, change).await,
            None => Err("there are too many services already".to_owned()),
        },
        (Some("fallback"), None, None) => fallback_answer(&fallback, change).await,
        _ => {
            let message = "try /services, /services/payment-service or /fallback";
            return answer::error(StatusCode::NOT_FOUND, message);
        }
    };
    outcome.unwrap_or_else(|message| answer::error(StatusCode::BAD_REQUEST, &message))
}

async fn service_answer(service: &Downstream, change: Option<Incoming>) -> Result<Answer, String> {
    if let Some(body) = change {
        read::<Change>(body).await?.apply(service)?;
    }
    Ok(answer::json(StatusCode::OK, &View::of(service)))
}

async fn fallback_answer(fallback: &Fallback, change: Option<Incoming>) -> Result<Answer, String> {
    if let Some(body) = change {
        let FallbackChange { status } = read(body).await?;
        final_status(status).map_err(|message| format!("status: {message}"))?;
        fallback.set_status(status);
    }
    let view = FallbackView { status: fallback.status(), calls: fallback.calls() };
    Ok(answer::json(StatusCode::OK, &view))
}

async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, String> {
    let body = Limited::new(body, MOST_BODY_BYTES).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}

/// Whether a status can end a request.
fn final_status(status: u16) -> Result<(), String> {
    if (200..=599).contains(&status) {
        Ok(())
    } else {
        Err(format!("{status} is not from 200 to 599"))
    }
}
