//! The fallback listener: answers in a service's stead, and says why.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, StatusCode};
use serde::Serialize;
use serde_json::Value;

use crate::answer::{self, Answer};

/// The longest original request that is given back.
const MOST_BODY_BYTES: usize = 1024 * 1024;

/// What the fallback service has seen, and how it answers.
#[derive(Clone, Debug)]
pub(crate) struct Fallback(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    calls: AtomicU64,
    status: AtomicU16,
}

impl Fallback {
    pub(crate) fn new() -> Self {
        let status = StatusCode::OK.as_u16().into();
        Self(Arc::new(Inner { calls: AtomicU64::new(0), status }))
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn status(&self) -> u16 {
        self.0.status.load(Ordering::SeqCst)
    }

    pub(crate) fn set_status(&self, status: u16) {
        self.0.status.store(status, Ordering::SeqCst);
    }
}

/// The recipe's answer. Beside its five fields it tells which service it stands in for, and the
/// state that the breaker is truly in.
#[derive(Serialize)]
struct FallbackAnswer {
    message: &'static str,
    timestamp: String,
    source: &'static str,
    original_request: OriginalRequest,
    fallback_reason: Cow<'static, str>,
    service_name: Option<String>,
    circuit_breaker_state: Option<String>,
}

#[derive(Serialize)]
struct OriginalRequest {
    method: String,
    path: String,
    body: Value,
}

pub(crate) async fn handle(request: Request<Incoming>, fallback: Fallback) -> Answer {
    fallback.0.calls.fetch_add(1, Ordering::SeqCst);
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MOST_BODY_BYTES).collect().await else {
        return answer::error(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long");
    };
    let header = |name| text_header(&head.headers, name);
    let reply = FallbackAnswer {
        message: "Fallback service response",
        timestamp: answer::timestamp(),
        source: "fallback-service",
        original_request: OriginalRequest {
            method: head.method.to_string(),
            path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            body: as_json(&body.to_bytes()),
        },
        fallback_reason: sentence(header("x-circuit-breaker-reason").as_deref()),
        service_name: header("x-circuit-breaker-service"),
        circuit_breaker_state: header("x-circuit-breaker-state"),
    };
    let status = StatusCode::from_u16(fallback.status()).map_err(std::io::Error::other)?;
    answer::json(status, &reply)
}

/// A header's value. Bytes that are no UTF-8 are replaced rather than refused.
fn text_header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// JSON as it is, anything else as a string, nothing as null.
fn as_json(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

/// Why the request came here, as a person would say it.
fn sentence(reason: Option<&str>) -> Cow<'static, str> {
    Cow::Borrowed(match reason {
        Some("open") => "Circuit breaker is open",
        Some("half_open") => "Circuit breaker is half-open and all its trial calls are taken",
        Some("ramp") => "Circuit breaker has closed and lets the traffic back in step by step",
        Some("bulkhead") => "All of the places for concurrent calls are taken",
        Some("failure") => "The call to the service failed",
        Some("forced_open") => "Circuit breaker was opened by an operator",
        Some(other) => return Cow::Owned(format!("Circuit breaker gave the reason: {other}")),
        None => "The fallback was called directly, not by a circuit breaker",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_given_back_as_json_if_it_is_json() {
        assert_eq!(as_json(br#"{"amount":1}"#), json!({"amount": 1}));
        assert_eq!(as_json(b"amount=1"), json!("amount=1"));
        assert_eq!(as_json(b"\xff"), json!("\u{fffd}"));
        assert_eq!(as_json(b""), Value::Null);
    }

    #[test]
    fn every_reason_of_the_breaker_has_a_sentence_of_its_own() {
        let reasons = ["open", "half_open", "ramp", "bulkhead", "failure", "forced_open"];
        let mut sentences: Vec<_> = reasons.map(|reason| sentence(Some(reason))).into();
        sentences.push(sentence(None));
        sentences.push(sentence(Some("maintenance")));
        assert!(sentences.last().is_some_and(|last| last.ends_with("maintenance")));
        sentences.sort();
        sentences.dedup();
        assert_eq!(sentences.len(), reasons.len() + 2);
    }
}
