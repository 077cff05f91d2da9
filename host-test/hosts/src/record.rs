//! The record that all workers share, as every host keeps it.

use breaker::{Breaker, Mode};
use scenario::Status;

/// What a record says of a service that is configured to be in this mode; one that is absent or
/// unreadable is that of a new breaker.
pub(crate) fn status(record: Option<&[u8]>, mode: &str) -> Status {
    let breaker = record.and_then(|bytes| Breaker::decode(bytes).ok()).unwrap_or_default();
    let status = breaker.status(Mode::named(mode.as_bytes()).unwrap_or_default());
    Status {
        state: status.state.name().to_owned(),
        failure_count: status.failures.into(),
        generation: status.generation.number(),
        trip_reason: status.trip_reason.map(|reason| reason.name().to_owned()),
    }
}
