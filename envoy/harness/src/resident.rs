//! An Envoy that stays while its users come and go. A start costs more than a second of CPU time,
//! most of it for compiling a module; to take in another user costs a few hundredths.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::config::{Bootstrap, CdsFile, LdsFile, Listener, Route, Wasm};
use crate::{Envoy, EnvoyOptions, Stats};

const POLL: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(120);

/// An Envoy for one user after another. Each has listeners and clusters of its own, counters that
/// begin at 0, and a log that begins with it.
#[derive(Debug)]
pub struct Resident {
    /// The proxy.
    pub envoy: Envoy,
    workers: u32,
    listeners: LdsFile,
    clusters: CdsFile,
}

impl Resident {
    /// Starts one with so many workers. This module is compiled but once in it, for a plugin that
    /// lasts as long.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(workers: u32, module: &Path, configuration: &Value) -> Result<Self> {
        let directory = EnvoyOptions::new_directory()?;
        let listeners = LdsFile::within(Arc::clone(&directory))?;
        let clusters = CdsFile::within(Arc::clone(&directory))?;
        let keeper = Wasm::new("keeper", module).vm_id("keeper").configuration(configuration);
        let keeper = Listener::new("keeper").filter(keeper);
        let keeper = keeper.route(Route::prefix("/").direct_response(404, ""));
        let bootstrap = Bootstrap::new().listener(keeper).lds(&listeners).cds(&clusters);
        let options = EnvoyOptions::new(bootstrap.build()).concurrency(workers);
        // Whoever has left a listener waits for nothing.
        let options = options.directory(directory).arg("--drain-time-s").arg("0");
        Ok(Self { envoy: options.start().await?, workers, listeners, clusters })
    }

    /// Takes away what the user before had, and gives the next one these listeners and clusters.
    ///
    /// # Errors
    /// When they are refused; the message then holds the log, which says why.
    pub async fn take_in(&mut self, listeners: Vec<Listener>, clusters: Vec<Value>) -> Result<()> {
        self.envoy.renew().await?;
        self.listeners.write(Vec::new())?;
        self.until("the listeners are gone", |stats| {
            updated(stats, LDS) > 0
                && stats.get("listener_manager.total_listeners_active") == Some(1)
                && stats.get("listener_manager.total_listeners_draining") == Some(0)
        })
        .await?;
        self.clusters.write([])?;
        self.until("the clusters are gone", |stats| {
            updated(stats, CDS) > 0 && stats.get("cluster_manager.active_clusters") == Some(0)
        })
        .await?;
        self.envoy.renew().await?;
        self.clusters.write(clusters)?;
        self.until("the clusters are there", |stats| updated(stats, CDS) > 0).await?;
        let at_work = self.workers as usize * listeners.len();
        self.listeners.write(listeners)?;
        self.until("the listeners are there", |stats| {
            let created = stats.get("listener_manager.listener_create_success");
            updated(stats, LDS) > 0 && created >= Some(at_work as u64)
        })
        .await
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Stats) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stats = self.envoy.stats_matching(r"^(listener|cluster)_manager\.").await?;
            let refused = [LDS, CDS].map(|kind| stats.get(&format!("{kind}.update_rejected")));
            if refused.into_iter().flatten().any(|updates| updates > 0) {
                bail!("Envoy refuses its configuration:\n{}", self.envoy.log());
            }
            if is_so(&stats) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("not in {PATIENCE:?}: {what}: {stats:#?}\n{}", self.envoy.log());
            }
            sleep(POLL).await;
        }
    }
}

const LDS: &str = "listener_manager.lds";
const CDS: &str = "cluster_manager.cds";

/// How many updates were taken.
fn updated(stats: &Stats, kind: &str) -> u64 {
    stats.get(&format!("{kind}.update_success")).unwrap_or_default()
}
