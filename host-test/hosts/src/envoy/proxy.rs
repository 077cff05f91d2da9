//! The Envoy processes, one for each number of workers, which scenarios come to and leave again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use envoy_harness::config::{Bootstrap, CdsFile, LdsFile, Listener, Route, Wasm, http2_cluster};
use envoy_harness::{Envoy, EnvoyOptions, Stats};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use super::names::Names;
use super::received::{local_replies, marking};

const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// The processes that there are, by their workers.
static PROXIES: Mutex<BTreeMap<usize, Arc<Proxy>>> = Mutex::new(BTreeMap::new());

/// A process that scenarios share.
pub(super) struct Proxy {
    pub(super) envoy: Arc<Envoy>,
    pub(super) workers: usize,
    listeners_file: LdsFile,
    clusters_file: CdsFile,
    at_work: tokio::sync::Mutex<AtWork>,
}

/// What it has of each scenario.
#[derive(Default)]
struct AtWork {
    listeners: BTreeMap<String, Listener>,
    clusters: BTreeMap<String, Value>,
}

/// Where the admin interfaces are asked: their connections are shared by scenarios, which come and go
/// with runtimes of their own.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().expect("a thread can be started")
    })
}

/// Ends all processes.
pub fn stop() {
    let proxies = std::mem::take(&mut *PROXIES.lock().unwrap_or_else(PoisonError::into_inner));
    drop(proxies);
}

/// A port for a scenario's listener, kept for it. Envoy would choose one itself, but gives a listener
/// without a port of its own that of another one which it no longer needs, and gives it to several.
pub(super) struct Port {
    pub(super) address: SocketAddr,
    _kept: TcpSocket,
}

impl Port {
    pub(super) fn free() -> Result<Self> {
        let kept = TcpSocket::new_v4()?;
        // As Envoy does: then both may have it, as long as one of them does not listen.
        kept.set_reuseaddr(true)?;
        kept.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { address: kept.local_addr()?, _kept: kept })
    }
}

/// A scenario's listener. Its answers carry the mark of the configuration that they were given under.
pub(super) fn listener(names: &Names, port: &Port, config: &Value, mark: &str) -> Result<Listener> {
    let service = Route::prefix("/").cluster(names.scenario()).timeout(Duration::ZERO);
    Ok(Listener::new(names.scenario())
        .address(port.address)
        .named_stats()
        .balanced()
        .filter(marking())
        .filter(plugin(config)?)
        .route(Route::diverted())
        .route(service)
        .option("server_name", json!(mark))
        .option("local_reply_config", local_replies()))
}

fn plugin(config: &Value) -> Result<Wasm> {
    Ok(Wasm::new("edge-breaker", &artifacts::proxy_wasm()?)
        .vm_id("edge-breaker")
        .configuration(config))
}

/// A cluster for which each request has a connection of its own, which one can cut.
fn cluster(name: &str, address: SocketAddr) -> Value {
    const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let mut cluster = http2_cluster(name, address);
    cluster["typed_extension_protocol_options"][OPTIONS]["common_http_protocol_options"] =
        json!({ "max_requests_per_connection": 1 });
    cluster
}

/// The stats that are looked at here. Each question goes through all that a proxy has, and each
/// scenario would bring hundreds.
fn stats() -> Value {
    let prefixes = ["wasmcustom.", "listener_manager.lds.", "cluster_manager.cds.", "server.live"];
    let suffixes = ["downstream_cx_total", "downstream_rq_active", "upstream_rq_active"];
    let prefixes = prefixes.iter().map(|prefix| json!({ "prefix": prefix }));
    let patterns = prefixes.chain(suffixes.iter().map(|suffix| json!({ "suffix": suffix })));
    json!({ "inclusion_list": { "patterns": patterns.collect::<Vec<_>>() } })
}

impl Proxy {
    /// The one with so many workers, which is started if there is none.
    pub(super) fn of(workers: usize) -> Result<Arc<Self>> {
        let mut proxies = PROXIES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(proxy) = proxies.get(&workers) {
            return Ok(Arc::clone(proxy));
        }
        let proxy = Arc::new(runtime().block_on(Self::start(workers))?);
        proxies.insert(workers, Arc::clone(&proxy));
        Ok(proxy)
    }

    async fn start(workers: usize) -> Result<Self> {
        let (listeners_file, clusters_file) = (LdsFile::new(Vec::new())?, CdsFile::new()?);
        // As long as this one is there the module need not be compiled again.
        let keeper = Listener::new("keeper")
            .filter(plugin(&json!({ "services": [{ "name": "keeper" }] }))?)
            .route(Route::prefix("/").direct_response(404, ""));
        let bootstrap = Bootstrap::new().listener(keeper).lds(&listeners_file).cds(&clusters_file);
        let mut bootstrap = bootstrap.build();
        bootstrap["stats_config"]["stats_matcher"] = stats();
        let envoy = EnvoyOptions::new(bootstrap)
            .concurrency(u32::try_from(workers)?)
            // What is replaced or taken away goes on for a minute: requests that are under way end as
            // they should, and what is left of past scenarios does not tick for ever.
            .arg("--drain-time-s")
            .arg("60")
            .start()
            .await?;
        let at_work = tokio::sync::Mutex::default();
        Ok(Self { envoy: Arc::new(envoy), workers, listeners_file, clusters_file, at_work })
    }

    /// Gives a scenario a listener and clusters, or others than it has. The inner error is why the
    /// plugin refuses its configuration; then what was before stays.
    pub(super) async fn put(
        &self,
        names: &Names,
        listener: Listener,
        clusters: &[(String, SocketAddr)],
    ) -> Result<Result<(), String>> {
        let mut at_work = self.at_work.lock().await;
        let mut more = false;
        for (name, address) in clusters {
            more |= at_work.clusters.insert(name.clone(), cluster(name, *address)).is_none();
        }
        if more {
            self.write_clusters(&at_work).await?;
        }
        let before = at_work.listeners.insert(names.scenario().to_owned(), listener);
        let logged = self.envoy.log().len();
        if self.write_listeners(&at_work).await? {
            return Ok(Ok(()));
        }
        match before {
            Some(before) => at_work.listeners.insert(names.scenario().to_owned(), before),
            None => at_work.listeners.remove(names.scenario()),
        };
        ensure!(self.write_listeners(&at_work).await?, "what was before is refused, too");
        let log = self.envoy.log();
        let lines = log.get(logged..).unwrap_or_default().lines();
        let mut reasons = lines.filter_map(|line| line.split_once("configuration refused: "));
        let (_, reason) = reasons.next_back().context("refused, and nobody says why")?;
        Ok(Err(reason.to_owned()))
    }

    /// A scenario is over. What it had is taken away when the next one comes.
    pub(super) async fn take_away(&self, names: &Names) {
        let mut at_work = self.at_work.lock().await;
        at_work.listeners.remove(names.scenario());
        let of_others = |name: &str| name != names.scenario() && names.without_prefix(name) == name;
        at_work.clusters.retain(|name, _| of_others(name));
    }

    /// Whether it takes the listeners.
    async fn write_listeners(&self, at_work: &AtWork) -> Result<bool> {
        let counters = ["update_success", "update_rejected"];
        let counters = counters.map(|name| format!("listener_manager.lds.{name}"));
        let [taken, refused] = counters.each_ref().map(String::as_str);
        let before = [self.counter(taken).await?, self.counter(refused).await?];
        self.listeners_file.write(at_work.listeners.values().cloned().collect())?;
        let mut is_taken = false;
        self.until("the listeners to be taken or refused", async || {
            is_taken = self.counter(taken).await? > before[0];
            Ok(is_taken || self.counter(refused).await? > before[1])
        })
        .await?;
        Ok(is_taken)
    }

    async fn write_clusters(&self, at_work: &AtWork) -> Result<()> {
        const TAKEN: &str = "cluster_manager.cds.update_success";
        let before = self.counter(TAKEN).await?;
        self.clusters_file.write(at_work.clusters.values().cloned())?;
        self.until("the clusters to be taken", async || Ok(self.counter(TAKEN).await? > before))
            .await
    }

    /// How many connections to a scenario's listener each worker has had.
    pub(super) async fn connections(&self, names: &Names) -> Result<Vec<u64>> {
        let name = names.scenario();
        let stats = self.stats(format!(r"^listener\.{name}\.worker_")).await?;
        let of = |worker| format!("listener.{name}.worker_{worker}.downstream_cx_total");
        Ok((0..self.workers).map(|worker| stats.get(&of(worker)).unwrap_or_default()).collect())
    }

    /// Waits until so many of a scenario's requests are under way.
    pub(super) async fn until_requests_are(&self, names: &Names, open: usize) -> Result<()> {
        let active = format!("http.{}.downstream_rq_active", names.scenario());
        let open = u64::try_from(open)?;
        self.until("requests to be over", async || Ok(self.counter(&active).await? == open)).await
    }

    /// Waits until so many calls to a cluster are under way.
    pub(super) async fn until_calls_are(
        &self,
        names: &Names,
        cluster: &str,
        open: usize,
    ) -> Result<()> {
        let active = format!("cluster.{}.upstream_rq_active", names.cluster(cluster));
        let open = u64::try_from(open)?;
        self.until("calls to be over", async || Ok(self.counter(&active).await? == open)).await
    }

    /// The main thread answers.
    pub(super) async fn is_responsive(&self) -> Result<()> {
        self.counter("server.live").await.map(drop)
    }

    /// The metrics of a scenario's services, and those of the plugin as a whole, by the scenario's
    /// names.
    pub(super) async fn metrics(&self, names: &Names) -> Result<BTreeMap<String, u64>> {
        let own = format!(r"cb_service=\.={}", names.service(""));
        let stats =
            self.stats(format!(r"^wasmcustom\.({own}|cb_reason|cb_result|edge_breaker)")).await?;
        let of_this = stats.matching("edge_breaker_");
        // The clusters of scenarios that are over are gone while their checks are still made.
        let is_others = |name: &str| name.contains("=unknown_cluster;");
        let value_of = |name, value| if is_others(name) { 0 } else { value };
        Ok(of_this
            .map(|(name, value)| (names.without_prefix(name), value_of(name, value)))
            .collect())
    }

    async fn counter(&self, name: &str) -> Result<u64> {
        let regex = format!("^{}$", name.replace('.', r"\."));
        Ok(self.stats(regex).await?.get(name).unwrap_or_default())
    }

    async fn stats(&self, regex: String) -> Result<Stats> {
        let envoy = Arc::clone(&self.envoy);
        runtime().spawn(async move { envoy.stats_matching(&regex).await }).await?
    }

    async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        while !is_so().await? {
            if start.elapsed() > PATIENCE {
                bail!("no {what} in {PATIENCE:?}");
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}
