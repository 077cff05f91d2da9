//! What becomes of the rule as calls end while a share of them is diverted.

use core::time::Duration;

use super::call::AdaptiveChange;
use super::channel::Channel;
use super::log::BIT;
use super::policy::AdaptivePolicy;
use super::share::Share;
use super::{Adaptive, Phase, stuck};
use crate::time::Timestamp;

/// A latency that stays is normal after so many calls, too.
const LEARNED_CALLS: u64 = 200;

/// An outage that is over so soon is a clump of failures.
const BRIEF: Duration = Duration::from_secs(2);

/// Errors that stay for so long are told, and each time that they have stayed for so long again.
const STAYS: Duration = Duration::from_secs(3_600);

/// The share of bad calls that the latest ones say is taken for at least so much more than is
/// normal, and for no more than this.
const LEAST_RISE: Share = Share::percent(5);
const MOST: Share = Share::percent(95);

impl Adaptive {
    /// Counts calls, the good ones first.
    pub(super) fn count_limited(
        &mut self,
        policy: &AdaptivePolicy,
        good: u32,
        failed: u32,
        slow: u32,
        now: Timestamp,
    ) -> Option<AdaptiveChange> {
        let normal = self.channel().at_most(policy.tolerated());
        let by_latency = self.outage.by_latency;
        let (good, bad) = match by_latency {
            true => (good, failed.saturating_add(slow)),
            false => (good.saturating_add(slow), failed),
        };
        let (calls, slow, span) =
            (good.saturating_add(bad), if by_latency { bad } else { 0 }, self.span());
        self.outage.window.count(calls, failed, slow, span);
        self.failures.clumps.add(failed);
        let before = self.outage.diverted;
        self.outage.diverted = self.to_divert(policy);
        if before < Share::WHOLE && self.outage.diverted == Share::WHOLE {
            // It got worse: trials are as frequent as at the beginning of an outage.
            self.outage.since = now;
        }
        if by_latency && self.outage.diverted > Share::HALF {
            // It fails by now: it is well again when it does not, slow or not.
            self.end_by_latency(now);
            self.outage.recovery = 0;
        }
        if self.outage.by_latency && self.is_latency_normal(now) {
            return Some(self.learn_latency(now));
        }
        self.weigh(normal, good, bad);
        if self.outage.recovery >= self.pace.well() {
            return Some(self.recover(now));
        }
        if bad == 0 {
            let bits = self.outage.recovery / BIT;
            let part = 1_u32.checked_shl(bits).unwrap_or(u32::MAX);
            let sooner = self.trial_gap(policy, now).checked_div(part).unwrap_or_default();
            self.outage.next_trial = self.outage.next_trial.min(now.after(sooner));
        }
        self.tell_that_it_stays(policy, now)
    }

    /// Errors are never learned, however long they stay: somebody has to know.
    fn tell_that_it_stays(
        &mut self,
        policy: &AdaptivePolicy,
        now: Timestamp,
    ) -> Option<AdaptiveChange> {
        let stays = now.since(self.outage.watched_until) >= STAYS;
        if self.outage.by_latency || !stays {
            return None;
        }
        self.outage.watched_until = now;
        Some(AdaptiveChange::Stays(self.report(policy, now)))
    }

    /// The evidence that it is as it was before, and not as bad still as the latest calls say.
    fn weigh(&mut self, normal: Share, good: u32, bad: u32) {
        let least = normal.twice().max(normal.plus(LEAST_RISE));
        let risen = self.outage.window.bad().max(least).min(MOST);
        let of_good = normal.rest().evidence_against(risen.rest());
        let of_bad = risen.evidence_against(normal);
        let recovery = &mut self.outage.recovery;
        *recovery = recovery.saturating_add(of_good.saturating_mul(good));
        *recovery = recovery.saturating_sub(of_bad.saturating_mul(bad));
    }

    /// The share that is to be diverted.
    pub(super) fn to_divert(&self, policy: &AdaptivePolicy) -> Share {
        let tolerated = policy.tolerated();
        let normal = [&self.failures, &self.slow].map(|it| it.at_most(tolerated));
        let share = self.outage.window.excess(normal, self.outage.diverted);
        match (policy.shed, self.outage.by_latency) {
            (true, _) => share,
            // Latency alone never diverts all.
            (false, true) if share <= Share::HALF => Share::NONE,
            (false, _) => Share::WHOLE,
        }
    }

    /// Whether it has been slow for so long, and nothing else, that this is normal.
    fn is_latency_normal(&self, now: Timestamp) -> bool {
        self.stuck.lasted(now) >= stuck::ENOUGH
            && now.since(self.outage.tripped) >= self.pace.time_of(LEARNED_CALLS)
    }

    fn learn_latency(&mut self, now: Timestamp) -> AdaptiveChange {
        self.latency.accept(now);
        self.slow = Channel::default();
        self.stuck.restart(now);
        self.ramp.ceiling = Share::WHOLE;
        self.outage.age = Duration::ZERO;
        self.outage.brief = false;
        self.come_back(now);
        AdaptiveChange::Learned
    }

    fn recover(&mut self, now: Timestamp) -> AdaptiveChange {
        self.outage.age = now.since(self.outage.since);
        self.outage.brief = now.since(self.outage.tripped) < BRIEF;
        if !self.outage.brief {
            self.failures.clumps.forget_present();
        }
        if self.outage.by_latency {
            self.stuck.end(now);
        }
        self.come_back(now);
        AdaptiveChange::Returning
    }

    fn come_back(&mut self, now: Timestamp) {
        let passing = self.outage.diverted.rest();
        self.ramp.begin(passing, self.outage.age, &self.pace, now);
        self.phase = Phase::Ramp;
    }

    /// From now on latency is all that is wrong.
    pub(super) fn begin_by_latency(&mut self, now: Timestamp) {
        self.outage.by_latency = true;
        self.stuck.begin(now);
    }

    fn end_by_latency(&mut self, now: Timestamp) {
        self.outage.by_latency = false;
        self.stuck.end(now);
    }
}
