//! What became of a call, counted and written down: once, since it takes the permit.

use breaker::{Ended, Impact, Outcome, Permit, Settled, StateName};

use super::call::Call;
use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::health::claim_check;
use crate::host::Host;
use crate::random::scrambled;
use crate::store::Update;
use crate::telemetry::{Metric, ServiceMetric};
use crate::watched::Watched;

impl ServiceHandle<'_> {
    /// Settles a call that has ended well, where that is a no-op: there is nothing that a success would
    /// make the breaker forget. It is counted on the spot: what most calls want done is not worth being
    /// written down first. A host that keeps no gauges never comes here.
    #[inline]
    pub(super) fn settle_plain(&self, call: &Call, host: &dyn Host) -> bool {
        let ended = call.lasted.ended(Outcome::Success);
        if !call.plain || self.settle_clean(&call.permit, ended, host).is_none() {
            return false;
        }
        let Some(gauges) = host.gauges() else {
            return false;
        };
        self.instance.succeeded.set(true);
        ServiceMetric::of_call(ended, |metric| gauges.adjust(Metric::Of(self.number, metric), 1));
        true
    }

    /// Settles a call that has ended, with or without an answer.
    #[inline(never)]
    pub(super) fn settle_ended(
        &self,
        mut call: Call,
        watched: &Watched,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        let outcome = call.judge_end(self.service, host);
        self.note(&call, outcome, host);
        if let Some(copy) = call.copy.take()
            && let Some(answers) = self.answers()
        {
            match outcome {
                Outcome::Success => answers.keep(*copy, host, effects),
                _ => answers.forget(&copy),
            }
        }
        // A call that was never answered has taken until now.
        if call.head.is_none()
            && let Some(began) = call.began
        {
            call.lasted = call.lasted_since(began, self, watched, host);
        }
        self.settle(call.permit, call.lasted.ended(outcome), host, effects);
    }

    /// Takes note of a call's failure, where somebody may look.
    pub(super) fn note(&self, call: &Call, outcome: Outcome, host: &dyn Host) {
        if matches!(outcome, Outcome::Failure { .. })
            && let Some(recent) = self.recent()
        {
            recent.failed(call.failure(host));
        }
    }

    /// Writes down what became of a call: the state the breaker shows now. What changes nothing is only
    /// counted.
    pub(super) fn settle(
        &self,
        permit: Permit,
        ended: Ended,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<StateName> {
        self.count(ended, effects);
        if let Some(clean) = self.settle_clean(&permit, ended, host) {
            return Some(clean.state());
        }
        let policy = &self.service.policy;
        let (tally, call, mut impact) =
            (self.instance.local.tally(), permit.end(ended), Impact::Write);
        let settled = self.update(host, effects, |breaker| {
            impact = breaker.impact(policy, &call, &tally, || host.now().monotonic);
            if impact != Impact::Write {
                return Update::Unchanged((breaker.shown_state(policy.mode), None));
            }
            let now = host.now();
            let random = scrambled(now.monotonic.as_nanos());
            let merged = breaker.merge(policy, &tally, now, random);
            let transition = match breaker.settle(policy, &call, now, random) {
                Settled::Counted(transition) => transition.or(merged),
                Settled::Late => merged,
            };
            claim_check(breaker, policy, transition, host);
            let next = breaker.next_tally(&tally);
            Update::Changed((breaker.shown_state(policy.mode), Some(next)), transition)
        });
        let state = match settled {
            Ok((state, Some(next))) => {
                self.instance.local.set_tally(next);
                return Some(state);
            }
            Ok((state, None)) => Some(state),
            Err(_) => None,
        };
        if ended.outcome == Outcome::Success && impact != Impact::None {
            self.keep(call.permit(), ended.took, host);
        }
        // What could not be written down has happened all the same, and is logged and answered so.
        state.or_else(|| self.state(host, effects))
    }

    /// Counts what became of a call.
    fn count(&self, ended: Ended, effects: &mut Effects) {
        ServiceMetric::of_call(ended, |metric| effects.count_of(self.number, metric));
        if ended.outcome == Outcome::Success {
            self.instance.succeeded.set(true);
        }
    }
}
