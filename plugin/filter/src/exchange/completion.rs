//! All of a request has come: what its call holds, it holds as complete calls do from now on.

use breaker::{DivertReason, Mode, Permit};

use super::call::Call;
use super::diversion::rejection;
use super::state::{Exchange, HeldPermit, Phase};
use crate::bulkhead::{Acquired, BulkheadPermit, Permits};
use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::host::Host;
use crate::request::admission::Snapshot;
use crate::response::reply::Reply;
use crate::services::Services;
use crate::store::Update;
use crate::telemetry::ServiceMetric;

impl Exchange {
    /// All of the request has come: the last piece of its body, or its trailers. That is to go on if
    /// this gives nothing. A call whose bulkhead permit was given back meanwhile takes one again;
    /// where there is none left, this is its answer.
    pub(crate) fn on_request_end(
        &mut self,
        services: &Services,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<Reply> {
        if let Phase::Admitted(call) = &mut self.phase
            && !call.complete
        {
            let service = services.handle(call.breaker)?.service;
            call.complete(service, &services.watched, host);
        }
        let unanswered = matches!(&self.phase, Phase::Admitted(Call { head: None, .. }));
        if let Some(HeldPermit { breaker, permit }) =
            self.held.take_if(|held| held.permit.awaits_request())
            && let Some(handle) = services.handle(breaker)
            && let Some(permits) = handle.permits()
        {
            match handle.keep_permit(&permits, &permit, unanswered, host, effects) {
                Ok(permit) => self.held = permit.map(|permit| HeldPermit { breaker, permit }),
                Err(snapshot) => {
                    if let Phase::Admitted(mut call) = std::mem::take(&mut self.phase) {
                        call.stop_waiting(&services.watched);
                        handle.give_permit_back(call.permit, host, effects);
                    }
                    let expose = services.config.expose_state;
                    return Some(rejection(expose, DivertReason::Bulkhead, snapshot, host));
                }
            }
        }
        if let Phase::Admitted(call) = &mut self.phase
            && call.permit.awaits_request()
            && let Some(handle) = services.handle(call.breaker)
            && handle.complete(&call.permit, host, effects)
        {
            call.permit.set_complete();
        }
        None
    }
}

impl ServiceHandle<'_> {
    /// Keeps the bulkhead permit of a call whose request is complete now. An error: it was given back,
    /// and there is no other.
    ///
    /// A call that is being answered already cannot be turned away any more, nor can any on some
    /// hosts. It takes a permit whether there is one or not: the service is at work on it, and what
    /// is counted is what is under way.
    fn keep_permit(
        &self,
        permits: &Permits<'_>,
        permit: &BulkheadPermit,
        unanswered: bool,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<Option<BulkheadPermit>, Snapshot> {
        let snapshot = self.snapshot(host, effects);
        let mode = snapshot.map(|snapshot| snapshot.mode);
        let heeded = host.answers_late() && unanswered && mode == Some(Mode::Enabled);
        let acquired = permits.complete(permit, heeded, host, effects);
        if unanswered && matches!(acquired, Acquired::Full(_)) {
            effects.count_of(self.number, ServiceMetric::NotPermitted(DivertReason::Bulkhead));
        }
        match (acquired, snapshot) {
            (Acquired::Full(None), Some(snapshot)) => Err(snapshot),
            (Acquired::Permit(permit) | Acquired::Full(Some(permit)), _) => Ok(Some(permit)),
            (Acquired::Full(None) | Acquired::Unknown, _) => Ok(None),
        }
    }

    /// Has a trial keep its slot. What cannot be written, or comes too late, changes nothing: the
    /// slot returns by itself, and the trial has no say.
    fn complete(&self, permit: &Permit, host: &dyn Host, effects: &mut Effects) -> bool {
        let completed = self.update(host, effects, |breaker| {
            match breaker.complete(permit, host.now().monotonic) {
                true => Update::Changed(true, None),
                false => Update::Unchanged(false),
            }
        });
        completed.unwrap_or(false)
    }
}
