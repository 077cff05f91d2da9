//! The catalogue of metrics: each with its Envoy name, as a dense number, so that a shell can
//! keep their ids in a table and no string is built on the way of a request.
//!
//! A label is written into the name as `cb_service=.=payment-service;.;`, the form that Istio's
//! `extraStatTags` and the sample's `stats_tags` turn into labels.

use breaker::{CheckResult, DivertReason, Outcome, Reason, StateName};

/// How a diverted or failed call was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FallbackKind {
    /// By the fallback cluster, through the route.
    Cluster,
    /// By the fallback cluster, which was sent the failed call.
    Replay,
    /// By a static response.
    Response,
    /// By an answer that the service gave before.
    Stale,
}

impl FallbackKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Replay => "replay",
            Self::Response => "response",
            Self::Stale => "stale",
        }
    }
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationResult {
    /// The endpoint took it.
    Delivered,
    /// It did not, however often it was asked to.
    Failed,
    /// There were too many: it was overwritten before it was posted.
    Dropped,
}

/// Why a call passes without a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// There was no room for it.
    Limit,
    /// It had to make room for others.
    Evicted,
}

/// A metric of the module or, with a number, of a service: of one that is counted apart, or of all that
/// are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Updates of the shared state that were given up.
    LostUpdates,
    /// Diverted calls that the route sent to the service all the same.
    Misrouted,
    /// Calls whose cluster could not be told, since the client had steered the route.
    Steered,
    /// Calls that passed without a look at the breaker, since its record could not be read.
    Unprotected,
    /// Calls without a name, since some of what it is made of was not known.
    Unnamed,
    /// Calls whose name would be one too many.
    BeyondBound,
    /// What was to be sent to a cluster that the proxy does not have.
    UnknownCluster,
    /// Records that could not be read, and were taken as absent.
    UnreadableRecords,
    /// Notifications by what became of them.
    Notifications(NotificationResult),
    /// Copies of requests and answers that were not made, or not to their end, by why.
    CopiesSkipped(SkipReason),
    /// A metric of the service with this number.
    Of(usize, ServiceMetric),
    /// Which version of its record a slot has, by the number of its gauge, and whether it is about to be written:
    /// see [`crate::client_names`]. Of no use to anyone else.
    Slot(usize),
}

/// A metric that every service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceMetric {
    /// The state, as a number.
    State,
    /// Failures in a row.
    FailureCount,
    /// The share of the latest calls that failed, in percent.
    FailureRate,
    /// The share of the latest calls that were slow, in percent.
    SlowCallRate,
    /// Calls under way, where there is a bulkhead.
    InFlight,
    /// Which version of the record this is, and whether it is about to be written: see
    /// [`crate::store`]. Of no use to anyone else.
    RecordVersion,
    /// Admitted calls by what became of them.
    Calls(Outcome),
    /// Admitted calls that were slow, whatever became of them.
    SlowCalls,
    /// Diverted calls by why.
    NotPermitted(DivertReason),
    /// Answers in the service's stead by who gave them.
    Fallback(FallbackKind),
    /// Transitions by state entered and why.
    Transitions(StateName, Reason),
    /// Health checks by what they said.
    HealthChecks(CheckResult),
}

/// Whether a metric goes up only, or is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It goes up only.
    Counter,
    /// It is set.
    Gauge,
}

const REASONS: usize = Reason::ALL.len();

/// The first index of each block of [`ServiceMetric::index`].
const CALLS: usize = 6;
const SLOW_CALLS: usize = CALLS + 4;
const NOT_PERMITTED: usize = SLOW_CALLS + 1;
const FALLBACK: usize = NOT_PERMITTED + DivertReason::ALL.len();
const TRANSITIONS: usize = FALLBACK + 4;
const HEALTH_CHECKS: usize = TRANSITIONS + StateName::ALL.len() * REASONS;
/// Not a service's: the gauge of a slot, by its own number.
const SLOT: usize = HEALTH_CHECKS + 2;
const SERVICE_METRICS: usize = SLOT + 1;
const MODULE_METRICS: usize = 13;

impl Metric {
    /// How many metrics there are with so many services.
    #[must_use]
    pub const fn count(services: usize) -> usize {
        services.saturating_mul(SERVICE_METRICS).saturating_add(MODULE_METRICS)
    }

    /// All metrics there are with so many services.
    pub fn all(services: usize) -> impl Iterator<Item = Self> {
        Self::of_module().chain((0..services).flat_map(Self::of_service))
    }

    /// Those of the service with this number.
    pub fn of_service(number: usize) -> impl Iterator<Item = Self> {
        ServiceMetric::all().map(move |metric| Self::Of(number, metric))
    }

    /// Those of no service.
    pub fn of_module() -> impl Iterator<Item = Self> {
        [
            Self::LostUpdates,
            Self::Misrouted,
            Self::Steered,
            Self::Unprotected,
            Self::UnreadableRecords,
            Self::Unnamed,
            Self::BeyondBound,
            Self::Notifications(NotificationResult::Delivered),
            Self::Notifications(NotificationResult::Failed),
            Self::Notifications(NotificationResult::Dropped),
            Self::CopiesSkipped(SkipReason::Limit),
            Self::CopiesSkipped(SkipReason::Evicted),
            Self::UnknownCluster,
        ]
        .into_iter()
    }

    /// The metric's number, below [`count`](Self::count). In line: of a metric that is written down
    /// in the code, nothing is left of it but a sum.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::LostUpdates => 0,
            Self::Misrouted => 1,
            Self::Steered => 2,
            Self::Unprotected => 3,
            Self::UnreadableRecords => 4,
            Self::Unnamed => 5,
            Self::BeyondBound => 6,
            Self::Notifications(NotificationResult::Delivered) => 7,
            Self::Notifications(NotificationResult::Failed) => 8,
            Self::Notifications(NotificationResult::Dropped) => 9,
            Self::CopiesSkipped(SkipReason::Limit) => 10,
            Self::CopiesSkipped(SkipReason::Evicted) => 11,
            Self::UnknownCluster => 12,
            // No table is so long that this would wrap.
            Self::Of(service, metric) => {
                service.wrapping_mul(SERVICE_METRICS).wrapping_add(MODULE_METRICS + metric.index())
            }
            Self::Slot(gauge) => {
                gauge.wrapping_mul(SERVICE_METRICS).wrapping_add(MODULE_METRICS + SLOT)
            }
        }
    }

    /// Whether it goes up only, or is set.
    #[must_use]
    pub const fn kind(self) -> MetricKind {
        match self {
            Self::Of(
                _,
                ServiceMetric::State
                | ServiceMetric::FailureCount
                | ServiceMetric::FailureRate
                | ServiceMetric::SlowCallRate
                | ServiceMetric::InFlight
                | ServiceMetric::RecordVersion,
            )
            | Self::Slot(_) => MetricKind::Gauge,
            _ => MetricKind::Counter,
        }
    }

    /// The name under which Envoy keeps it, given the name of its service, or of its slot.
    #[must_use]
    pub fn stat_name(self, service: &str) -> String {
        match self {
            Self::LostUpdates => "edge_breaker_lost_updates_total".to_owned(),
            Self::UnreadableRecords => "edge_breaker_unreadable_records_total".to_owned(),
            Self::Misrouted => unprotected("fallback_route"),
            Self::Steered => unprotected("client_header"),
            Self::Unprotected => unprotected("store"),
            Self::Unnamed => unprotected("unnamed"),
            Self::BeyondBound => unprotected("max_services"),
            Self::UnknownCluster => unprotected("unknown_cluster"),
            Self::Notifications(result) => notifications(result),
            Self::CopiesSkipped(reason) => copies_skipped(reason),
            Self::Of(_, metric) => metric.stat_name(service),
            Self::Slot(_) => ServiceMetric::RecordVersion.stat_name(service),
        }
    }
}

fn unprotected(reason: &str) -> String {
    format!("{}edge_breaker_unprotected_total", label("reason", reason))
}

fn notifications(result: NotificationResult) -> String {
    let result = match result {
        NotificationResult::Delivered => "delivered",
        NotificationResult::Failed => "failed",
        NotificationResult::Dropped => "dropped",
    };
    format!("{}edge_breaker_notifications_total", label("result", result))
}

fn copies_skipped(reason: SkipReason) -> String {
    let reason = match reason {
        SkipReason::Limit => "limit",
        SkipReason::Evicted => "evicted",
    };
    format!("{}edge_breaker_copies_skipped_total", label("reason", reason))
}

/// A dot would end a value early under the tag rules that Istio brings along.
fn label(name: &str, value: &str) -> String {
    format!("cb_{name}=.={};.;", value.replace('.', "_"))
}

impl ServiceMetric {
    /// Those that show how a breaker stands.
    pub(crate) const GAUGES: [Self; 5] =
        [Self::State, Self::FailureCount, Self::FailureRate, Self::SlowCallRate, Self::InFlight];

    /// All metrics of a service, with the transitions that there are.
    fn all() -> impl Iterator<Item = Self> {
        let transitions = |reason: Reason| reason.to().iter().map(move |to| (*to, reason));
        Self::BEFORE_TRANSITIONS
            .into_iter()
            .chain(DivertReason::ALL.map(Self::NotPermitted))
            .chain(
                Reason::ALL
                    .into_iter()
                    .flat_map(transitions)
                    .map(|(to, why)| Self::Transitions(to, why)),
            )
            .chain([CheckResult::Healthy, CheckResult::Unhealthy].map(Self::HealthChecks))
    }

    const BEFORE_TRANSITIONS: [Self; 15] = [
        Self::State,
        Self::FailureCount,
        Self::FailureRate,
        Self::SlowCallRate,
        Self::RecordVersion,
        Self::InFlight,
        Self::Calls(Outcome::Success),
        Self::Calls(Outcome::FAILURE),
        Self::Calls(Outcome::Ignored),
        Self::Calls(Outcome::Aborted),
        Self::SlowCalls,
        Self::Fallback(FallbackKind::Cluster),
        Self::Fallback(FallbackKind::Replay),
        Self::Fallback(FallbackKind::Response),
        Self::Fallback(FallbackKind::Stale),
    ];

    #[inline(always)]
    const fn index(self) -> usize {
        match self {
            Self::State => 0,
            Self::FailureCount => 1,
            Self::RecordVersion => 2,
            Self::FailureRate => 3,
            Self::SlowCallRate => 4,
            Self::InFlight => 5,
            Self::Calls(outcome) => {
                CALLS
                    + match outcome {
                        Outcome::Success => 0,
                        Outcome::Failure { .. } => 1,
                        Outcome::Ignored | Outcome::Declined { .. } => 2,
                        Outcome::Aborted => 3,
                    }
            }
            Self::SlowCalls => SLOW_CALLS,
            Self::NotPermitted(reason) => NOT_PERMITTED + reason.index(),
            Self::Fallback(kind) => {
                FALLBACK
                    + match kind {
                        FallbackKind::Cluster => 0,
                        FallbackKind::Replay => 1,
                        FallbackKind::Response => 2,
                        FallbackKind::Stale => 3,
                    }
            }
            Self::Transitions(to, reason) => TRANSITIONS + to.index() * REASONS + reason.index(),
            Self::HealthChecks(result) => {
                HEALTH_CHECKS
                    + match result {
                        CheckResult::Healthy => 0,
                        CheckResult::Unhealthy => 1,
                    }
            }
        }
    }

    fn stat_name(self, service: &str) -> String {
        let (labels, name) = match self {
            Self::State => (String::new(), "state"),
            Self::FailureCount => (String::new(), "failure_count"),
            Self::FailureRate => (String::new(), "failure_rate"),
            Self::SlowCallRate => (String::new(), "slow_call_rate"),
            Self::InFlight => (String::new(), "in_flight"),
            Self::SlowCalls => (String::new(), "slow_calls_total"),
            Self::RecordVersion => (String::new(), "record_version"),
            Self::Calls(outcome) => (label("outcome", outcome.name()), "calls_total"),
            Self::NotPermitted(reason) => (label("reason", reason.name()), "not_permitted_total"),
            Self::Fallback(kind) => (label("kind", kind.name()), "fallback_total"),
            Self::Transitions(to, reason) => {
                let to = label("to", to.label());
                (to + &label("reason", reason.name()), "transitions_total")
            }
            Self::HealthChecks(result) => (label("result", result.name()), "health_checks_total"),
        };
        format!("{}{labels}edge_breaker_{name}", label("service", service))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_metric_has_a_number_and_a_name_of_its_own() {
        let slots = (0..2).map(Metric::Slot);
        let metrics: Vec<_> = Metric::all(2).chain(slots).collect();
        let unique = metrics.len();
        let numbers: BTreeSet<_> = metrics.iter().map(|metric| metric.index()).collect();
        assert_eq!(numbers.len(), unique);
        assert!(numbers.iter().all(|number| *number < Metric::count(2)));
        let names: BTreeSet<_> = metrics
            .iter()
            .map(|metric| match metric {
                Metric::Of(service, _) => metric.stat_name(&format!("s{service}")),
                Metric::Slot(slot) => metric.stat_name(&format!("{{host}}/{slot}")),
                _ => metric.stat_name(""),
            })
            .collect();
        assert_eq!(names.len(), unique);
    }

    #[test]
    fn labels_are_written_as_istio_reads_them() {
        let calls = Metric::Of(0, ServiceMetric::Calls(Outcome::FAILURE));
        assert_eq!(
            calls.stat_name("payment-service"),
            "cb_service=.=payment-service;.;cb_outcome=.=failure;.;edge_breaker_calls_total"
        );
        let state = Metric::Of(0, ServiceMetric::State);
        assert_eq!(state.stat_name("a.b"), "cb_service=.=a_b;.;edge_breaker_state");
    }
}
