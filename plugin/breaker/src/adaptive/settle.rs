//! What becomes of the rule as calls end.

use super::call::{AdaptiveCall, AdaptiveChange, Overdue};
use super::closed::Ends;
use super::log::BIT;
use super::policy::AdaptivePolicy;
use super::tally::AdaptiveTally;
use super::{Adaptive, Phase};
use crate::time::{Timestamp, nanos};

/// With so much evidence that calls are slow, latency is not learned from them.
const DOUBTFUL: u32 = 8 * BIT;

impl Adaptive {
    /// Counts a call of this period. Good calls that its worker knows of are to be
    /// [merged](Self::merge) before.
    pub fn settle(
        &mut self,
        policy: &AdaptivePolicy,
        call: &AdaptiveCall,
        now: Timestamp,
    ) -> Option<AdaptiveChange> {
        self.bound(policy, now);
        self.settle_late(call, now);
        let (AdaptiveCall { failed, told, .. }, took) = (*call, nanos(call.took));
        if told == Some(Overdue::Hung) {
            // It was counted as failed when it had been under way for so long.
            if failed {
                return None;
            }
            self.take_back(policy, took, now);
            if self.phase == Phase::Limited {
                return None;
            }
        }
        let slow = told.is_some() || self.is_slow(policy, call.took);
        let one = u32::from;
        if self.phase == Phase::Limited {
            if told.is_some() && !failed && self.outage.by_latency {
                return None;
            }
            let (good, slow) = (one(!failed && !slow), one(!failed && slow));
            return self.count_limited(policy, good, one(failed), slow, now);
        }
        if !failed && self.learns_latency(policy) {
            self.latency.guess(took);
            self.latency.follow(1, one(took > self.latency.p95), now);
        }
        let (slow, told) = (one(slow && told.is_none()), one(told.is_some()));
        self.count_closed(policy, Ends { good: one(!failed), failed: one(failed), slow, told }, now)
    }

    /// A call has ended that was admitted in an earlier period: it only says how long calls take.
    pub fn settle_late(&mut self, call: &AdaptiveCall, now: Timestamp) {
        let took = nanos(call.took);
        if !call.failed && self.tells(took, now) {
            self.latency.follow_limited(1, (took > self.latency.limited_p95).into());
        }
    }

    /// Counts the good calls of this period that a worker has kept to itself.
    pub fn merge(
        &mut self,
        policy: &AdaptivePolicy,
        tally: &AdaptiveTally,
        now: Timestamp,
    ) -> Option<AdaptiveChange> {
        if tally.is_empty() {
            return None;
        }
        self.bound(policy, now);
        if self.phase == Phase::Limited {
            self.latency.follow_limited(tally.timed, tally.over);
            return self.count_limited(policy, tally.good, 0, 0, now);
        }
        if self.learns_latency(policy) {
            self.latency.follow(tally.timed, tally.over, now);
        }
        self.count_closed(policy, Ends { good: tally.good, ..Ends::default() }, now)
    }

    fn learns_latency(&self, policy: &AdaptivePolicy) -> bool {
        policy.latency_floor.is_some() && self.slow.top().evidence < DOUBTFUL
    }
}
