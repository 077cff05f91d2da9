//! When a breaker trips, how long it stays open, and what lets the service back.
//!
//! A policy is valid by construction only as far as types go; the bounds that each field
//! documents are checked where configuration is read, and a breaker given anything else still
//! never panics.

use core::num::NonZeroU32;
use core::time::Duration;

use crate::mode::Mode;

/// The most trials that can be in flight at once: a record has this many places.
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

/// What opens the breaker. A rule that is `None` does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TripPolicy {
    /// Trips on this many failures with no success between them.
    pub consecutive_failures: Option<NonZeroU32>,
    /// Trips on shares of the latest calls.
    pub rates: Option<RatePolicy>,
}

/// Trips on shares of the latest calls: those of the period under way that have ended, with a
/// success or a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RatePolicy {
    /// Which calls are the latest.
    pub window: WindowPolicy,
    /// With fewer calls in the window no share trips. A window over calls holds at least as many.
    pub minimum_calls: NonZeroU32,
    /// Trips when this share of them failed, or more.
    pub failures: Option<Percentage>,
    /// Trips when this share of them was slow, or more.
    pub slow: Option<Percentage>,
}

/// Which calls are the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowPolicy {
    /// Those of this time, in tenths of it; at least 10 nanoseconds.
    Time(Duration),
    /// This many, at most [`MAX_WINDOW_CALLS`](crate::MAX_WINDOW_CALLS).
    Calls(NonZeroU32),
}

/// A share over 0 and up to 100 percent, in thousandths of a percent: integers, so that a share is
/// reached exactly when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percentage(u32);

impl Percentage {
    const WHOLE: u32 = 100_000;

    /// From thousandths of a percent, at least 1 and at most 100,000.
    #[must_use]
    pub const fn from_thousandths(thousandths: u32) -> Self {
        Self(match thousandths {
            0 => 1,
            1..Self::WHOLE => thousandths,
            _ => Self::WHOLE,
        })
    }

    /// The share in thousandths of a percent.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// Whether `part` is this share of `whole`, or more.
    #[must_use]
    pub const fn is_reached_by(self, part: u32, whole: u32) -> bool {
        let (part, whole) = (part as u64, whole as u64);
        part.saturating_mul(Self::WHOLE as u64) >= whole.saturating_mul(self.0 as u64)
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
}

/// Which trials decide whether the breaker closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfOpenPolicy {
    /// Trials in flight or done in one half-open period, at most [`MAX_PERMITTED_CALLS`].
    pub permitted_calls: NonZeroU32,
    /// Successful trials that close the breaker, at most `permitted_calls`.
    pub success_threshold: NonZeroU32,
    /// After this long a trial that is not settled gives its place back.
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
