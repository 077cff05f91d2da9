//! Why a breaker does what it does, as data: one enum for log line, metric label, admin API
//! and assertion.

use crate::{Counts, Generation};

/// The state of a breaker without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateName {
    /// Calls pass.
    Closed,
    /// Calls are diverted.
    Open,
    /// A few trial calls pass.
    HalfOpen,
    /// Calls are diverted, as the [mode](crate::Mode) says.
    ForcedOpen,
    /// Calls pass, and are not counted, as the mode says.
    Disabled,
    /// Calls pass, and are counted, as the mode says.
    MetricsOnly,
}

impl StateName {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Closed,
        Self::Open,
        Self::HalfOpen,
        Self::ForcedOpen,
        Self::Disabled,
        Self::MetricsOnly,
    ];

    /// The name that users see, `CLOSED` and so on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Open => "OPEN",
            Self::HalfOpen => "HALF_OPEN",
            Self::ForcedOpen => "FORCED_OPEN",
            Self::Disabled => "DISABLED",
            Self::MetricsOnly => "METRICS_ONLY",
        }
    }

    /// The value of a metric label, `closed` and so on.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
            Self::MetricsOnly => "metrics_only",
        }
    }

    /// The value of the state gauge.
    #[must_use]
    pub const fn gauge(self) -> u64 {
        match self {
            Self::Closed => 0,
            Self::Open => 1,
            Self::HalfOpen => 2,
            Self::ForcedOpen => 3,
            Self::Disabled => 4,
            Self::MetricsOnly => 5,
        }
    }

    /// Whether calls reach the service in this state, if only a few of them.
    #[must_use]
    pub const fn takes_traffic(self) -> bool {
        !matches!(self, Self::Open | Self::ForcedOpen)
    }

    /// Whether a call that fails in this state may be answered by the fallback.
    #[must_use]
    pub const fn diverts_failures(self) -> bool {
        !matches!(self, Self::Disabled | Self::MetricsOnly)
    }
}

/// Why a breaker moved to another state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// To open: as many failures in a row as the rule allows.
    ConsecutiveFailures,
    /// To open: too large a share of the latest calls failed.
    FailureRate,
    /// To half-open or closed: the service passed its health check.
    HealthCheck,
    /// To any state: an operator has asked for it.
    Operator,
    /// To open: too large a share of the latest calls was slow.
    SlowCallRate,
    /// To open again: a trial failed.
    TrialFailed,
    /// To closed: enough trials succeeded.
    TrialsSucceeded,
    /// To half-open: the wait was over, and no health check was to be asked.
    WaitElapsed,
}

impl Reason {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::ConsecutiveFailures,
        Self::FailureRate,
        Self::HealthCheck,
        Self::Operator,
        Self::SlowCallRate,
        Self::TrialFailed,
        Self::TrialsSucceeded,
        Self::WaitElapsed,
    ];

    /// The name in logs, metrics and the admin API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::FailureRate => "failure_rate",
            Self::HealthCheck => "health_check",
            Self::Operator => "operator",
            Self::SlowCallRate => "slow_call_rate",
            Self::TrialFailed => "trial_failed",
            Self::TrialsSucceeded => "trials_succeeded",
            Self::WaitElapsed => "wait_elapsed",
        }
    }
}

/// One move from a state to another. It happened exactly once if the record that holds it was
/// stored by compare-and-swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a transition is logged and counted once"]
pub struct Transition {
    /// The state left.
    pub from: StateName,
    /// The state entered.
    pub to: StateName,
    /// Why.
    pub reason: Reason,
    /// Failures in a row at that moment.
    pub failures: u32,
    /// The latest calls of the period that ended by a trip, as long as they are kept.
    pub calls: Counts,
    /// The period that began, or that goes on in another mode.
    pub generation: Generation,
}

/// Why a call was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DivertReason {
    /// As many calls as may be are under way: for whoever counts them, which a breaker does not.
    Bulkhead,
    /// An operator has said so, by the mode.
    ForcedOpen,
    /// The breaker is half-open and every place is taken.
    HalfOpen,
    /// The breaker is open.
    Open,
    /// The breaker has just closed, and lets the service have its traffic back little by little.
    Ramp,
}

impl DivertReason {
    /// All there are.
    pub const ALL: [Self; 5] =
        [Self::Bulkhead, Self::ForcedOpen, Self::HalfOpen, Self::Open, Self::Ramp];

    /// The name in headers and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bulkhead => "bulkhead",
            Self::ForcedOpen => "forced_open",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
            Self::Ramp => "ramp",
        }
    }
}
