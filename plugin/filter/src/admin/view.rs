//! A breaker as the admin API shows it.

use breaker::{CheckResult, Counts, DivertReason, Outcome, UnixTime};
use config::Service;

use super::rules;
use crate::calendar::rfc3339;
use crate::clusters::Unknown;
use crate::events::percent;
use crate::host::Host;
use crate::json::{Fields, Json};
use crate::recent::{Answered, Failure, Notes, is_down};
use crate::status::ServiceStatus;
use crate::telemetry::{FallbackKind, Metric, ServiceMetric};

/// What is shown of a breaker beside its record.
#[derive(Default)]
pub(super) struct Noted {
    /// What last happened to it, as far as that is kept.
    pub(super) notes: Notes,
    /// What was counted by now.
    pub(super) answered: Option<Answered>,
    pub(super) next_check: Option<UnixTime>,
}

/// A breaker as the admin API shows it. What nothing is measured of yet is null.
///
/// `series`: the metrics that are its own; `None`: its calls are counted with others'. What they were
/// counted up to since the proxy was started, over all workers, is null as well where the proxy does not
/// tell. `alone`: its service, if no other is shown beside it, so that there is room for all.
pub(super) fn of(
    status: &ServiceStatus,
    noted: &Noted,
    unknown: &[Unknown<'_>],
    series: Option<usize>,
    alone: Option<&Service>,
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
    let mut shown = Fields::new();
    shown.text("service_name", &status.service_name);
    shown.text("state", status.state.name());
    shown.text("mode", status.mode.name());
    shown.number("failure_count", status.failure_count.into());
    time(&mut shown, "last_failure_time", status.last_failure);
    time(&mut shown, "last_success_time", status.last_success);
    time(&mut shown, "opened_at", status.opened_at);
    time(&mut shown, "retry_at", status.retry_at);
    shown.maybe_text("trip_reason", status.trip_reason.map(|reason| reason.name()));
    shown.add("failure_rate", percent(|counts| counts.failures));
    shown.add("slow_call_rate", percent(|counts| counts.slow));
    shown.maybe("buffered_calls", counts.map(|counts| counts.calls.into()));
    let adaptive = status.adaptive.map(|report| report.to_string());
    shown.maybe_text("adaptive", adaptive.as_deref());
    let share = status.adaptive.map(|it| f64::from(it.diverts) / 1_000.0);
    shown.add("diverted_share", share.into());
    shown.maybe("in_flight", status.in_flight.map(u64::from));
    shown.number("generation", status.generation);
    shown.add("calls", calls(count).unwrap_or_default());
    shown.maybe("slow_calls", count(ServiceMetric::SlowCalls));
    shown.maybe("not_permitted", diverted);
    // What it is configured with, and the proxy did not have when it was last asked for.
    let unknown = unknown.iter().map(|it| {
        let mut cluster = Fields::new();
        cluster.text("name", it.name);
        time(&mut cluster, "noticed_at", Some(it.at));
        cluster.end()
    });
    shown.add("unknown_clusters", Json::List(unknown.collect()));
    happened(&mut shown, status, noted);
    if let Some(service) = alone {
        details(&mut shown, service, &noted.notes);
    }
    shown.end()
}

/// Its calls by their outcomes.
fn calls(count: impl Fn(ServiceMetric) -> Option<u64>) -> Option<Json<'static>> {
    let mut calls = Fields::new();
    for outcome in [Outcome::Success, Outcome::FAILURE, Outcome::Ignored, Outcome::Aborted] {
        calls.number(outcome.name(), count(ServiceMetric::Calls(outcome))?);
    }
    Some(calls.end())
}

/// What last happened to it.
#[inline(never)]
fn happened(shown: &mut Fields, status: &ServiceStatus, noted: &Noted) {
    time(shown, "next_check_at", noted.next_check);
    let last = noted.notes.failures.iter().flatten().max_by_key(|it| it.at.as_nanos());
    let last_failure = match (last, status.last_failure) {
        (Some(last), _) => failure(last.at, Some(last)),
        // The record alone knows of it.
        (None, Some(at)) => failure(at, None),
        (None, None) => Json::Null,
    };
    shown.add("last_failure", last_failure);
    let since = noted.notes.since.filter(|_| is_down(status.state));
    time(shown, "not_closed_since", since.map(|it| it.at));
    let answered = since.and_then(|it| Some(noted.answered?.since(it.answered?)));
    let by_kind = answered.map(|answered| {
        let mut kinds = Fields::new();
        for (kind, count) in FallbackKind::ALL.into_iter().zip(answered.by) {
            kinds.number(kind.name(), count);
        }
        kinds.end()
    });
    shown.add("answered_since_open", by_kind.unwrap_or_default());
    shown.maybe("diverted_since_open", answered.map(|it| it.diverted));
}

/// Its rules, and all that is kept of what last happened to it, the latest first.
#[inline(never)]
fn details(shown: &mut Fields, service: &Service, notes: &Notes) {
    let (mut failures, mut left) = (Vec::new(), notes.failures);
    // There are so few that to sort them would take more code than it is worth.
    while let Some(last) = left.iter_mut().max_by_key(|it| it.map(|it| it.at.as_nanos()))
        && let Some(last) = last.take()
    {
        failures.push(failure(last.at, Some(&last)));
    }
    shown.add("last_failures", Json::List(failures));
    let checks = notes.checks.iter().rev().map(|it| {
        let mut check = Fields::new();
        time(&mut check, "time", Some(it.at));
        check.text("result", it.result.map_or("unknown_cluster", CheckResult::name));
        check.maybe("status", it.status.map(u64::from));
        check.end()
    });
    shown.add("last_checks", Json::List(checks.collect()));
    shown.add("rules", rules::of(service));
}

/// A failure; `None`: of which no more is known than when it was.
#[inline(never)]
fn failure(at: UnixTime, known: Option<&Failure>) -> Json<'static> {
    let mut failure = Fields::new();
    time(&mut failure, "time", Some(at));
    failure.maybe_text("kind", known.map(|it| it.kind.name()));
    failure.maybe("status", known.and_then(|it| it.status).map(u64::from));
    failure.end()
}

#[inline(never)]
fn time(shown: &mut Fields, name: &str, at: Option<UnixTime>) {
    shown.maybe_text(name, at.map(rfc3339).as_deref());
}
