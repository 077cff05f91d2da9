//! How a service is guarded: how long its breaker stays open, and what lets it back.
//!
//! A policy is valid by construction only as far as types go; the bounds that each field
//! documents are checked where configuration is read, and a breaker given anything else still
//! never panics.

use core::num::NonZeroU32;
use core::time::Duration;

use crate::mode::Mode;
use crate::trip::TripPolicy;

/// The most trials that can be in flight at once: a record has this many slots.
pub const MAX_PERMITTED_CALLS: u32 = 32;

/// How one service is guarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What is done with its decisions, unless an operator has said otherwise meanwhile.
    pub mode: Mode,
    /// What opens the breaker.
    pub trip: TripPolicy,
    /// How long it stays open.
    pub open: OpenPolicy,
    /// Which trials decide whether it closes.
    pub half_open: HalfOpenPolicy,
    /// What is asked before it leaves the open state; `None`: the wait alone decides.
    pub health_check: Option<HealthCheckPolicy>,
}

impl Policy {
    /// How long a service is left alone that has answered, and not said whether it is well.
    pub(crate) fn pause(&self) -> Duration {
        const UNCHECKED: Duration = Duration::from_secs(1);
        self.health_check.as_ref().map_or(UNCHECKED, |check| check.interval)
    }
}

/// How long the breaker stays open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPolicy {
    /// The wait after a first trip.
    pub wait: Duration,
    /// What each further trip in a row multiplies the wait by.
    pub backoff_rate: Rate,
    /// The longest wait, whatever lengthens it.
    pub max_wait: Duration,
    /// How far a wait is spread to either side, in percent, at most 100.
    pub jitter_percent: u8,
    /// Whether a tripping answer's `Retry-After` lengthens the wait.
    pub honor_retry_after: bool,
    /// Whether a service that has too much to do opens the breaker by its `Retry-After` alone. For whoever
    /// judges answers, who says so by the [outcome](crate::Outcome::Failure).
    pub on_retry_after: bool,
}

/// Which trials decide whether the breaker closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfOpenPolicy {
    /// Trials in flight or done in one half-open period, at most [`MAX_PERMITTED_CALLS`].
    pub permitted_calls: NonZeroU32,
    /// Successful trials that close the breaker, at most `permitted_calls`.
    pub success_threshold: NonZeroU32,
    /// Failed trials that open it again: with one less, and one success less than closes it, no
    /// more than `permitted_calls`.
    pub failure_threshold: NonZeroU32,
    /// After this long a trial that is not settled gives its slot back.
    pub max_wait: Duration,
    /// How long it takes, once the breaker has closed, until no call is diverted any more: their
    /// share falls steadily from all to none. Zero: none is.
    pub ramp: Duration,
}

/// What is asked before the breaker leaves the open state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthCheckPolicy {
    /// Time from a failed or passed check to the next.
    pub interval: Duration,
    /// How long one check may take, at most `interval`.
    pub timeout: Duration,
    /// Checks in a row that must pass.
    pub healthy_threshold: NonZeroU32,
    /// Where passing leads.
    pub then: AfterCheck,
    /// How a failed check is tried again before it counts as failed.
    pub retry: Option<RetryPolicy>,
    /// A number for all that is asked, and how, these settings among it: another number is another
    /// check, and only one of them is made.
    pub settings: u32,
}

/// Where passing the health check leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AfterCheck {
    /// Straight to closed, as the recipe does.
    Close,
    /// To trials.
    HalfOpen,
}

/// How a failed check is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    /// Further attempts after the first.
    pub num_retries: u32,
    /// The wait before the first of them.
    pub interval: Duration,
    /// What each further wait is multiplied by.
    pub backoff_rate: Rate,
}

/// A factor of at least one, in thousandths: integers, so that there is no NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u32);

impl Rate {
    /// From thousandths; anything below 1,000 is taken as 1,000, no growth.
    #[must_use]
    pub const fn from_thousandths(thousandths: u32) -> Self {
        Self(if thousandths < 1_000 { 1_000 } else { thousandths })
    }

    /// The factor in thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }
}
