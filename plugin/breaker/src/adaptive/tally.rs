//! What one worker knows of good calls and the rule does not, yet.

use core::time::Duration;

use super::call::AdaptiveCall;
use super::overdue::tells;
use super::policy::AdaptivePolicy;
use super::share::Share;
use super::{Adaptive, Phase};
use crate::time::{Timestamp, nanos};

/// While all calls pass, and while a share is diverted, a good call is told within so long.
const CLOSED: Duration = Duration::from_millis(500);
const LIMITED: Duration = Duration::from_millis(100);

/// Good calls that one worker has kept to itself, since a healthy service should cost no write for
/// each. They are of one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdaptiveTally {
    pub(super) good: u32,
    /// Those that tell how long calls take, and those of them that took longer than one in twenty
    /// should.
    pub(super) timed: u32,
    pub(super) over: u32,
}

/// What the rule last took for usual: all that a worker has to know of it to keep good calls to
/// itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usual {
    /// The latency that one call in twenty exceeds, in nanoseconds.
    p95: u64,
    /// What is slow, in nanoseconds: such a call is to be told. `None`: nothing is.
    slow: Option<u64>,
    /// Since when a share of the calls is diverted, and so how long calls take changes.
    limited: Option<Timestamp>,
}

impl Usual {
    /// Whether a good call that took so long may be kept.
    #[must_use]
    pub fn holds(self, took: Duration) -> bool {
        self.slow.is_none_or(|slow| nanos(took) <= slow)
    }

    /// Whether it depends on the time what a call says of latency.
    #[must_use]
    pub const fn asks_for_time(self) -> bool {
        self.limited.is_some()
    }
}

impl AdaptiveTally {
    /// Adds a good call that took so long. The time matters only while a share is diverted.
    pub fn add(&mut self, usual: Usual, took: Duration, now: Timestamp) {
        let took = nanos(took);
        let timed = usual.limited.is_none_or(|tripped| tells(took, tripped, now));
        self.good = self.good.saturating_add(1);
        self.timed = self.timed.saturating_add(timed.into());
        self.over = self.over.saturating_add((timed && took > usual.p95).into());
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.good == 0
    }
}

impl Adaptive {
    /// What is usual now.
    #[must_use]
    pub fn usual(&self, policy: &AdaptivePolicy) -> Usual {
        let (p95, limited) = match self.phase {
            Phase::Limited => (self.latency.limited_p95, Some(self.outage.tripped)),
            Phase::Closed | Phase::Ramp => (self.latency.p95, None),
        };
        let slow = policy.latency_floor.and_then(|floor| self.latency.slow(floor));
        Usual { p95, slow, limited }
    }

    /// How long a worker may keep a call that has ended to itself. `None`: it is to be settled.
    #[must_use]
    pub fn may_wait(&self, policy: &AdaptivePolicy, call: &AdaptiveCall) -> Option<Duration> {
        if call.failed || call.told.is_some() || self.is_slow(policy, call.took) {
            return None;
        }
        match self.phase {
            // Latency is found by steps of a few calls.
            Phase::Closed if policy.latency_floor.is_some() && !self.latency.is_known() => None,
            Phase::Closed => Some(CLOSED),
            Phase::Limited if self.outage.diverted < Share::WHOLE => Some(LIMITED),
            Phase::Limited | Phase::Ramp => None,
        }
    }

    /// Whether a call that took so long was slow.
    pub(super) fn is_slow(&self, policy: &AdaptivePolicy, took: Duration) -> bool {
        !self.usual(policy).holds(took)
    }
}
