//! Who answers a diverted call, and what becomes of the fallback cluster's answer.

use breaker::DivertReason;

use super::verdict::ResponseVerdict;
use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::headers::{CLUSTER_HEADER, ReservedResponseHeaders, STATE_HEADER};
use crate::host::{Host, Origin};
use crate::instances::Number;
use crate::request::admission::Snapshot;
use crate::request_warnings::RequestWarning;
use crate::response::replacement::{FailedResponse, Substitute};
use crate::response::reply::{Reply, ResponseAnnotations};
use crate::services::Services;
use crate::stale::Wanted;
use crate::telemetry::{FallbackKind, ModuleMetric, Unprotected};
use config::{ExposeState, OnFull, Service};

/// A call that the fallback cluster is to answer, through the route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Diverted {
    pub(super) breaker: Number,
    pub(super) reason: DivertReason,
    pub(super) snapshot: Snapshot,
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
        self.check_route(services, origin, host, effects);
        if let Origin::NoCluster | Origin::NoRoute | Origin::Unreachable = origin {
            let reply = rejection(expose, self.reason, self.snapshot, host);
            let failed = FailedResponse::NOBODY;
            return ResponseVerdict::Replace(Substitute { reply, failed });
        }
        // What the fallback says of another breaker is replaced, or removed unseen.
        let (nothing, all) = (ReservedResponseHeaders::NONE, ReservedResponseHeaders::ALL);
        ResponseVerdict::Continue(match expose {
            ExposeState::Never => ResponseAnnotations { state: None, fallback: None, remove: all },
            ExposeState::Always | ExposeState::Fallback => {
                let (state, fallback) = (Some(self.snapshot.state), Some(FallbackKind::Cluster));
                ResponseAnnotations { state, fallback, remove: nothing }
            }
        })
    }

    /// Warns if a diverted call went nowhere, or to another cluster than it was diverted to. In the
    /// latter case no route matches on the header, and the failing service may get the traffic that was
    /// to be kept away from it.
    fn check_route(
        &self,
        services: &Services,
        origin: Origin,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        let Some(handle) = services.handle(self.breaker) else {
            return;
        };
        let Some(fallback) = &handle.service.fallback.cluster else {
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
        if handle.instance.warned.is_first(RequestWarning::Misrouted) {
            effects.warn(format!(
                "service={} event=misrouted fallback={} cluster={} remedy=\"add a route that \
                 matches on the header {CLUSTER_HEADER}\"",
                handle.instance.name,
                fallback.name,
                String::from_utf8_lossy(cluster.as_deref().unwrap_or(b"none")),
            ));
        }
    }
}
