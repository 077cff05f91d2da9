//! Clusters that a configuration names and the proxy does not have.
//!
//! Nobody answers what is sent there, and to try again is of no use: it is for the operator to mend.
//! So it is counted each time, logged by each worker once a minute at most, and noted in the shared
//! store, so that whoever is asked can show it. Clusters come and go while a proxy runs: a note says
//! when it was last so.

use std::cell::RefCell;
use std::time::Duration;

use breaker::{Timestamp, UnixTime};

use crate::config::Service;
use crate::effects::Effects;
use crate::host::{Host, StoreFault};
use crate::services::Services;
use crate::telemetry::{ModuleMetric, Unprotected};

/// No service's name has a slash.
const KEY: &str = "edge-breaker/v1/clusters/unknown/";

/// What of a name has room in a key. Of a longer one there is no note.
const LONGEST: usize = 128;

const FORMAT: u8 = 1;

/// How long a worker does not repeat itself.
const QUIET: Duration = Duration::from_secs(60);

/// When a worker last complained of which cluster: of no more than its configuration names.
#[derive(Debug, Default)]
pub(crate) struct Complaints(RefCell<Vec<(String, Timestamp)>>);

/// A cluster that the proxy did not have when it was last asked for.
pub(crate) struct Unknown<'a> {
    pub(crate) name: &'a str,
    pub(crate) at: UnixTime,
}

impl Complaints {
    fn is_news(&self, cluster: &str, now: Timestamp) -> bool {
        let Ok(mut said) = self.0.try_borrow_mut() else {
            return false;
        };
        match said.iter_mut().find(|(known, _)| known == cluster) {
            Some((_, at)) if now.since(*at) < QUIET => return false,
            Some((_, at)) => *at = now,
            None => said.push((cluster.to_owned(), now)),
        }
        true
    }
}

impl Services {
    /// The proxy has no such cluster, though this configuration names it.
    #[inline(never)]
    pub(crate) fn on_unknown_cluster(
        &self,
        cluster: &str,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        effects.count(ModuleMetric::Unprotected(Unprotected::UnknownCluster));
        let now = host.now();
        if !self.unknown_clusters.is_news(cluster, now.monotonic) {
            return;
        }
        note(cluster, now.wall, host);
        let mut services = self.config.services.iter();
        let place = services.find_map(|service| {
            let field = field_of(service, cluster)?;
            Some(format!("service={} event=unknown_cluster field={field}", service.name.text()))
        });
        let place =
            place.unwrap_or_else(|| "event=unknown_cluster field=notify.cluster".to_owned());
        effects.warn(format!(
            "{place} cluster={cluster} remedy=\"give the proxy a cluster of this name, or name one \
             that it has\""
        ));
    }
}

/// What a cluster is for, if it is for this service.
fn field_of(service: &Service, cluster: &str) -> Option<&'static str> {
    match Some(cluster) {
        it if it == service.fallback_cluster() => Some("fallback.cluster"),
        it if it == service.checked_cluster() => Some("health_check.cluster"),
        _ => None,
    }
}

/// Clusters that a service is configured with, and the proxy did not have when they were last asked
/// for.
pub(crate) fn unknown_clusters<'a>(
    service: &'a Service,
    host: &impl Host,
) -> Result<Vec<Unknown<'a>>, StoreFault> {
    let mut unknown = Vec::new();
    for name in [service.fallback_cluster(), service.checked_cluster()].into_iter().flatten() {
        let noted = host.load(&key(name))?.and_then(|(note, _)| decode(&note));
        unknown.extend(noted.map(|at| Unknown { name, at }));
    }
    Ok(unknown)
}

fn key(cluster: &str) -> String {
    format!("{KEY}{cluster}")
}

/// Notes it for all workers. Lost, another was faster, or the next minute brings it again.
fn note(cluster: &str, at: UnixTime, host: &impl Host) {
    if cluster.len() > LONGEST {
        return;
    }
    let key = key(cluster);
    if let Ok(stored) = host.load(&key) {
        let mut note = vec![FORMAT];
        note.extend_from_slice(&at.as_nanos().to_le_bytes());
        let _ = host.swap(&key, &note, stored.map(|(_, version)| version));
    }
}

fn decode(note: &[u8]) -> Option<UnixTime> {
    match note.split_first()? {
        (&FORMAT, at) => Some(UnixTime::from_nanos(u64::from_le_bytes(at.try_into().ok()?))),
        _ => None,
    }
}
