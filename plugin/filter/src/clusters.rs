//! Clusters that a configuration names and the proxy does not have.
//!
//! Nobody answers what is sent there, and to try again is of no use: it is for the operator to mend.
//! So it is counted each time, logged by each worker once a minute at most, and noted in the shared
//! store, so that whoever is asked can show it. Clusters come and go while a proxy runs: a note says
//! when it was last so.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use breaker::{Timestamp, UnixTime};
use shared::{Cell, Decision, Decoded, Kind, Reader, StoreFault, Watch};

use crate::effects::Effects;
use crate::host::Host;
use crate::telemetry::{ModuleMetric, Unprotected};
use config::{Config, Service};

/// No service's name has a slash.
const KEY: &str = "edge-breaker/v1/clusters/unknown/";

/// What of a name has room in a key. Of a longer one there is no note.
const LONGEST: usize = 128;

const FORMAT: u8 = 1;

/// How long a worker does not repeat itself.
const QUIET: Duration = Duration::from_secs(60);

/// When a worker last warned of which cluster: of no more than its configuration names.
#[derive(Debug, Default)]
pub(crate) struct UnknownClusters(RefCell<Vec<Warned>>);

#[derive(Debug)]
struct Warned {
    cluster: String,
    at: Timestamp,
    /// What it remembers of a note that it could not read.
    watch: Rc<Watch>,
}

/// A cluster that the proxy did not have when it was last asked for.
pub(crate) struct Unknown<'a> {
    pub(crate) name: &'a str,
    pub(crate) at: UnixTime,
}

/// When the proxy last lacked a cluster.
pub(crate) struct NoteKind;

impl Kind for NoteKind {
    type Value = UnixTime;

    fn decode(&self, bytes: &[u8]) -> Decoded<UnixTime> {
        Decoded::new(decode(bytes), bytes, FORMAT, "cluster")
    }

    fn encode(&self, at: &UnixTime) -> impl AsRef<[u8]> {
        let [a, b, c, d, e, f, g, h] = at.as_nanos().to_le_bytes();
        [FORMAT, a, b, c, d, e, f, g, h]
    }
}

fn decode(note: &[u8]) -> Option<UnixTime> {
    let mut rest = Reader(note.strip_prefix(&[FORMAT])?);
    let at = UnixTime::from_nanos(rest.u64()?);
    rest.is_empty().then_some(at)
}

impl UnknownClusters {
    /// The proxy has no such cluster, though this configuration names it.
    #[inline(never)]
    pub(crate) fn note(
        &self,
        cluster: &str,
        config: &Config,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        effects.count(ModuleMetric::Unprotected(Unprotected::UnknownCluster));
        let now = host.now();
        let Some(watch) = self.warn(cluster, now.monotonic) else {
            return;
        };
        if cluster.len() <= LONGEST {
            let key = key(cluster);
            let cell = Cell { key: &key, kind: NoteKind, watch: &watch, service: None };
            // Lost, the next minute brings it again.
            let _ = cell.update(host, effects, |at, _| {
                *at = Some(now.wall);
                Decision::Store(())
            });
        }
        let place = config.services.iter().find_map(|service| {
            let field = field_of(service, cluster)?;
            Some(format!("service={} event=unknown_cluster field={field}", service.name.text()))
        });
        let is_stores = config.fleet.as_ref().is_some_and(|fleet| fleet.cluster == cluster);
        let field = if is_stores { "fleet.cluster" } else { "notify.cluster" };
        let place = place.unwrap_or_else(|| format!("event=unknown_cluster field={field}"));
        effects.warn(format!(
            "{place} cluster={cluster} remedy=\"give the proxy a cluster of this name, or name one \
             that it has\""
        ));
    }

    /// What is remembered of a cluster's note, if it is time to warn of the cluster.
    fn warn(&self, cluster: &str, now: Timestamp) -> Option<Rc<Watch>> {
        let mut warned = self.0.try_borrow_mut().ok()?;
        match warned.iter_mut().find(|known| known.cluster == cluster) {
            Some(known) if now.since(known.at) < QUIET => None,
            Some(known) => {
                known.at = now;
                Some(Rc::clone(&known.watch))
            }
            None => {
                let watch = Rc::new(Watch::default());
                let (cluster, known) = (cluster.to_owned(), Rc::clone(&watch));
                warned.push(Warned { cluster, at: now, watch: known });
                Some(watch)
            }
        }
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

/// Clusters that a service is configured with, and the proxy did not have when they were last
/// asked for.
pub(crate) fn unknown_clusters<'a>(
    service: &'a Service,
    host: &dyn Host,
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
