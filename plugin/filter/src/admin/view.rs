//! A breaker as the admin API shows it.

use breaker::{Counts, DivertReason, Outcome, UnixTime};

use crate::calendar::rfc3339;
use crate::clusters::Unknown;
use crate::events::percent;
use crate::host::Host;
use crate::json::Json;
use crate::status::ServiceStatus;
use crate::telemetry::{Metric, ServiceMetric};

/// A breaker as the admin API shows it. What nothing is measured of yet is null.
///
/// `series`: the metrics that are its own; `None`: its calls are counted with others'. What they were
/// counted up to since the proxy was started, over all workers, is null as well where the proxy does not
/// tell.
pub(super) fn of(
    status: ServiceStatus,
    unknown: &[Unknown<'_>],
    series: Option<usize>,
    host: &dyn Host,
) -> Json<'static> {
    let counts = status.counts;
    let percent = |part: fn(&Counts) -> u32| {
        let counts = counts.filter(|counts| counts.calls > 0);
        Json::from(counts.map(|counts| percent(part(&counts), counts.calls)))
    };
    let count = |metric| host.gauges()?.read(Metric::Of(series?, metric));
    let diverted = DivertReason::ALL.map(|reason| count(ServiceMetric::NotPermitted(reason)));
    let diverted = diverted.into_iter().try_fold(0, |sum: u64, it| Some(sum.saturating_add(it?)));
    let written = |at: Option<UnixTime>| at.map(rfc3339).into();
    let unknown = unknown.iter().map(|it| {
        let name = it.name.to_owned().into();
        Json::object([("name", name), ("noticed_at", rfc3339(it.at).into())])
    });
    Json::object([
        ("service_name", status.service_name.into()),
        ("state", Json::text(status.state.name())),
        ("mode", Json::text(status.mode.name())),
        ("failure_count", status.failure_count.into()),
        ("last_failure_time", written(status.last_failure)),
        ("last_success_time", written(status.last_success)),
        ("opened_at", written(status.opened_at)),
        ("retry_at", written(status.retry_at)),
        ("trip_reason", status.trip_reason.map(|reason| Json::text(reason.name())).into()),
        ("failure_rate", percent(|counts| counts.failures)),
        ("slow_call_rate", percent(|counts| counts.slow)),
        ("buffered_calls", counts.map(|counts| counts.calls).into()),
        ("adaptive", status.adaptive.map(|report| report.to_string()).into()),
        ("diverted_share", status.adaptive.map(|it| f64::from(it.diverts) / 1_000.0).into()),
        ("in_flight", status.in_flight.into()),
        ("generation", status.generation.into()),
        ("calls", calls(count).into()),
        ("slow_calls", count(ServiceMetric::SlowCalls).into()),
        ("not_permitted", diverted.into()),
        // What it is configured with, and the proxy did not have when it was last asked for.
        ("unknown_clusters", Json::List(unknown.collect())),
    ])
}

/// Its calls by their outcomes.
fn calls(count: impl Fn(ServiceMetric) -> Option<u64>) -> Option<Json<'static>> {
    let count = |outcome| Some(count(ServiceMetric::Calls(outcome))?.into());
    Some(Json::object([
        ("success", count(Outcome::Success)?),
        ("failure", count(Outcome::FAILURE)?),
        ("ignored", count(Outcome::Ignored)?),
        ("aborted", count(Outcome::Aborted)?),
    ]))
}
