//! What opens a breaker. A rule is a field of the policy, what is kept of the calls for it, and a
//! line where it is reached.

use core::num::NonZeroU32;
use core::time::Duration;

use crate::adaptive::policy::AdaptivePolicy;
use crate::counts::Counts;
use crate::percentage::Percentage;
use crate::reason::Reason;
use crate::time::Timestamp;
use crate::window::{Window, WindowPolicy};

/// What opens the breaker. A rule that is `None` does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TripPolicy {
    /// Trips on this many failures with no success between them.
    pub consecutive_failures: Option<NonZeroU32>,
    /// Trips on shares of the latest calls.
    pub rates: Option<RatePolicy>,
    /// A call that has been under way for so long counts as slow for a share while it is. `None`: it
    /// counts when it has ended.
    pub overdue_after: Option<Duration>,
    /// Diverts as many calls as the service is worse than it was.
    pub adaptive: Option<AdaptivePolicy>,
}

impl TripPolicy {
    /// How the latest calls are kept for the rules that are about them; `None`: there is none.
    #[must_use]
    pub fn window(&self) -> Option<WindowPolicy> {
        self.rates.map(|rates| rates.window)
    }

    /// Whether good calls matter to a rule, which workers keep to themselves for a while.
    #[must_use]
    pub fn keeps_good_calls(&self) -> bool {
        self.rates.is_some() || self.adaptive.is_some()
    }

    /// Whether a rule is to know of calls that have been under way for long.
    #[must_use]
    #[inline]
    pub fn watches_calls(&self) -> bool {
        let adaptive = self.adaptive.as_ref();
        self.overdue_after.is_some() || adaptive.is_some_and(|it| it.latency_floor.is_some())
    }

    /// Counts a call that ends now, as far as a rule asks for it: the first rule that is reached.
    pub(crate) fn count(
        &self,
        measured: &mut Measured,
        call: Counts,
        now: Timestamp,
    ) -> Option<Reason> {
        measured.failures = row_after(measured.failures, call.failures);
        if measured.window != Window::None {
            let bad = call.failures > 0 || call.slow > 0;
            measured.bad = measured.bad.saturating_add(bad.into());
            measured.window.add(call, now, now);
        }
        self.reached(measured, call, now)
    }

    /// The first rule that is reached, if any is. `call` is the one that has just been counted: a
    /// rule about calls in a row is reached only by one that makes the row longer.
    pub(crate) fn reached(
        &self,
        measured: &Measured,
        call: Counts,
        now: Timestamp,
    ) -> Option<Reason> {
        let is_row = |limit: Option<NonZeroU32>, longer: u32, row: u32| {
            longer > 0 && limit.is_some_and(|limit| row >= limit.get())
        };
        if is_row(self.consecutive_failures, call.failures, measured.failures) {
            return Some(Reason::ConsecutiveFailures);
        }
        self.rates?.reached(measured.window.counts(now), measured.overdue.calls(now))
    }
}

/// What a closed breaker keeps of the calls of its period, by which rules are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Failures since the last success.
    pub(crate) failures: u32,
    /// Calls that failed or were slow, as long as the latest are kept: whoever has seen another
    /// number has not seen them all.
    pub(crate) bad: u32,
    /// The latest calls.
    pub(crate) window: Window,
    /// Calls that have not ended, and are slow by now.
    pub(crate) overdue: OverdueCalls,
}

/// Calls that are under way, and were told to be slow by now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OverdueCalls {
    pub(crate) number: u32,
    /// When the last one was added, in seconds.
    pub(crate) added: u32,
}

/// Calls of which nobody says that they have ended, such as those of a worker that has crashed, are
/// forgotten when none was added for so many seconds.
const FORGOTTEN: u32 = 60;

impl OverdueCalls {
    pub(crate) const NONE: Self = Self { number: 0, added: 0 };

    /// How many there are at this moment.
    fn calls(self, now: Timestamp) -> u32 {
        if seconds(now).abs_diff(self.added) < FORGOTTEN { self.number } else { 0 }
    }
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX)
}

impl Measured {
    /// That of no calls, in a window of this kind.
    pub(crate) fn new(window: Option<WindowPolicy>) -> Self {
        Self { window: Window::new(window), ..Self::default() }
    }

    /// Adds a call that is under way, and slow by now.
    pub(crate) fn begin_overdue(&mut self, now: Timestamp) {
        if self.window != Window::None {
            self.bad = self.bad.saturating_add(1);
            let number = self.overdue.calls(now).saturating_add(1);
            self.overdue = OverdueCalls { number, added: seconds(now) };
        }
    }

    /// One of them has ended. If nothing more is to be said of it, it was slow.
    pub(crate) fn end_overdue(&mut self, says_more: bool, now: Timestamp) {
        let number = self.overdue.calls(now).saturating_sub(1);
        self.overdue = OverdueCalls { number, ..self.overdue };
        if !says_more {
            self.window.add(Counts::one(false, true), now, now);
        }
    }

    /// The latest calls, with those that are under way and slow by now.
    pub(crate) fn with_overdue(&self, now: Timestamp) -> Counts {
        let number = self.overdue.calls(now);
        self.window.counts(now).plus(Counts { calls: number, failures: 0, slow: number })
    }

    /// Whether a good call would change nothing besides the window, and reach no rule by that.
    pub(crate) fn is_clean(&self, policy: &TripPolicy) -> bool {
        let overdue = self.overdue.number;
        let may_trip = policy.rates.is_some_and(|rates| {
            self.window.any_remainder(|left| rates.may_be_reached_from(left, overdue))
        });
        self.failures == 0 && !may_trip
    }
}

/// How long a row of calls is after one that belongs to it, or, with none, ends it.
const fn row_after(row: u32, call: u32) -> u32 {
    if call == 0 { 0 } else { row.saturating_add(1) }
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
    /// Which share of these calls is too large, if any is. Of those that have not ended, so many are
    /// slow by now; whether they fail is not known.
    fn reached(&self, Counts { calls, failures, slow }: Counts, overdue: u32) -> Option<Reason> {
        let (slow, of) = (slow.saturating_add(overdue), calls.saturating_add(overdue));
        let rules = [
            (self.failures, failures, calls, Reason::FailureRate),
            (self.slow, slow, of, Reason::SlowCallRate),
        ];
        let reached = |(share, part, calls, reason): (Option<Percentage>, _, u32, _)| {
            let enough = calls >= self.minimum_calls.get();
            (enough && share?.is_reached_by(part, calls)).then_some(reason)
        };
        rules.into_iter().find_map(reached)
    }

    /// Whether a good call may reach a share: if it makes the calls enough, or comes when no more
    /// than these are left of the latest ones, and of those that are overdue.
    pub(crate) fn may_be_reached_from(&self, left: Counts, overdue: u32) -> bool {
        let least = self.minimum_calls.get();
        let calls = left.calls.saturating_add(1);
        let failing = Counts { calls: calls.max(least), slow: 0, ..left };
        // Some may have ended by then.
        let slow = left.slow.saturating_add(overdue);
        let calls = calls.saturating_add(overdue).max(least);
        let slowing = Counts { calls, failures: 0, slow };
        self.reached(failing, 0).or_else(|| self.reached(slowing, 0)).is_some()
    }
}
