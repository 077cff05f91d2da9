//! The recipe's trace, row by row, on the configuration that people copy.

use std::time::Duration;

use anyhow::{Result, ensure};
use edge_breaker_tests::{Edge, PAYMENT};
use envoy_harness::client::Response;
use recipe_services::Health;

/// The retries of a failed check are 2, 4 and 8 seconds apart; the last may just have been missed.
const UNTIL_CLOSED: Duration = Duration::from_secs(30);

const PATH: &str = "/payment-service/charge";

/// One row: how the service is, and what then becomes of one request.
#[derive(Clone, Copy)]
struct Row {
    service: &'static str,
    health: &'static str,
    seen: Seen<'static>,
}

/// What there is to see of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen<'a> {
    answered_by: &'a str,
    /// Calls that the service received for it: one, and two retries if it failed.
    calls: u64,
    /// The state that the answer tells, and that the breaker is in after it.
    state: &'a str,
    failures: u64,
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

#[rustfmt::skip]
const TRACE: [Row; 12] = [
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

#[tokio::test]
async fn the_trace_of_the_recipe_is_the_same_row_by_row_with_one_and_with_four_workers()
-> Result<()> {
    // Most of the time goes by between retries: both at once take no longer than one.
    let (one, four) = tokio::join!(follow(1), follow(4));
    one.and(four)
}

async fn follow(workers: u32) -> Result<()> {
    let edge = Edge::recipe(workers).await?;
    let mut before = "CLOSED";
    for (index, row) in TRACE.iter().enumerate() {
        prepare(&edge, row, before).await?;
        before = row.seen.state;
        let calls = edge.services.service(PAYMENT).calls();
        let response = edge.post(PATH, r#"{"amount":100.0}"#).await?;
        let calls = edge.services.service(PAYMENT).calls() - calls;
        let breaker = edge.breaker(PAYMENT).await?;
        let seen = Seen {
            answered_by: who_answered(&response)?,
            calls,
            state: &breaker.state,
            failures: breaker.failure_count,
        };
        let (number, Row { service, health, seen: expected }) = (index + 1, row);
        assert_eq!(
            seen, *expected,
            "row {number}, {workers} workers, service {service}, health {health}: {response:?}"
        );
        assert_eq!(
            response.header("x-circuit-breaker-state"),
            Some(expected.state),
            "row {number}, {workers} workers: {response:?}"
        );
    }
    let other = edge.breaker("inventory-service").await?;
    assert_eq!((other.state.as_str(), other.failure_count, other.generation), ("CLOSED", 0, 1));
    Ok(())
}

/// Makes the service and its health as the row has them. An open breaker that is to be closed
/// next is waited for: it is a health check that closes it, not a request.
async fn prepare(edge: &Edge, row: &Row, before: &str) -> Result<()> {
    let service = edge.services.service(PAYMENT);
    service.set_failure_rate(if row.service == "up" { 0.0 } else { 1.0 });
    let healthy = row.health == "healthy";
    service.set_health(if healthy { Health::Healthy } else { Health::Sick });
    if before == "OPEN" && row.seen.state == "CLOSED" {
        edge.wait_for(PAYMENT, "CLOSED", UNTIL_CLOSED).await?;
    }
    Ok(())
}

/// Who says so in the body, which the breaker's header has to agree with. Whoever it is, the
/// answer is a good one: nobody is to notice that the service is down.
fn who_answered(response: &Response) -> Result<&'static str> {
    ensure!(response.status == 200, "{response:?}");
    let body = response.json()?;
    let by_fallback = body["source"] == "fallback-service";
    if by_fallback {
        ensure!(body["original_request"]["path"] == PATH, "{body}");
        ensure!(body["original_request"]["method"] == "POST", "{body}");
        ensure!(body["original_request"]["body"]["amount"] == 100.0, "{body}");
        let state = response.header("x-circuit-breaker-state");
        ensure!(body["circuit_breaker_state"].as_str() == state, "{response:?}: {body}");
    } else {
        ensure!(body["message"] == "Service response successful", "{body}");
    }
    let header = response.header("x-circuit-breaker-fallback");
    ensure!(header.is_some() == by_fallback, "{response:?}");
    Ok(if by_fallback { "fallback" } else { "downstream" })
}
