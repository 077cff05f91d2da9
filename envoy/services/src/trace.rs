//! The recipe's trace: twelve requests, how the service is at each, and what there is to see of it.
//!
//! Whatever runs the recipe is held to these rows, each with the services of this package.

use serde_json::Value;

use crate::downstream::{Downstream, Health};

/// The service that the trace is about.
pub const SERVICE: &str = "payment-service";

/// Where each of its requests is posted.
pub const PATH: &str = "/payment-service/charge";

/// What is posted there.
pub const BODY: &str = r#"{"amount":100.0}"#;

/// One row: how the service is, and what then becomes of one request.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// `up` or `down`.
    pub service: &'static str,
    /// `healthy` or `sick`.
    pub health: &'static str,
    /// What there is to see.
    pub seen: Seen<'static>,
}

/// What there is to see of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// `downstream` or `fallback`.
    pub answered_by: &'a str,
    /// Calls that the service received for it: one, and two retries if it failed.
    pub calls: u64,
    /// The state that the answer tells, and that the breaker is in after it.
    pub state: &'a str,
    /// Failures in a row, after it.
    pub failures: u64,
}

const fn row(
    service: &'static str,
    health: &'static str,
    answered_by: &'static str,
    calls: u64,
    state: &'static str,
    failures: u64,
) -> Row {
    Row { service, health, seen: Seen { answered_by, calls, state, failures } }
}

/// The rows. What an open breaker is to be closed by before the eleventh is a health check.
#[rustfmt::skip]
pub const TRACE: [Row; 12] = [
    //  service health     answered by    calls  state   failures
    row("up",   "healthy", "downstream",  1,     "CLOSED", 0),
    row("up",   "healthy", "downstream",  1,     "CLOSED", 0),
    row("down", "healthy", "fallback",    3,     "CLOSED", 1),
    row("down", "healthy", "fallback",    3,     "CLOSED", 2),
    row("up",   "healthy", "downstream",  1,     "CLOSED", 0),
    row("down", "sick",    "fallback",    3,     "CLOSED", 1),
    row("down", "sick",    "fallback",    3,     "CLOSED", 2),
    row("down", "sick",    "fallback",    3,     "OPEN",   3),
    row("down", "sick",    "fallback",    0,     "OPEN",   3),
    row("up",   "sick",    "fallback",    0,     "OPEN",   3),
    row("up",   "healthy", "downstream",  1,     "CLOSED", 0),
    row("up",   "healthy", "downstream",  1,     "CLOSED", 0),
];

impl Row {
    /// Makes the service and its health as the row has them.
    pub fn prepare(&self, service: &Downstream) {
        service.set_failure_rate(if self.service == "up" { 0.0 } else { 1.0 });
        let is_healthy = self.health == "healthy";
        service.set_health(if is_healthy { Health::Healthy } else { Health::Sick });
    }
}

/// Who answered a request of the trace. He says so in the body, which the breaker's headers have to
/// agree with. Whoever it is, the answer is a good one: nobody is to notice that the service is down.
///
/// # Errors
///
/// What of the answer is not so.
pub fn who_answered<'h>(
    status: u16,
    header: impl Fn(&str) -> Option<&'h str>,
    body: &Value,
) -> Result<&'static str, String> {
    let state = header("x-circuit-breaker-state");
    let by_fallback = body["source"] == "fallback-service";
    let has_header = header("x-circuit-breaker-fallback").is_some();
    let request = &body["original_request"];
    let is_so = if by_fallback {
        request["path"] == PATH
            && request["method"] == "POST"
            && request["body"]["amount"] == 100.0
            && body["circuit_breaker_state"].as_str() == state
    } else {
        body["message"] == "Service response successful"
    };
    if status == 200 && is_so && has_header == by_fallback {
        Ok(if by_fallback { "fallback" } else { "downstream" })
    } else {
        Err(format!("status {status}, state {state:?}, fallback's header {has_header}: {body}"))
    }
}
