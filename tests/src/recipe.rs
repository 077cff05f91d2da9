//! The recipe's trace, row by row, on a configuration that people copy.

use std::time::Duration;

use anyhow::{Error, Result};
use services::trace::{BODY, PATH, Row, Seen, TRACE, who_answered};

use crate::{Edge, PAYMENT};

/// The retries of a failed check are 2, 4 and 8 seconds apart; the last may just have been missed.
const UNTIL_CLOSED: Duration = Duration::from_secs(30);

/// Follows it in an Envoy with so many workers, which runs the recipe's configuration.
///
/// # Errors
/// When something does not answer. A row that goes otherwise is a panic.
///
/// # Panics
/// When a row goes otherwise than the recipe says.
pub async fn follow(edge: Edge, workers: u32) -> Result<()> {
    let mut before = "CLOSED";
    for (index, row) in TRACE.iter().enumerate() {
        prepare(&edge, row, before).await?;
        before = row.seen.state;
        let calls = edge.services.service(PAYMENT).calls();
        let response = edge.post(PATH, BODY).await?;
        let calls = edge.services.service(PAYMENT).calls() - calls;
        let breaker = edge.breaker(PAYMENT).await?;
        let status = response.status.as_u16();
        let answered_by = who_answered(status, |name| response.header(name), &response.json()?);
        let seen = Seen {
            answered_by: answered_by.map_err(Error::msg)?,
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
    row.prepare(&edge.services.service(PAYMENT));
    if before == "OPEN" && row.seen.state == "CLOSED" {
        edge.wait_for(PAYMENT, "CLOSED", UNTIL_CLOSED).await?;
    }
    Ok(())
}
