//! A request comes: its headers, its body, its end.

use breaker::DivertReason;

use super::call::{Call, Lasted, capture, wanted};
use super::diversion::{gets_no_fallback, rejection, stale_answer, static_reply};
use super::diverted::{Cause, Diverted};
use super::rerun::Rerun;
use super::state::{Exchange, HeldPermit, Phase};
use super::verdict::{RequestAction, RequestVerdict};
use crate::admin;
use crate::callbacks::Callbacks;
use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::headers::{Facts, Headers, steering};
use crate::host::Host;
use crate::request::admission::{Arrival, Decision, Snapshot};
use crate::request::protocol::Protocol;
use crate::request::target::Target;
use crate::response::flow::BodyFlow;
use crate::services::Services;
use crate::telemetry::{FallbackKind, ModuleMetric, ServiceMetric, Unprotected};

impl Exchange {
    /// Decides on a request when its headers have come.
    #[inline]
    pub(crate) fn on_request(
        &mut self,
        (services, callbacks): (&Services, &Callbacks),
        headers: Headers,
        end_of_stream: bool,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> RequestVerdict {
        callbacks.on_request();
        let facts = headers.facts();
        let remove = facts.reserved;
        let verdict = |action| RequestVerdict { remove, action };
        if let Some(reply) = admin::answer(services, &headers, &facts, host, effects) {
            return verdict(RequestAction::Reply(reply));
        }
        let Some(Target { mut handle, partition }) =
            services.target(&headers, &facts, host, effects)
        else {
            return verdict(RequestAction::Continue);
        };
        let protocol = Protocol::of(&facts);
        let complete = end_of_stream || protocol.is_bidirectional(&headers);
        let arrival = Arrival { partition, complete };
        let mut decision = handle.admit(arrival, host, effects);
        if let Decision::Evicted = decision {
            let Some(anew) = admit_anew(services, arrival, (&headers, &facts), host, effects)
            else {
                return verdict(RequestAction::Continue);
            };
            (handle, decision) = anew;
        }
        let service = handle.service;
        match decision {
            Decision::Evicted | Decision::Bypassed => verdict(RequestAction::Continue),
            Decision::Admitted(permit, held) => {
                let shortest = service.classify.min_client_deadline;
                let client_terms = protocol.terms(&headers, &facts).may_end_early(shortest);
                let is_watched = service.policy.trip.watches_calls();
                let may_hang = is_watched && protocol.awaits_answer(&headers);
                let breaker = handle.instance.number;
                let budget = services.config.max_copied_bytes;
                let wanted = wanted(service, protocol, &headers, &facts, end_of_stream);
                self.held = held.map(|permit| HeldPermit { breaker, permit });
                self.phase = Phase::Admitted(Call {
                    breaker,
                    permit,
                    protocol,
                    wanted: wanted.and_then(|wanted| wanted.held(budget)).map(Box::new),
                    capture: capture(service, protocol, headers, end_of_stream, budget),
                    copy: None,
                    complete,
                    client_terms,
                    began: None,
                    may_hang,
                    watched: None,
                    head: None,
                    flow: BodyFlow::default(),
                    lasted: Lasted::default(),
                    plain: false,
                });
                if complete
                    && service.times_calls()
                    && let Phase::Admitted(call) = &mut self.phase
                {
                    call.begin(&services.watched, host);
                }
                verdict(RequestAction::Continue)
            }
            Decision::Diverted(reason, snapshot) => {
                let request = (&headers, &facts, end_of_stream);
                let filter = (services, callbacks);
                verdict(self.divert(filter, &handle, (reason, snapshot), request, host, effects))
            }
        }
    }

    /// What becomes of a request that does not go to its service.
    #[inline(never)]
    fn divert(
        &mut self,
        (services, callbacks): (&Services, &Callbacks),
        handle: &ServiceHandle<'_>,
        (reason, snapshot): (DivertReason, Snapshot),
        (headers, facts, complete): (&Headers, &Facts<'_>, bool),
        host: &dyn Host,
        effects: &mut Effects,
    ) -> RequestAction {
        callbacks.on_diverted(host, effects);
        let (service, expose) = (handle.service, services.config.expose_state);
        if gets_no_fallback(service, reason) {
            return RequestAction::Reply(rejection(expose, reason, snapshot, host));
        }
        let fallback = |kind| ServiceMetric::Fallback(kind);
        let Some(cluster) = &service.fallback.cluster else {
            let wanted = wanted(service, Protocol::of(facts), headers, facts, complete);
            let (reply, kind) = match stale_answer(handle, wanted.as_ref(), host) {
                Some(stale) => (stale, FallbackKind::Stale),
                None => (static_reply(service, reason, snapshot, host), FallbackKind::Response),
            };
            effects.count_of(handle.number, fallback(kind));
            return RequestAction::Reply(reply.annotated(expose, snapshot.state, kind));
        };
        effects.count_of(handle.number, fallback(FallbackKind::Cluster));
        let breaker = handle.instance.number;
        let (cause, state) = (Cause::Breaker(reason, snapshot), snapshot.state);
        self.phase = Phase::Diverted(Diverted { breaker, cause, state });
        let service = &handle.instance.name;
        RequestAction::Divert(steering(&cluster.name, service, state.name(), reason.name()))
    }

    /// Takes a piece of the request's body, `len` bytes long. `bytes` are asked for only if the
    /// exchange wants them; `None`: they cannot be had.
    #[inline]
    pub(crate) fn on_request_body(
        &mut self,
        services: &Services,
        len: usize,
        end_of_stream: bool,
        bytes: impl FnOnce() -> Option<Vec<u8>>,
    ) {
        if let Phase::Admitted(call) = &mut self.phase {
            let limits = |breaker| {
                let cluster = services.handle(breaker)?.service.fallback.cluster.as_ref()?;
                Some((cluster.max_request_bytes, services.config.max_copied_bytes))
            };
            call.on_request_body(len, end_of_stream, limits, services.can_rerun, bytes);
        }
    }
}

/// Asks once more for a request whose service was evicted: it has a breaker again.
#[cold]
#[inline(never)]
fn admit_anew<'a>(
    services: &'a Services,
    arrival: Arrival,
    (headers, facts): (&Headers, &Facts<'_>),
    host: &dyn Host,
    effects: &mut Effects,
) -> Option<(ServiceHandle<'a>, Decision)> {
    let Target { handle, .. } = services.target(headers, facts, host, effects)?;
    let decision = handle.admit(arrival, host, effects);
    if let Decision::Evicted = decision {
        // Services are evicted so fast that it has been already.
        effects.count(ModuleMetric::Unprotected(Unprotected::Store));
    }
    Some((handle, decision))
}

impl Exchange {
    /// The request comes again: it is diverted.
    pub(crate) fn on_rerun(&mut self, rerun: &Rerun, headers: &Headers) -> RequestVerdict {
        self.phase = Phase::Diverted(rerun.diverted);
        let action = RequestAction::Divert(rerun.headers.clone());
        RequestVerdict { remove: headers.facts().reserved, action }
    }
}
