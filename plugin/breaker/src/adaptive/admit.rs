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

    /// Whatever lasts longer than it can is from before the clock was set back.
    pub(super) fn bound(&mut self, policy: &AdaptivePolicy, now: Timestamp) {
        let latest = now.after(self.longest_gap(policy).max(LEAST_GAP));
        let outage = &mut self.outage;
        outage.next_trial = outage.next_trial.min(latest);
        outage.tripped = outage.tripped.min(now);
        outage.since = outage.since.min(now);
        outage.watched_until = outage.watched_until.min(now.after(LONGEST_WATCH));
        self.ramp.bound(now);
        self.stuck.bound(now);
    }
}
