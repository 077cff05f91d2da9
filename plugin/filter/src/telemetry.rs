//! The catalogue of metrics: each with its Envoy name, as a dense number, so that a shell can
//! keep their ids in a table and no string is built on the way of a request.
//!
//! A further metric is a row of a table here. What it counts of calls, transitions and the state of a
//! breaker is said here, too; anything else is counted where it happens. The text of a row is what
//! the page on operations says of it.

mod label;
mod table;

use ::fleet::SyncResult;
use breaker::{
    CheckResult, Counts, DivertReason, Ended, Outcome, Reason, StateName, Status, Transition,
};

use self::label::Label;
pub use self::label::{FallbackKind, NotificationResult, SkipReason, Unprotected};
pub use self::table::{LABEL_PREFIX, MetricKind, MetricRow};
use self::table::{metrics, push_label, sum};

metrics! {
    /// A metric that every service has.
    ServiceMetric {
        /// 0 closed, 1 open, 2 half-open, 3 forced open, 4 disabled, 5 metrics only
        Gauge State = "state",
        /// failures in a row
        Gauge FailureCount = "failure_count",
        /// share of the latest calls that failed, in whole percent, the fraction cut off; 0 without
        /// a rule about rates
        Gauge FailureRate = "failure_rate",
        /// share of the latest calls that were slow, likewise
        Gauge SlowCallRate = "slow_call_rate",
        /// share of the calls that the [adaptive rule](configuration.md#adaptive) diverts, in whole
        /// percent; 0 without that rule
        Gauge DivertedShare = "diverted_share",
        /// calls that hold a bulkhead permit, over all workers; 0 without a bulkhead
        Gauge InFlight = "in_flight",
        /// for the filter's own use: which version of the record is stored, and whether it is about to be
        /// written
        Gauge RecordVersion = "record_version",
        /// admitted calls, by [outcome](#outcomes-and-reasons)
        Counter Calls(outcome: Outcome) = "calls_total",
        /// admitted calls that were slow by the configured duration, whatever became of them
        Counter SlowCalls = "slow_calls_total",
        /// diverted calls, by [reason](#outcomes-and-reasons); in the mode `metrics_only`, calls
        /// that would have been diverted
        Counter NotPermitted(reason: DivertReason) = "not_permitted_total",
        /// answers in the service's stead, by [kind](#outcomes-and-reasons)
        Counter Fallback(kind: FallbackKind) = "fallback_total",
        /// transitions. `to`: `open`, `half_open`, `closed`, `forced_open`, `disabled`,
        /// `metrics_only`; reasons below
        Counter Transitions(to: StateName, reason: Reason) = "transitions_total",
        /// `healthy`, `unhealthy`; each attempt counts
        Counter HealthChecks(result: CheckResult) = "health_checks_total",
    }
    /// A metric of no service.
    ModuleMetric {
        /// updates of shared state that were given up
        Counter LostUpdates = "lost_updates_total",
        /// [notifications](#events), by [result](#outcomes-and-reasons)
        Counter Notifications(result: NotificationResult) = "notifications_total",
        /// [copies](configuration.md#limits) that were not made, or not to their end, by
        /// [reason](#outcomes-and-reasons)
        Counter CopiesSkipped(reason: SkipReason) = "copies_skipped_total",
        /// looks at the store of a [fleet](fleet.md), by [result](#outcomes-and-reasons)
        Counter FleetSync(result: SyncResult) = "fleet_sync_total",
        /// seconds since the store of a [fleet](fleet.md) was read last, or since this process began to
        /// ask it; 0 without a fleet
        Gauge FleetAge = "fleet_age_seconds",
        /// records that could not be read, and were taken as absent
        Counter UnreadableRecords = "unreadable_records_total",
        /// calls that the breaker could not protect, by [reason](#outcomes-and-reasons)
        Counter Unprotected(reason: Unprotected) = "unprotected_total",
        /// for the filter's own use: it moves after each transition of any service
        Gauge Transitions = "record_version",
    }
}

/// A metric of the module or, with a number, of a service: of one that is counted apart, or of all that
/// are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// One of no service.
    Module(ModuleMetric),
    /// One of the service with this number.
    Of(usize, ServiceMetric),
    /// Like [`ServiceMetric::RecordVersion`], of the slot with this number.
    Slot(usize),
}

impl From<ModuleMetric> for Metric {
    fn from(metric: ModuleMetric) -> Self {
        Self::Module(metric)
    }
}

const MODULE_METRICS: usize = sum(ModuleMetric::ROWS, usize::MAX);
/// Behind those of a service: the gauge of a slot, by its own number.
const SLOT: usize = sum(ServiceMetric::ROWS, usize::MAX);

impl Metric {
    /// How many metrics there are with so many services.
    #[must_use]
    pub const fn count(services: usize) -> usize {
        services.saturating_mul(SLOT + 1).saturating_add(MODULE_METRICS)
    }

    /// All metrics there are with so many services.
    pub fn all(services: usize) -> impl Iterator<Item = Self> {
        Self::of_module().chain((0..services).flat_map(Self::of_service))
    }

    /// Those of the service with this number.
    pub fn of_service(number: usize) -> impl Iterator<Item = Self> {
        let happens = |metric: &ServiceMetric| match *metric {
            ServiceMetric::Transitions(to, reason) => reason.to().contains(&to),
            _ => true,
        };
        ServiceMetric::all().filter(happens).map(move |metric| Self::Of(number, metric))
    }

    /// Those of no service.
    pub fn of_module() -> impl Iterator<Item = Self> {
        ModuleMetric::all().map(Self::Module)
    }

    /// The metric's number, below [`count`](Self::count). In line: of a metric that is written down
    /// in the code, nothing is left of it but a sum.
    #[inline(always)]
    #[must_use]
    pub fn index(self) -> usize {
        // No table is so long that this would wrap.
        let of = |service: usize, metric: usize| {
            service.wrapping_mul(SLOT + 1).wrapping_add(MODULE_METRICS + metric)
        };
        match self {
            Self::Module(metric) => metric.number(),
            Self::Of(service, metric) => of(service, metric.number()),
            Self::Slot(gauge) => of(gauge, SLOT),
        }
    }

    /// Whether it goes up only, or is set.
    #[must_use]
    pub const fn kind(self) -> MetricKind {
        match self {
            Self::Module(metric) => metric.kind(),
            Self::Of(_, metric) => metric.kind(),
            Self::Slot(_) => MetricKind::Gauge,
        }
    }

    /// Whether it is a gauge that the filter asks for and never sets: a host that keeps no gauges has
    /// nothing to show of it.
    #[must_use]
    pub const fn is_for_own_use(self) -> bool {
        matches!(
            self,
            Self::Module(ModuleMetric::Transitions)
                | Self::Of(_, ServiceMetric::RecordVersion)
                | Self::Slot(_)
        )
    }

    /// The name under which Envoy keeps it, given the name of its service, or of its slot.
    #[must_use]
    #[inline(never)]
    pub fn stat_name(self, service: &str) -> String {
        let mut stat = String::new();
        let name = self.describe(service, &mut |label, value| push_label(&mut stat, label, value));
        stat.push_str(name);
        stat
    }

    /// Its name without labels, and each of them with its value, likewise.
    pub fn describe(
        self,
        service: &str,
        label: &mut dyn FnMut(&'static str, &str),
    ) -> &'static str {
        let metric = match self {
            Self::Module(metric) => return metric.describe(label),
            Self::Of(_, metric) => metric,
            Self::Slot(_) => ServiceMetric::RecordVersion,
        };
        // A dot would end a value early under the tag rules that Istio brings along.
        label("service", &service.replace('.', "_"));
        metric.describe(label)
    }
}

impl ServiceMetric {
    /// Those that show how a breaker stands.
    pub(crate) const GAUGES: [Self; 6] = [
        Self::State,
        Self::FailureCount,
        Self::FailureRate,
        Self::SlowCallRate,
        Self::DivertedShare,
        Self::InFlight,
    ];

    /// What counts a call that has ended. In line: the closed path is held to its instructions.
    #[inline(always)]
    pub(crate) fn of_call(ended: Ended, mut count: impl FnMut(Self)) {
        count(Self::Calls(ended.outcome));
        if ended.slow {
            count(Self::SlowCalls);
        }
    }

    /// What counts a transition.
    pub(crate) fn of_transition(transition: &Transition, mut count: impl FnMut(Self)) {
        count(Self::Transitions(transition.to, transition.reason));
    }

    /// What the gauges show of a breaker, of the latest calls if they are kept, and of the share
    /// that the adaptive rule diverts, in thousandths of a percent, if there is that rule.
    pub(crate) fn of_status(
        status: &Status,
        counts: Option<Counts>,
        diverted: Option<u32>,
        mut set: impl FnMut(Self, u64),
    ) {
        set(Self::State, status.state.gauge());
        set(Self::FailureCount, status.failures.into());
        if let Some(counts) = counts {
            set(Self::FailureRate, counts.failure_percent().into());
            set(Self::SlowCallRate, counts.slow_percent().into());
        }
        if let Some(diverted) = diverted {
            set(Self::DivertedShare, (diverted.saturating_add(500) / 1_000).into());
        }
    }
}

/// The value of a label by its number, and what is left of the number for the others.
fn nth<L: Label>(number: usize) -> Option<(L, usize)> {
    let values = L::VALUES;
    let value = values.get(number.checked_rem(values.len())?)?;
    Some((*value, number.checked_div(values.len())?))
}
