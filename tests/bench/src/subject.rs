//! What is compared: proxies that differ by one filter, and how each shows that it was there.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use envoy_harness::config::{Bootstrap, Listener, Route, Wasm, cluster, lua};
use envoy_harness::{Envoy, repo_root};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::args::Args;

/// One header read in each direction: what a filter does at least, if it is to be of use.
const LUA: &str = "\
function envoy_on_request(handle) handle:headers():get('x-circuit-breaker-cluster') end
function envoy_on_response(handle) handle:headers():get(':status') end
";

/// What the closed path asks of the proxy, without anything that is done with it.
const CALLS: &str = include_str!("calls.wat");

const SERVICE: &str = "payment-service";
const CLUSTER: &str = "upstream";

/// One of the proxies.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    filter: Option<Value>,
}

/// What is in the proxy's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Kind {
    Plain,
    Empty,
    Lua,
    Calls,
    Ours,
}

/// The proxies in the order of the table. The first is what the others are compared with.
pub(crate) fn subjects(args: &Args) -> Result<Vec<Subject>> {
    let plain = |name: &str| Subject { name: name.to_owned(), kind: Kind::Plain, filter: None };
    let mut subjects = vec![
        plain("plain route"),
        plain("plain route again"),
        Subject {
            name: "empty filter".to_owned(),
            kind: Kind::Empty,
            filter: Some(Wasm::new("empty", existing(&args.empty()?)?).build()),
        },
        Subject { name: "two lines of Lua".to_owned(), kind: Kind::Lua, filter: Some(lua(LUA)) },
        Subject {
            name: "the calls alone".to_owned(),
            kind: Kind::Calls,
            filter: Some(Wasm::new("calls", &calls()?).build()),
        },
    ];
    let configuration = configuration(args)?;
    for module in args.modules()? {
        let filter = Wasm::new("edge_breaker", existing(&module.path)?).vm_id("edge-breaker");
        subjects.push(Subject {
            name: module.name,
            kind: Kind::Ours,
            filter: Some(filter.configuration(&configuration).build()),
        });
    }
    Ok(subjects)
}

impl Subject {
    /// The proxy's configuration. All have the same routes.
    pub(crate) fn bootstrap(&self, upstream: SocketAddr) -> Value {
        let mut listener = Listener::new("ingress")
            .route(Route::diverted())
            .route(Route::prefix("/").name("payments").cluster(CLUSTER));
        if let Some(filter) = &self.filter {
            listener = listener.filter(filter.clone());
        }
        Bootstrap::new().listener(listener).cluster(cluster(CLUSTER, upstream)).build()
    }

    /// Checks that the filter saw the requests: all of them, if it tells.
    pub(crate) async fn check_path(&self, envoy: &Envoy, requests: u64) -> Result<()> {
        match self.kind {
            Kind::Plain => {}
            Kind::Empty => {
                let stats = envoy.stats().await?;
                let running = stats.get("wasm.envoy.wasm.runtime.v8.active").unwrap_or(0);
                ensure!(running > 0, "no module runs");
            }
            Kind::Lua => {
                let stats = envoy.stats().await?;
                let count = |name| stats.get(&format!("http.ingress.lua.{name}")).unwrap_or(0);
                ensure!(count("errors") == 0, "the Lua code failed");
                // One execution per direction.
                let (executions, expected) = (count("executions"), 2 * requests);
                ensure!(executions == expected, "{executions} of {expected} executions of Lua");
            }
            Kind::Calls => {
                let counted = envoy.stats().await?.get("wasmcustom.calls").unwrap_or(0);
                ensure!(counted == requests, "the module counted {counted} of {requests} calls");
            }
            Kind::Ours => check_calls(envoy, requests).await?,
        }
        Ok(())
    }
}

/// Waits until the filter has counted so many calls that succeeded: it may count them late.
async fn check_calls(envoy: &Envoy, requests: u64) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let stats = envoy.stats().await?;
        let calls = stats.matching("edge_breaker_calls_total");
        let succeeded = calls.filter(|(name, _)| name.contains("cb_outcome=.=success;"));
        let counted: u64 = succeeded.map(|(_, value)| value).sum();
        if counted == requests {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the filter counted {counted} of {requests} calls");
        sleep(Duration::from_millis(100)).await;
    }
}

/// A service as the recipe has it: everything is configured that the closed path could have to
/// look at.
fn configuration(args: &Args) -> Result<Value> {
    if let Some(path) = &args.configuration {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        return serde_json::from_str(&text).with_context(|| path.display().to_string());
    }
    Ok(json!({
        "services": [{
            "name": SERVICE,
            "match": { "path_prefixes": ["/"] },
            "trip": { "consecutive_failures": 3 },
            "health_check": { "cluster": CLUSTER, "path": "/health", "interval": "5s" },
            "fallback": { "cluster": "fallback", "on_failure": true },
        }],
    }))
}

/// Builds the module that makes the calls.
fn calls() -> Result<PathBuf> {
    let path = repo_root().join("target/bench/calls.wasm");
    fs::create_dir_all(repo_root().join("target/bench"))?;
    fs::write(&path, wat::parse_str(CALLS)?).with_context(|| path.display().to_string())?;
    Ok(path)
}

fn existing(module: &Path) -> Result<&Path> {
    ensure!(module.exists(), "{} is not there", module.display());
    Ok(module)
}
