//! What opens a breaker: each rule is a field of its policy, and a line where it is reached.

use core::num::NonZeroU32;
use core::time::Duration;

use crate::counts::Counts;
use crate::reason::Reason;

/// What opens the breaker. A rule that is `None` does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TripPolicy {
    /// Trips on this many failures with no success between them.
    pub consecutive_failures: Option<NonZeroU32>,
    /// Trips on shares of the latest calls.
    pub rates: Option<RatePolicy>,
}

impl TripPolicy {
    /// The first rule that is reached, if any is, by so many failures in a row and by the latest
    /// calls.
    pub(crate) fn reached(&self, failures: u32, latest: impl FnOnce() -> Counts) -> Option<Reason> {
        if self.consecutive_failures.is_some_and(|limit| failures >= limit.get()) {
            return Some(Reason::ConsecutiveFailures);
        }
        self.rates?.reached(latest())
    }
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

impl RatePolicy {
    /// Which share of these calls is too large, if any is.
    fn reached(&self, Counts { calls, failures, slow }: Counts) -> Option<Reason> {
        let rules = [
            (self.failures, failures, Reason::FailureRate),
            (self.slow, slow, Reason::SlowCallRate),
        ];
        let reached = |(share, part, reason): (Option<Percentage>, _, _)| {
            share?.is_reached_by(part, calls).then_some(reason)
        };
        if calls < self.minimum_calls.get() { None } else { rules.into_iter().find_map(reached) }
    }

    /// Whether a good call may reach a share: if it makes the calls enough, or comes when no more
    /// than these are left of the latest ones.
    pub(crate) fn may_be_reached_from(&self, left: Counts) -> bool {
        let calls = left.calls.saturating_add(1).max(self.minimum_calls.get());
        self.reached(Counts { calls, ..left }).is_some()
    }
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
