//! Calls that have been under way for too long: breakers are told of them while they hang.

use breaker::UnderWay;

use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::health::claim_check;
use crate::host::Host;
use crate::instances::Number;
use crate::random::scrambled;
use crate::services::Services;
use crate::store::Update;

/// Calls of one breaker, with the numbers of their places in the list.
type Calls = Vec<(usize, Number, UnderWay)>;

impl Services {
    /// Tells each breaker which of this worker's calls have become overdue. Where none is under way
    /// that could, this costs nothing.
    pub(crate) fn tell_overdue(&self, host: &dyn Host, effects: &mut Effects) {
        if self.watched.is_empty() {
            return;
        }
        let now = host.monotonic();
        let mut overdue = self.watched.those(|breaker, call| {
            let patience = self.handle(breaker).and_then(|it| it.instance.local.patience());
            patience.is_some_and(|patience| patience.is_over(call, now))
        });
        while let Some((_, breaker, _)) = overdue.first() {
            let breaker = *breaker;
            let (of_one, others): (Calls, Calls) =
                overdue.into_iter().partition(|(_, it, _)| *it == breaker);
            overdue = others;
            if let Some(handle) = self.handle(breaker) {
                for (place, call) in handle.tell_overdue(&of_one, host, effects) {
                    self.watched.set(place, call);
                }
            }
        }
    }
}

impl ServiceHandle<'_> {
    /// Tells the breaker of calls: what it knows of them then. What cannot be stored is told by the
    /// next tick.
    #[inline(never)]
    fn tell_overdue(
        &self,
        of: &[(usize, Number, UnderWay)],
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Vec<(usize, UnderWay)> {
        let (policy, tally) = (&self.service.policy, self.instance.local.tally());
        let mut calls = Vec::new();
        let told = self.update(host, effects, |breaker| {
            calls.clear();
            calls.extend(of.iter().map(|(_, _, call)| *call));
            let now = host.now();
            let random = scrambled(now.monotonic.as_nanos());
            let merged = breaker.merge(policy, &tally, now, random);
            let (is_new, told) = breaker.tell_overdue(policy, &mut calls, now, random);
            if !is_new {
                return Update::Unchanged(None);
            }
            let transition = told.or(merged);
            claim_check(breaker, policy, transition, host);
            Update::Changed(Some(breaker.next_tally(&tally)), transition)
        });
        let Ok(Some(next)) = told else {
            return Vec::new();
        };
        self.instance.local.set_tally(next);
        of.iter().map(|(place, _, _)| *place).zip(calls).collect()
    }
}
