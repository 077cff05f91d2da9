//! What is compared: proxies that differ by one filter, and how each shows that it was there.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use envoy_harness::config::{Bootstrap, Listener, Route, cluster};
use envoy_harness::{Envoy, EnvoyOptions};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::cpu::filters;
use crate::machine::Cpus;

/// How long the upstream may take: a busy machine may stand still for half a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// One of the proxies.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) workers: u32,
    filter: Option<Value>,
    witness: Witness,
}

/// How it shows that all requests went through the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Witness {
    /// There is no filter, or one that keeps no count; Envoy does not start without its module.
    None,
    /// Counters whose names hold both of these add up to so many for each request.
    Counters([&'static str; 2], u64),
}

/// Calls of ours that succeeded.
pub(crate) const SUCCEEDED: Witness = Witness::Counters(["edge_breaker_calls_total", "success"], 1);
/// Calls of ours that were diverted.
pub(crate) const DIVERTED: Witness =
    Witness::Counters(["edge_breaker_not_permitted_total", "open"], 1);

impl Subject {
    pub(crate) fn plain(name: &str) -> Self {
        let (name, witness) = (name.to_owned(), Witness::None);
        Self { name, workers: 1, filter: None, witness }
    }

    pub(crate) fn with(name: &str, filter: Value, witness: Witness) -> Self {
        Self { filter: Some(filter), witness, ..Self::plain(name) }
    }

    /// The same with another number of workers.
    pub(crate) fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// Whether it has a filter that trips.
    pub(crate) fn can_trip(&self) -> bool {
        self.filter.is_some()
    }

    pub(crate) fn is_wasm(&self) -> bool {
        self.filter.as_ref().is_some_and(|filter| filter["name"] == "envoy.filters.http.wasm")
    }

    /// Starts it. All have the same routes.
    pub(crate) async fn start(&self, upstream: SocketAddr, cpus: Cpus) -> Result<Envoy> {
        let options = self.options(upstream).pin_to_cpus(&cpus.of(self.workers));
        options.start().await
    }

    pub(crate) fn options(&self, upstream: SocketAddr) -> EnvoyOptions {
        let mut listener = Listener::new("ingress")
            .route(Route::diverted())
            .route(Route::prefix("/").name("payments").cluster("upstream").timeout(PATIENCE));
        if self.workers > 1 {
            // Else the kernel gives one of them more connections than the other.
            listener = listener.balanced();
        }
        if let Some(filter) = &self.filter {
            listener = listener.filter(filter.clone());
        }
        let bootstrap = Bootstrap::new()
            .listener(listener)
            .cluster(cluster("upstream", upstream))
            .cluster(cluster("fallback", upstream));
        EnvoyOptions::new(bootstrap.build())
            .concurrency(self.workers)
            .env("ENVOY_DYNAMIC_MODULES_SEARCH_PATH", filters::modules())
    }

    /// Checks that the filter saw so many requests. It may count them late.
    pub(crate) async fn check_path(&self, envoy: &Envoy, requests: u64) -> Result<()> {
        let Witness::Counters(names, each) = self.witness else { return Ok(()) };
        let (deadline, expected) = (Instant::now() + Duration::from_secs(5), each * requests);
        loop {
            let stats = envoy.stats().await?;
            let counters = stats.matching(names[0]).filter(|(name, _)| name.contains(names[1]));
            let counted: u64 = counters.map(|(_, value)| value).sum();
            if counted == expected {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the filter counted {counted} of {expected}");
            sleep(Duration::from_millis(100)).await;
        }
    }
}
