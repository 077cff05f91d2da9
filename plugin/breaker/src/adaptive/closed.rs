//! What becomes of the rule as calls end while all of them pass, or are to pass again.

use core::time::Duration;

use super::admit::LONGEST_WATCH;
use super::call::AdaptiveChange;
use super::policy::AdaptivePolicy;
use super::share::Share;
use super::stuck::back;
use super::window::Window;
use super::{Adaptive, Outage, Phase, pace};
use crate::time::Timestamp;

/// A relapse is likely for as long as the outage lasted, and at least for so long.
const SHORTEST_WATCH: Duration = Duration::from_secs(5);

/// Calls that ended, the good ones first.
#[derive(Clone, Copy, Default)]
pub(super) struct Ends {
    pub(super) good: u32,
    pub(super) failed: u32,
    /// Those of them that are known to be slow since they ended.
    pub(super) slow: u32,
    /// Those of them that were known to be slow before.
    pub(super) told: u32,
}

impl Adaptive {
    pub(super) fn count_closed(
        &mut self,
        policy: &AdaptivePolicy,
        ends: Ends,
        now: Timestamp,
    ) -> Option<AdaptiveChange> {
        let Ends { good, failed, slow, told } = ends;
        let calls = good.saturating_add(failed);
        self.pace.count(calls, now);
        self.failures.count(good, failed, policy.tolerated(), now);
        if policy.latency_floor.is_some() {
            let fast = calls.saturating_sub(slow).saturating_sub(told);
            self.slow.count(fast, slow, policy.tolerated(), now);
        }
        if let Some(change) = self.trip(policy, now) {
            return Some(change);
        }
        if self.phase == Phase::Ramp {
            self.ramp.count(good);
            if self.passing(now) == Share::WHOLE {
                let watch = self.outage.age.clamp(SHORTEST_WATCH, LONGEST_WATCH);
                self.phase = Phase::Closed;
                self.outage.watched_until = now.after(watch);
                return Some(AdaptiveChange::Closed);
            }
        }
        None
    }

    /// Limits the service if there is enough evidence.
    pub(super) fn trip(
        &mut self,
        policy: &AdaptivePolicy,
        now: Timestamp,
    ) -> Option<AdaptiveChange> {
        let least = self.failures.top().evidence.max(self.slow.top().evidence);
        if least < pace::LEAST_BAR {
            return None;
        }
        let bar = self.bar(policy, now);
        if self.failures.exceeds(bar) {
            return Some(self.limit(policy, false, bar, now));
        }
        // Latency alone never diverts all calls: where it is all or nothing, it is nothing.
        (policy.shed && self.slow.exceeds(bar)).then(|| self.limit(policy, true, bar, now))
    }

    fn limit(
        &mut self,
        policy: &AdaptivePolicy,
        by_latency: bool,
        bar: u32,
        now: Timestamp,
    ) -> AdaptiveChange {
        let mut report = self.report_on(policy, by_latency, now);
        let again = self.is_watched(now);
        if again {
            self.ramp.broke_at(self.passing(now));
        } else {
            self.ramp.ceiling = Share::WHOLE;
        }
        self.latency.limited_p95 = self.latency.p95;
        if by_latency {
            self.stuck.begin(now);
        }
        let relapse = again && !self.outage.brief;
        let age = if relapse { self.outage.age } else { Duration::ZERO };
        let channel = if by_latency { &self.slow } else { &self.failures };
        let row = channel.longest_with(bar / 2);
        let (failed, slow) = if by_latency { (0, row.bad) } else { (row.bad, 0) };
        self.outage = Outage {
            by_latency,
            window: Window::begin(row.calls, failed, slow, self.span()),
            diverted: Share::NONE,
            recovery: 0,
            tripped: now,
            since: back(now, age),
            // What breaks again before all of it had come back was limited all the time.
            watched_until: if self.phase == Phase::Ramp { self.outage.watched_until } else { now },
            ..self.outage
        };
        self.outage.diverted = self.to_divert(policy);
        self.outage.next_trial = now.after(self.trial_gap(policy, now));
        self.failures.forget_evidence();
        self.slow.forget_evidence();
        self.phase = Phase::Limited;
        report.diverts = self.passing(now).rest().thousandths();
        AdaptiveChange::Limited(report)
    }
}
