//! A breaker as the admin API shows it.

use breaker::{Counts, UnixTime};

use crate::reply::rfc3339;
use crate::status::ServiceStatus;

#[derive(serde::Serialize)]
pub(super) struct Services<'a> {
    pub(super) services: Vec<View<'a>>,
}

/// A breaker as the admin API shows it. What nothing is measured of yet is null.
#[derive(serde::Serialize)]
pub(super) struct View<'a> {
    service_name: &'a str,
    state: &'static str,
    mode: &'static str,
    failure_count: u32,
    last_failure_time: Option<String>,
    last_success_time: Option<String>,
    opened_at: Option<String>,
    retry_at: Option<String>,
    trip_reason: Option<&'static str>,
    failure_rate: Option<f64>,
    slow_call_rate: Option<f64>,
    buffered_calls: Option<u32>,
    in_flight: Option<u32>,
    generation: u64,
}

impl<'a> View<'a> {
    pub(super) fn of(status: &ServiceStatus<'a>) -> Self {
        let counts = status.counts;
        let percent = |part: fn(&Counts) -> u32| {
            let counts = counts.filter(|counts| counts.calls > 0)?;
            Some(f64::from(part(&counts)) * 100.0 / f64::from(counts.calls))
        };
        let written = |at: Option<UnixTime>| at.map(rfc3339);
        Self {
            service_name: status.service_name,
            state: status.state.name(),
            mode: status.mode.name(),
            failure_count: status.failure_count,
            last_failure_time: written(status.last_failure),
            last_success_time: written(status.last_success),
            opened_at: written(status.opened_at),
            retry_at: written(status.retry_at),
            trip_reason: status.trip_reason.map(breaker::Reason::name),
            failure_rate: percent(|counts| counts.failures),
            slow_call_rate: percent(|counts| counts.slow),
            buffered_calls: counts.map(|counts| counts.calls),
            in_flight: status.in_flight,
            generation: status.generation,
        }
    }
}
