//! What becomes of the answer to a call that was diverted to the fallback's cluster.

use breaker::DivertReason;

use super::ResponseVerdict;
use super::admission::Standing;
use super::replace::{Failed, Substitute};
use crate::config::ExposeState;
use crate::effects::Effects;
use crate::filter::Filter;
use crate::headers::{CLUSTER_HEADER, OwnResponseHeaders};
use crate::host::{Host, Property};
use crate::instances::Number;
use crate::origin::Origin;
use crate::reply::ResponseAnnotations;
use crate::store::Complaint;
use crate::telemetry::{FallbackKind, Metric};

/// A call that the fallback's cluster is to answer, through the route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Diverted {
    pub(super) breaker: Number,
    pub(super) reason: DivertReason,
    pub(super) standing: Standing,
}

impl Filter {
    /// Judges the head of the answer. Where there was nobody to send the call to, nobody has answered in
    /// the service's stead, and the client is told what it is told without a fallback.
    #[inline(never)]
    pub(super) fn on_diverted_answer(
        &self,
        Diverted { breaker, reason, standing }: Diverted,
        host: &impl Host,
        effects: &mut Effects,
    ) -> ResponseVerdict {
        let origin = Origin::ask(host);
        self.check_route(breaker, origin, host, effects);
        if let Origin::NoCluster | Origin::NoRoute | Origin::Unreachable = origin {
            let reply = self.rejection(reason, standing, host);
            return ResponseVerdict::Replace(Substitute { reply, failed: Failed::NOBODY });
        }
        // What the fallback says of another breaker is replaced, or removed unseen.
        let (nothing, all) = (OwnResponseHeaders::NONE, OwnResponseHeaders::ALL);
        ResponseVerdict::Continue(match self.config.expose_state {
            ExposeState::Never => ResponseAnnotations { state: None, fallback: None, foreign: all },
            ExposeState::Always | ExposeState::Fallback => {
                let fallback = Some(FallbackKind::Cluster);
                ResponseAnnotations { state: Some(standing.state), fallback, foreign: nothing }
            }
        })
    }

    /// Says so when a diverted call went nowhere, or to another cluster than it was diverted to. In the
    /// latter case no route matches on the header, and the failing service may get the traffic that was
    /// to be kept away from it.
    fn check_route(&self, number: Number, origin: Origin, host: &impl Host, effects: &mut Effects) {
        let Some(record) = self.record(number) else {
            return;
        };
        let Some(fallback) = &record.service.fallback.cluster else {
            return;
        };
        let cluster = host.property(Property::ClusterName);
        let as_meant = cluster.as_ref().is_none_or(|it| it == fallback.name.as_bytes());
        match origin {
            Origin::NoCluster if as_meant => {
                return self.on_unknown_cluster(&fallback.name, host, effects);
            }
            Origin::NoRoute => {}
            _ if as_meant => return,
            _ => {}
        }
        effects.count(Metric::Misrouted);
        if record.is_news(Complaint::Misrouted) {
            effects.warn(format!(
                "service={} event=misrouted fallback={} cluster={} remedy=\"add a route that \
                 matches on the header {CLUSTER_HEADER}\"",
                record.instance.name,
                fallback.name,
                String::from_utf8_lossy(cluster.as_deref().unwrap_or(b"none")),
            ));
        }
    }
}
