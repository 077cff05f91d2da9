//! What the breakers of this process say, and what the fleet says to them.

use core::time::Duration;

use breaker::{Generation, Timestamp};

/// What a breaker of this process does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// Calls pass, all of them or the share of a ramp.
    Closed {
        /// When a call succeeded last.
        succeeded: Option<Timestamp>,
    },
    /// Calls are diverted.
    Open(Opened),
    /// Trials pass.
    HalfOpen,
    /// It says nothing and follows nobody: a share of the calls is diverted by another rule, or its
    /// decisions are not heeded, or an operator has taken them.
    Aside,
}

/// An open breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The period that began when it opened: another one is another trip.
    pub generation: Generation,
    /// Whose word has opened it.
    pub by: By,
    /// The health check that lets it leave, if it has one.
    pub check: Option<NextCheck>,
    /// When it has been open for its longest wait: longer it is not on another's word.
    pub until: Timestamp,
}

/// Whose word has opened a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Its own calls, trials or checks.
    Itself,
    /// The fleet's verdict.
    Fleet,
}

/// The next health check of an open breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextCheck {
    /// Time from one to the next.
    pub interval: Duration,
    /// When it would be made if there were no fleet.
    pub due: Timestamp,
}

/// What a breaker is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the fleet's verdict is followed, or shown as not followed"]
pub enum Advice {
    /// To open, by reason `fleet`: so many others report the service.
    Open {
        /// How many.
        reporters: u32,
    },
    /// To become half-open: another process has found the service to be well.
    HalfOpen,
}

/// How a breaker stands to the fleet's verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// There is no verdict that it would have to follow.
    #[default]
    Agrees,
    /// It is open because the fleet says so.
    Follows,
    /// It stays closed though the fleet says open: its own calls succeed.
    OwnCallsSucceed,
    /// It returned on another's word, and its own trial failed: until it has closed it asks for
    /// itself, reports nothing, and believes nobody.
    OwnTrialsFail,
}

impl Standing {
    /// The name in logs and the admin API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Follows => "follows",
            Self::OwnCallsSucceed => "own_calls_succeed",
            Self::OwnTrialsFail => "own_trials_fail",
        }
    }
}

/// What a health check of this process said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckSaid {
    /// It failed, with all its retries.
    Failed,
    /// It passed, and more have to.
    Passing,
    /// It passed, and that was enough.
    Passed,
}
