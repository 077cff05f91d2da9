//! Who answers a diverted call, and what becomes of the fallback cluster's answer.

use breaker::DivertReason;

use super::diverted::{Cause, Diverted};
use super::verdict::ResponseVerdict;
use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::headers::{self, CLUSTER_HEADER, ReservedResponseHeaders, STATE_HEADER};
use crate::host::{Host, Origin};
use crate::request::admission::Snapshot;
use crate::request_warnings::RequestWarning;
use crate::response::replacement::{FailedResponse, Substitute};
use crate::response::reply::{Reply, ResponseAnnotations};
use crate::services::Services;
use crate::stale::Wanted;
use crate::telemetry::{FallbackKind, ModuleMetric, ServiceMetric, Unprotected};
use config::{ExposeState, OnFull, Service};

/// Whether a fallback's answer with this status is better than the failure.
pub(super) fn answers_well(status: u16) -> bool {
    (200..500).contains(&status)
}

/// Whether calls that are diverted for a reason get no fallback.
pub(super) fn gets_no_fallback(service: &Service, reason: DivertReason) -> bool {
    let on_full = service.bulkhead.as_ref().map(|bulkhead| bulkhead.on_full);
    reason == DivertReason::Bulkhead && on_full == Some(OnFull::Reject)
}

/// The answer to a call that gets no fallback.
pub(super) fn rejection(
    expose: ExposeState,
    reason: DivertReason,
    snapshot: Snapshot,
    host: &dyn Host,
) -> Reply {
    let reply = Reply::unavailable(reason, snapshot.retry_at, host.now());
    match expose {
        ExposeState::Always => reply.with(STATE_HEADER, snapshot.state.name()),
        ExposeState::Fallback | ExposeState::Never => reply,
    }
}

/// What answers a diverted call where nothing else does.
pub(super) fn static_reply(
    service: &Service,
    reason: DivertReason,
    snapshot: Snapshot,
    host: &dyn Host,
) -> Reply {
    match &service.fallback.response {
        Some(response) => Reply::configured(response),
        None => Reply::unavailable(reason, snapshot.retry_at, host.now()),
    }
}

/// An answer that was kept for a request, if there is one.
pub(super) fn stale_answer(
    handle: &ServiceHandle<'_>,
    wanted: Option<&Wanted>,
    host: &dyn Host,
) -> Option<Reply> {
    let wanted = wanted.filter(|wanted| wanted.is_whole())?;
    handle.answers()?.find(wanted, host)
}

impl Diverted {
    /// Judges the head of the answer. Where there was nobody to send the call to, nobody has answered in
    /// the service's stead, and the client gets what it gets without a fallback.
    #[inline(never)]
    pub(super) fn on_response(
        self,
        services: &Services,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> ResponseVerdict {
        let (origin, expose) = (host.origin(), services.config.expose_state);
        if let Some(handle) = services.handle(self.breaker) {
            handle.check_route(services, origin, host, effects);
        }
        // What the fallback says of another breaker is replaced, or removed unseen.
        let (nothing, all) = (ReservedResponseHeaders::NONE, ReservedResponseHeaders::ALL);
        let kind = match self.cause {
            Cause::Breaker(reason, snapshot) => {
                if let Origin::NoCluster | Origin::NoRoute | Origin::Unreachable = origin {
                    let reply = rejection(expose, reason, snapshot, host);
                    let failed = FailedResponse::NOBODY;
                    return ResponseVerdict::Replace(Substitute { reply, failed });
                }
                FallbackKind::Cluster
            }
            // The service's own answer is gone, so whatever this one is, it goes on.
            Cause::Failure { .. } if origin != Origin::Service => {
                return ResponseVerdict::annotated(expose, all, || Some(self.state));
            }
            Cause::Failure { series } => {
                let status = host.response_header(":status");
                if status.and_then(|it| headers::status(&it)).is_some_and(answers_well) {
                    effects.count_of(series, ServiceMetric::Fallback(FallbackKind::Replay));
                }
                FallbackKind::Replay
            }
        };
        ResponseVerdict::Continue(match expose {
            ExposeState::Never => ResponseAnnotations { state: None, fallback: None, remove: all },
            ExposeState::Always | ExposeState::Fallback => {
                let (state, fallback) = (Some(self.state), Some(kind));
                ResponseAnnotations { state, fallback, remove: nothing }
            }
        })
    }
}

impl ServiceHandle<'_> {
    /// Warns if a diverted call went nowhere, or to another cluster than it was diverted to. In the
    /// latter case no route matches on the header, and the failing service may get the traffic that was
    /// to be kept away from it.
    pub(super) fn check_route(
        &self,
        services: &Services,
        origin: Origin,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        let Some(fallback) = &self.service.fallback.cluster else {
            return;
        };
        let cluster = host.cluster();
        let as_meant = cluster.as_ref().is_none_or(|it| it == fallback.name.as_bytes());
        match origin {
            Origin::NoCluster if as_meant => {
                return services.on_unknown_cluster(&fallback.name, host, effects);
            }
            Origin::NoRoute => {}
            _ if as_meant => return,
            _ => {}
        }
        effects.count(ModuleMetric::Unprotected(Unprotected::FallbackRoute));
        if self.instance.warned.is_first(RequestWarning::Misrouted) {
            effects.warn(format!(
                "service={} event=misrouted fallback={} cluster={} remedy=\"add a route that \
                 matches on the header {CLUSTER_HEADER}\"",
                self.instance.name,
                fallback.name,
                String::from_utf8_lossy(cluster.as_deref().unwrap_or(b"none")),
            ));
        }
    }
}
