//! A running Prometheus.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use envoy_harness::client::Client;
use envoy_harness::{Watchdog, parse_yaml, repo_root};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::PATIENCE;
use tokio::time::sleep;

use crate::alarms::install;
use crate::alarms::promql::scaled;

const POLL: Duration = Duration::from_millis(50);

/// A Prometheus that watches one Envoy under the rules of the repository. Dropped, it is killed.
pub(crate) struct Server {
    // Dropped first: the watchdog lets go before the process ends.
    _watchdog: Watchdog,
    process: Process,
    address: SocketAddr,
    client: Client,
}

/// An alarm that is pending or firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alert {
    pub(crate) name: String,
    /// Empty for one that is of no service.
    pub(crate) service: String,
    pub(crate) firing: bool,
}

struct Process {
    child: Child,
    room: TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts it with `envoy/prometheus/prometheus.yaml`, in which the address of the Envoy is replaced, and
    /// the durations are scaled as those of the rules are.
    pub(crate) async fn start(envoy: SocketAddr) -> Result<Self> {
        let room = tempfile::Builder::new().prefix("prometheus-").tempdir()?;
        configure(room.path(), envoy)?;
        let log = File::create(room.path().join("log"))?;
        let child = Command::new(install::prometheus())
            .arg("--config.file=prometheus.yaml")
            .arg("--storage.tsdb.path=data")
            .arg("--web.listen-address=127.0.0.1:0")
            // Five minutes, as the rules see them.
            .arg(format!("--query.lookback-delta={}", scaled("5m")))
            .current_dir(room.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot run Prometheus")?;
        let watchdog = Watchdog::over(child.id(), room.path())?;
        let mut process = Process { child, room };
        let address = process.address().await?;
        Ok(Self { _watchdog: watchdog, process, address, client: Client::new() })
    }

    /// What a query gives now: its series.
    pub(crate) async fn query(&self, query: &str) -> Result<Vec<Value>> {
        let data = self.get(&format!("query?query={}", escaped(query))).await?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    /// What it gave at any time in the last seconds.
    pub(crate) async fn query_over(&self, query: &str, seconds: u64) -> Result<Vec<Value>> {
        let end = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let start = end - Duration::from_secs(seconds).as_secs_f64();
        let query = escaped(query);
        let data =
            self.get(&format!("query_range?query={query}&start={start}&end={end}&step=1")).await?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    /// The labels of all series that a selector has ever found.
    pub(crate) async fn series(&self, selector: &str) -> Result<Vec<Value>> {
        let data = self.get(&format!("series?match[]={}", escaped(selector))).await?;
        Ok(data.as_array().cloned().unwrap_or_default())
    }

    /// The values of a label of the series that a selector finds.
    pub(crate) async fn label_values(&self, selector: &str, label: &str) -> Result<Value> {
        self.get(&format!("label/{label}/values?match[]={}", escaped(selector))).await
    }

    /// The alarms that are pending or firing.
    pub(crate) async fn alerts(&self) -> Result<Vec<Alert>> {
        let data = self.get("alerts").await?;
        let alerts = data["alerts"].as_array().context("no alerts")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let row = |alert: &Value| Alert {
            name: text(&alert["labels"]["alertname"]),
            service: text(&alert["labels"]["cb_service"]),
            firing: alert["state"] == "firing",
        };
        Ok(alerts.iter().map(row).collect())
    }

    /// Waits until a query gives something.
    pub(crate) async fn wait_for(&self, query: &str) -> Result<()> {
        let start = Instant::now();
        while self.query(query).await?.is_empty() {
            ensure!(start.elapsed() < PATIENCE, "nothing for {query}:\n{}", self.process.log());
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Waits until the alarms are as wanted.
    pub(crate) async fn wait_for_alerts(
        &self,
        what: &str,
        wanted: impl Fn(&[Alert]) -> bool,
    ) -> Result<()> {
        let start = Instant::now();
        loop {
            let alerts = self.alerts().await?;
            if wanted(&alerts) {
                return Ok(());
            }
            ensure!(start.elapsed() < PATIENCE, "not yet: {what}; there are {alerts:?}");
            sleep(POLL).await;
        }
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let mut answer = self.client.get(&url).await?.json()?;
        ensure!(answer["status"] == "success", "{path}: {answer}");
        Ok(answer["data"].take())
    }
}

impl Process {
    /// Where it listens: the port that the kernel chose is in the log.
    async fn address(&mut self) -> Result<SocketAddr> {
        let start = Instant::now();
        loop {
            let log = self.log();
            let ready = log.contains("Server is ready");
            let line = log.lines().find(|line| line.contains("Listening on"));
            if let (true, Some(line)) = (ready, line) {
                let rest = line.split_once("address=").context("no address in the log")?.1;
                return Ok(rest.split_whitespace().next().unwrap_or_default().parse()?);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("Prometheus ended at its start ({status}):\n{log}");
            }
            ensure!(start.elapsed() < PATIENCE, "Prometheus is not ready:\n{log}");
            sleep(POLL).await;
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.room.path().join("log")).unwrap_or_default()
    }
}

/// Writes the sample and its rules into a folder, faster.
fn configure(room: &Path, envoy: SocketAddr) -> Result<()> {
    let mut config = read("prometheus.yaml")?;
    for (_, interval) in config["global"].as_object_mut().context("no global part")? {
        *interval = json!(scaled(interval.as_str().context("an interval")?));
    }
    let targets = config.pointer_mut("/scrape_configs/0/static_configs/0/targets");
    *targets.context("no targets")? = json!([envoy.to_string()]);
    fs::write(room.join("prometheus.yaml"), config.to_string())?;

    let mut rules = read("alerts.yaml")?;
    let groups = rules["groups"].as_array_mut().context("no groups")?;
    for rule in groups.iter_mut().filter_map(|group| group["rules"].as_array_mut()).flatten() {
        for field in ["expr", "for"] {
            if let Some(text) = rule[field].as_str() {
                rule[field] = json!(scaled(text));
            }
        }
    }
    // JSON is YAML, too.
    fs::write(room.join("alerts.yaml"), rules.to_string())?;
    Ok(())
}

fn read(name: &str) -> Result<Value> {
    let file = repo_root().join("envoy/prometheus").join(name);
    parse_yaml(&fs::read_to_string(&file).with_context(|| file.display().to_string())?)
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
