//! Why a breaker does what it does, as data: one table each for log line, metric label, admin API,
//! record and assertion.

use crate::state_name::StateName;
use crate::table::table;

table! {
    /// Why a breaker moved to another state.
    pub enum Reason: ReasonRow {
        /// The name in logs, metrics and the admin API.
        pub name: &'static str,
        /// The states it leads to.
        pub to: &'static [StateName],
        /// Its byte in a record.
        pub(crate) code: u8,
    }
    /// To open: the adaptive rule diverts all calls. To closed: it lets them come back.
    Adaptive { name: "adaptive", to: &[StateName::Open, StateName::Closed], code: 9 }
    /// To open: as many failures in a row as the rule allows.
    ConsecutiveFailures { name: "consecutive_failures", to: &[StateName::Open], code: 1 }
    /// To open: too large a share of the latest calls failed.
    FailureRate { name: "failure_rate", to: &[StateName::Open], code: 6 }
    /// To open: the fleet says that the service is down. To half-open: another process of it has found
    /// the service to be well.
    Fleet { name: "fleet", to: &[StateName::Open, StateName::HalfOpen], code: 10 }
    /// To half-open or closed: the service passed its health check.
    HealthCheck {
        name: "health_check",
        to: &[StateName::HalfOpen, StateName::Closed],
        code: 3,
    }
    /// To any state: an operator has asked for it.
    Operator { name: "operator", to: &StateName::ALL, code: 8 }
    /// To open: the service has too much to do, and asked to be left alone for a time.
    RetryAfter { name: "retry_after", to: &[StateName::Open], code: 11 }
    /// To open: too large a share of the latest calls was slow.
    SlowCallRate { name: "slow_call_rate", to: &[StateName::Open], code: 7 }
    /// To open again: a trial failed.
    TrialFailed { name: "trial_failed", to: &[StateName::Open], code: 2 }
    /// To closed: enough trials succeeded.
    TrialsSucceeded { name: "trials_succeeded", to: &[StateName::Closed], code: 4 }
    /// To half-open: the wait was over, and no health check was to be asked.
    WaitElapsed { name: "wait_elapsed", to: &[StateName::HalfOpen], code: 5 }
}

table! {
    /// Why a call was not admitted.
    pub enum DivertReason: DivertReasonRow {
        /// The name in headers and metrics.
        pub name: &'static str,
    }
    /// The adaptive rule diverts a share of the calls, or all of them.
    Adaptive { name: "adaptive" }
    /// As many calls as may be are under way: for whoever counts them, which a breaker does not.
    Bulkhead { name: "bulkhead" }
    /// The breaker is open, since the fleet says so.
    Fleet { name: "fleet" }
    /// An operator has said so, by the mode.
    ForcedOpen { name: "forced_open" }
    /// The breaker is half-open and every trial slot is taken.
    HalfOpen { name: "half_open" }
    /// The breaker is open.
    Open { name: "open" }
    /// The breaker has just closed, and lets the service have its traffic back little by little.
    Ramp { name: "ramp" }
}
