//! The request of an admitted call is complete: what the call has, it has as complete calls do from
//! now on.

use breaker::{DivertReason, Mode, Permit};

use super::admission::Standing;
use super::{Call, Exchange, Held, Phase};
use crate::bulkhead::{Acquired, BulkheadPermit, Permits};
use crate::effects::Effects;
use crate::filter::Filter;
use crate::handle::ServiceHandle;
use crate::host::Host;
use crate::reply::Reply;
use crate::store::Update;
use crate::telemetry::ServiceMetric;

impl Filter {
    /// All of a request has come; its last piece is to go on if this gives nothing. A call whose
    /// place was given back meanwhile takes one again; where there is none left, this is its
    /// answer.
    pub(super) fn complete_places(
        &self,
        exchange: &mut Exchange,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Option<Reply> {
        let unanswered = matches!(&exchange.phase, Phase::Admitted(Call { head: None, .. }));
        if let Some(Held { breaker, permit }) =
            exchange.held.take_if(|held| held.permit.awaits_request())
            && let Some(record) = self.record(breaker)
            && let Some(permits) = record.permits()
        {
            match record.keep_permit(&permits, &permit, unanswered, host, effects) {
                Ok(permit) => exchange.held = permit.map(|permit| Held { breaker, permit }),
                Err(standing) => {
                    if let Phase::Admitted(call) = std::mem::take(&mut exchange.phase) {
                        record.give_permit_back(call.permit, host, effects);
                    }
                    return Some(self.rejection(DivertReason::Bulkhead, standing, host));
                }
            }
        }
        if let Phase::Admitted(call) = &mut exchange.phase
            && call.permit.awaits_request()
            && let Some(record) = self.record(call.breaker)
            && let Some(permit) = record.complete(&call.permit, host, effects)
        {
            call.permit = permit;
        }
        None
    }
}

impl ServiceHandle<'_> {
    /// Keeps the place of a call whose request is complete now. An error: it was given back, and
    /// there is no other.
    ///
    /// A call that is being answered already cannot be turned away any more, nor can any on some
    /// hosts. It takes its place whether there is one or not: the service is at work on it, and what
    /// is counted is what is under way.
    fn keep_permit<H: Host>(
        &self,
        permits: &Permits<'_>,
        permit: &BulkheadPermit,
        unanswered: bool,
        host: &H,
        effects: &mut Effects,
    ) -> Result<Option<BulkheadPermit>, Standing> {
        let standing = self.standing(host, effects);
        let mode = standing.map(|standing| standing.mode);
        let heeded = H::ANSWERS_LATE && unanswered && mode == Some(Mode::Enabled);
        let acquired = permits.complete(permit, heeded, host, effects);
        if unanswered && matches!(acquired, Acquired::Full(_)) {
            effects.count_of(self.number, ServiceMetric::NotPermitted(DivertReason::Bulkhead));
        }
        match (acquired, standing) {
            (Acquired::Full(None), Some(standing)) => Err(standing),
            (Acquired::Permit(permit) | Acquired::Full(Some(permit)), _) => Ok(Some(permit)),
            (Acquired::Full(None) | Acquired::Unknown, _) => Ok(None),
        }
    }

    /// Has a trial keep its place. What cannot be written, or comes too late, changes nothing: the
    /// place returns by itself, and the trial has no say.
    fn complete(&self, permit: &Permit, host: &impl Host, effects: &mut Effects) -> Option<Permit> {
        let completed = self.update(host, effects, |breaker| {
            match breaker.complete(permit, host.now().monotonic) {
                Some(permit) => Update::Changed(Some(permit), None),
                None => Update::Unchanged(None),
            }
        });
        completed.ok().flatten()
    }
}
