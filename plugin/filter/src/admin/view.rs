//! A breaker as the admin API shows it.

use breaker::{Counts, DivertReason, Outcome, UnixTime};
use shared::VersionGauge;

use crate::clusters::Unknown;
use crate::events::{self, percent};
use crate::host::Host;
use crate::response::reply::rfc3339;
use crate::status::ServiceStatus;
use crate::telemetry::{Metric, ServiceMetric};

#[derive(serde::Serialize)]
pub(super) struct ServiceList {
    /// By the proxy's clock: what times are to be compared with.
    pub(super) now: String,
    pub(super) services: Vec<View>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<&'static str>,
}

#[derive(serde::Serialize)]
pub(super) struct EventList<'a> {
    pub(super) events: Vec<events::View<'a>>,
}

/// A breaker as the admin API shows it. What nothing is measured of yet is null.
#[derive(serde::Serialize)]
pub(super) struct View {
    service_name: String,
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
    /// What was counted since the proxy was started, over all workers; null where the proxy does not
    /// tell what its counters stand at, or where they are not the breaker's own.
    calls: Option<Calls>,
    slow_calls: Option<u64>,
    not_permitted: Option<u64>,
    /// What it is configured with, and the proxy did not have when it was last asked for.
    unknown_clusters: Vec<UnknownCluster>,
}

#[derive(serde::Serialize)]
struct UnknownCluster {
    name: String,
    noticed_at: String,
}

impl View {
    /// `series`: the metrics that are its own; `None`: its calls are counted with others'.
    pub(super) fn of(
        status: ServiceStatus,
        unknown: &[Unknown<'_>],
        series: Option<usize>,
        host: &impl Host,
    ) -> Self {
        let counts = status.counts;
        let percent = |part: fn(&Counts) -> u32| {
            let counts = counts.filter(|counts| counts.calls > 0)?;
            Some(percent(part(&counts), counts.calls))
        };
        let count = |metric| host.gauges()?.read(Metric::Of(series?, metric));
        let diverted = DivertReason::ALL.map(|reason| count(ServiceMetric::NotPermitted(reason)));
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
            calls: Calls::of(count),
            slow_calls: count(ServiceMetric::SlowCalls),
            not_permitted: diverted
                .into_iter()
                .try_fold(0, |sum: u64, count| Some(sum.saturating_add(count?))),
            unknown_clusters: unknown
                .iter()
                .map(|it| UnknownCluster { name: it.name.to_owned(), noticed_at: rfc3339(it.at) })
                .collect(),
        }
    }
}

#[derive(serde::Serialize)]
struct Calls {
    success: u64,
    failure: u64,
    ignored: u64,
    aborted: u64,
}

impl Calls {
    fn of(count: impl Fn(ServiceMetric) -> Option<u64>) -> Option<Self> {
        Some(Self {
            success: count(ServiceMetric::Calls(Outcome::Success))?,
            failure: count(ServiceMetric::Calls(Outcome::FAILURE))?,
            ignored: count(ServiceMetric::Calls(Outcome::Ignored))?,
            aborted: count(ServiceMetric::Calls(Outcome::Aborted))?,
        })
    }
}
