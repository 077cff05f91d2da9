//! Calls that have been under way for too long: they say that a service hangs while it does.

use core::time::Duration;

use super::call::{AdaptiveChange, Overdue};
use super::closed::Ends;
use super::policy::AdaptivePolicy;
use super::{Adaptive, Phase};
use crate::time::{Timestamp, nanos};

/// A call hangs when it has taken so many times what is slow.
const HUNG: u64 = 4;

/// A call tells how long calls take while the service is limited when it was so for so many times
/// as long. Until then a queue may be draining.
const TELLING: u32 = 8;

impl Adaptive {
    /// How long a call may be under way before the rule is to be [told](Self::overdue). It may be
    /// longer when that time has come, and is then to be waited for. `None`: it need not be told.
    #[must_use]
    pub fn patience(&self, policy: &AdaptivePolicy, of: Overdue) -> Option<Duration> {
        let slow = self.latency.slow(policy.latency_floor?)?;
        let hung = slow.saturating_mul(HUNG);
        Some(Duration::from_nanos(match (of, self.phase) {
            (Overdue::Slow, _) => slow,
            (Overdue::Hung, Phase::Limited) => hung.max(self.latency.limited_p95.saturating_mul(2)),
            (Overdue::Hung, _) => hung,
        }))
    }

    /// A call of this period has been under way for so long; each is told once for each of these.
    pub fn overdue(
        &mut self,
        policy: &AdaptivePolicy,
        it_is: Overdue,
        now: Timestamp,
    ) -> Option<AdaptiveChange> {
        self.bound(policy, now);
        match (self.phase, it_is) {
            (Phase::Limited, Overdue::Hung) => self.count_limited(policy, 0, 1, 0, now),
            (Phase::Limited, Overdue::Slow) if self.outage.by_latency => {
                self.count_limited(policy, 0, 0, 1, now)
            }
            (Phase::Limited, Overdue::Slow) => None,
            (_, Overdue::Hung) => {
                let ends = Ends { failed: 1, told: 1, ..Ends::default() };
                self.count_closed(policy, ends, now)
            }
            (_, Overdue::Slow) => {
                self.slow.count(0, 1, policy.tolerated(), now);
                self.trip(policy, now)
            }
        }
    }

    /// A call that was counted as failed because it hung has ended well: it was slow.
    pub(super) fn take_back(&mut self, policy: &AdaptivePolicy, took: u64, now: Timestamp) {
        let tolerated = policy.tolerated();
        if self.phase != Phase::Limited {
            self.failures.undo(tolerated);
            self.pace.undo();
            return;
        }
        self.outage.window.owed = self.outage.window.owed.saturating_add(1);
        if !self.tells(took, now) {
            return;
        }
        let by_latency = self.outage.by_latency;
        let debt = self.outage.window.settle_debt(by_latency);
        self.failures.clumps.undo(debt);
        if !by_latency && self.outage.window.fails_no_more_than(self.failures.at_most(tolerated)) {
            self.begin_by_latency(now);
        }
        self.outage.diverted = self.to_divert(policy);
    }

    /// Whether a call tells how long calls take while less is asked of the service.
    pub(super) fn tells(&self, took: u64, now: Timestamp) -> bool {
        self.phase == Phase::Limited && tells(took, self.outage.tripped, now)
    }
}

/// The same of a service that is limited since then.
pub(super) fn tells(took: u64, tripped: Timestamp, now: Timestamp) -> bool {
    nanos(now.since(tripped)) >= took.saturating_mul(TELLING.into())
}
