//! Which calls pass while a share is diverted.

use core::time::Duration;

use super::call::AdaptiveAdmission;
use super::policy::AdaptivePolicy;
use super::share::Share;
use super::{Adaptive, Phase};
use crate::time::{Timestamp, nanos};

/// Trials are at least so far apart, and at most so far, or as far as five calls are.
const LEAST_GAP: Duration = Duration::from_millis(10);
const MOST_GAP: Duration = Duration::from_secs(10);

/// A relapse is likely for no longer than this.
pub(super) const LONGEST_WATCH: Duration = Duration::from_secs(600);

impl Adaptive {
    /// Admits or diverts a call. `random` is uniform over all its values.
    pub fn admit(
        &mut self,
        policy: &AdaptivePolicy,
        now: Timestamp,
        random: u32,
    ) -> AdaptiveAdmission {
        if self.phase == Phase::Closed || Share::from_parts(random >> 16) < self.passing(now) {
            return AdaptiveAdmission::Passes;
        }
        self.bound(policy, now);
        if self.phase == Phase::Limited && now >= self.outage.next_trial {
            self.outage.next_trial = now.after(self.trial_gap(policy, now));
            return AdaptiveAdmission::Tries;
        }
        AdaptiveAdmission::Diverted
    }

    /// The time between two trials: it grows by the square root of the outage's age, so that they
    /// cost the less the longer it lasts, and its end is found within a part of its length.
    pub(super) fn trial_gap(&self, policy: &AdaptivePolicy, now: Timestamp) -> Duration {
        let age = nanos(now.since(self.outage.since)) / 1_000;
        let gap = age.saturating_mul(self.pace.gap()).isqrt().saturating_mul(2);
        let gap = Duration::from_micros(gap).min(self.longest_gap(policy));
        gap.max(LEAST_GAP)
    }

    fn longest_gap(&self, policy: &AdaptivePolicy) -> Duration {
        let of_calls = Duration::from_micros(self.pace.gap().saturating_mul(5));
        MOST_GAP.max(of_calls).min(policy.max_gap)
    }

    /// Whether all are diverted but for trials, and the time for the next trial has come.
    pub(crate) fn is_trial_due(&mut self, policy: &AdaptivePolicy, now: Timestamp) -> bool {
        self.bound(policy, now);
        self.diverts_all() && now >= self.outage.next_trial
    }

    /// The service is not to be tried before this time; at most for as long as the policy allows.
    pub(crate) fn postpone(&mut self, policy: &AdaptivePolicy, until: Timestamp, now: Timestamp) {
        let next_trial = self.outage.next_trial.max(until);
        self.outage.next_trial = next_trial.min(now.after(policy.max_gap));
    }

    /// The service may be tried at once.
    pub(crate) fn try_now(&mut self, now: Timestamp) {
        self.outage.next_trial = self.outage.next_trial.min(now);
    }

    /// When the next trial may be made, while all are diverted but for trials.
    pub(crate) fn next_trial(&self) -> Timestamp {
        self.outage.next_trial
    }

    /// Whatever lasts longer than it can is from before the clock was set back.
    pub(super) fn bound(&mut self, policy: &AdaptivePolicy, now: Timestamp) {
        // Who asked to be left alone may be so for longer than the rule by itself would wait.
        let is_set_back = self.outage.tripped > now;
        let longest = if is_set_back { self.longest_gap(policy) } else { policy.max_gap };
        let outage = &mut self.outage;
        outage.next_trial = outage.next_trial.min(now.after(longest.max(LEAST_GAP)));
        outage.tripped = outage.tripped.min(now);
        outage.since = outage.since.min(now);
        outage.watched_until = outage.watched_until.min(now.after(LONGEST_WATCH));
        self.ramp.bound(now);
        self.stuck.bound(now);
    }
}
