//! What one worker knows of good calls and the rule does not, yet.

use core::time::Duration;

use super::call::AdaptiveCall;
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

impl AdaptiveTally {
    /// Adds a good call that took so long.
    pub fn add(&mut self, rule: &Adaptive, took: Duration, now: Timestamp) {
        let took = nanos(took);
        let (timed, usual) = match rule.phase {
            Phase::Limited => (rule.tells(took, now), rule.latency.limited_p95),
            Phase::Closed | Phase::Ramp => (true, rule.latency.p95),
        };
        self.good = self.good.saturating_add(1);
        self.timed = self.timed.saturating_add(timed.into());
        self.over = self.over.saturating_add((timed && took > usual).into());
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.good == 0
    }
}

impl Adaptive {
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
        let slow = policy.latency_floor.and_then(|floor| self.latency.slow(floor));
        slow.is_some_and(|slow| nanos(took) > slow)
    }
}
