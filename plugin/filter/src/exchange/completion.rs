//! The request of an admitted call is complete: what the call has, it has as complete calls do from
//! now on.

use breaker::{DivertReason, Mode, Permit};

use super::admission::Standing;
use super::{Call, Exchange, Held, Phase};
use crate::bulkhead::{Place, Taken};
use crate::config::Bulkhead;
use crate::effects::Effects;
use crate::filter::Filter;
use crate::host::Host;
use crate::reply::Reply;
use crate::store::{ServiceHandle, Update};
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
        if let Some(Held { breaker, place }) =
            exchange.held.take_if(|held| held.place.awaits_request())
            && let Some(record) = self.record(breaker)
            && let Some(bulkhead) = &record.service.bulkhead
        {
            match record.keep_place(bulkhead, place, unanswered, host, effects) {
                Ok(place) => exchange.held = place.map(|place| Held { breaker, place }),
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
            && record.complete(&call.permit, host, effects)
        {
            call.permit.set_complete();
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
    fn keep_place<H: Host>(
        &self,
        bulkhead: &Bulkhead,
        place: Place,
        unanswered: bool,
        host: &H,
        effects: &mut Effects,
    ) -> Result<Option<Place>, Standing> {
        let standing = self.standing(host, effects);
        let mode = standing.map(|standing| standing.mode);
        let heeded = H::ANSWERS_LATE && unanswered && mode == Some(Mode::Enabled);
        let taken = self.complete_place(bulkhead, place, heeded, host, effects);
        if unanswered && matches!(taken, Taken::Full(_)) {
            effects.count_of(self.number, ServiceMetric::NotPermitted(DivertReason::Bulkhead));
        }
        match (taken, standing) {
            (Taken::Full(None), Some(standing)) => Err(standing),
            (Taken::Place(place) | Taken::Full(Some(place)), _) => Ok(Some(place)),
            (Taken::Full(None) | Taken::Unknown, _) => Ok(None),
        }
    }

    /// Has a trial keep its place. What cannot be written, or comes too late, changes nothing: the
    /// place returns by itself, and the trial has no say.
    fn complete(&self, permit: &Permit, host: &impl Host, effects: &mut Effects) -> bool {
        let completed = self.update(host, effects, |breaker| {
            match breaker.complete(permit, host.now().monotonic) {
                true => Update::Changed(true, None),
                false => Update::Unchanged(false),
            }
        });
        completed.unwrap_or(false)
    }
}
