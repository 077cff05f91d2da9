//! What the tests in a real Envoy stand on: the filter between a client and the recipe's
//! services, and the breaker as its admin API shows it.

pub mod debian;
pub mod etcd;
mod lease;
pub mod load;
pub mod moto;
pub mod objects;
pub mod pages;
pub mod recipe;
pub mod registry;
pub mod rights;

mod setup;
pub mod steering;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use envoy_harness::client::{Body, Client, Response, empty, full};
use envoy_harness::config::{Bootstrap, Listener, Route, Wasm, cluster};
use envoy_harness::{EnvoyOptions, Sample};
use serde_json::Value;
use services::{Ports, Services};

pub use crate::lease::Lease;
pub use crate::setup::Setup;
/// The module, built of what there is now.
pub use artifacts::proxy_wasm as module;

/// How long anything may take before a test gives up. Far more than it takes, since a busy machine
/// may stand still for half a minute.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The recipe's configuration for the dynamic module.
pub const NATIVE_SAMPLE: &str = "envoy/recipe-native.yaml";

/// The service that most tests are about.
pub const PAYMENT: &str = "payment-service";

/// The cluster names that [`Edge::start`] defines.
pub mod clusters {
    /// The services that are protected.
    pub const SERVICE: &str = "service";
    /// The fallback.
    pub const FALLBACK: &str = "fallback";
    /// The health checks.
    pub const HEALTH: &str = "health";
}

/// An Envoy with the filter, in front of the recipe's services.
#[derive(Debug)]
pub struct Edge {
    /// The proxy.
    pub envoy: Lease,
    /// The services behind it.
    pub services: Services,
    /// Sends requests.
    pub client: Client,
    /// Where requests go.
    pub address: SocketAddr,
    /// Where the admin API answers.
    pub admin: SocketAddr,
}

/// A breaker as the admin API shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Breaker {
    /// `CLOSED`, `OPEN` or `HALF_OPEN`.
    pub state: String,
    /// Failures in a row.
    pub failure_count: u64,
    /// The period.
    pub generation: u64,
    /// Why it is not closed.
    pub trip_reason: Option<String>,
}

/// How many admitted calls of a service ended which way, as the metrics show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Good answers.
    pub success: u64,
    /// What counts against the service.
    pub failure: u64,
    /// What says nothing of it.
    pub ignored: u64,
    /// Those that the client gave up.
    pub aborted: u64,
}

/// A listener with the filter and this configuration, a route for diverted requests, and one for
/// all others.
///
/// Unlike the samples it removes nothing before the filter, which has to do without that, too: [`steering`] has it.
///
/// # Errors
/// When the module cannot be built.
pub fn protected(plugin: &Value, primary: Route) -> Result<Listener> {
    let filter = Wasm::new("edge-breaker", &module()?).vm_id("edge-breaker").configuration(plugin);
    Ok(Listener::new("edge").balanced().filter(filter).route(Route::diverted()).route(primary))
}

/// The route of [`Edge::start`] to the services.
#[must_use]
pub fn primary_route() -> Route {
    Route::prefix("/").cluster(clusters::SERVICE).timeout(PATIENCE)
}

impl Edge {
    /// Starts the services and an Envoy with this plugin configuration, to which `"admin": {}` is
    /// added.
    ///
    /// # Errors
    /// When either cannot be started.
    pub async fn start(plugin: Value, workers: u32) -> Result<Self> {
        Self::start_with(plugin, workers, primary_route()).await
    }

    /// The same with another route to the services.
    ///
    /// # Errors
    /// When either cannot be started.
    pub async fn start_with(plugin: Value, workers: u32, primary: Route) -> Result<Self> {
        Self::setup(plugin).workers(workers).route(primary).start().await
    }

    /// The same with other routes, filters, clusters or options.
    #[must_use]
    pub fn setup(plugin: Value) -> Setup {
        Setup::new(plugin)
    }

    /// Starts the services and an Envoy with `envoy/recipe.yaml`, the file that people copy. Only
    /// its ports are others.
    ///
    /// # Errors
    /// When either cannot be started.
    pub async fn recipe(workers: u32) -> Result<Self> {
        let sample = Sample::load("envoy/recipe.yaml")?;
        Self::of(sample, |options| options.concurrency(workers)).await
    }

    /// The same with [`NATIVE_SAMPLE`], of which the module is this file.
    ///
    /// # Errors
    /// When either cannot be started.
    pub async fn native_recipe(
        module: &Path,
        options: impl FnOnce(EnvoyOptions) -> EnvoyOptions,
    ) -> Result<Self> {
        let sample = Sample::load(NATIVE_SAMPLE)?;
        Self::of(sample.module(&module.display().to_string())?, options).await
    }

    async fn of(
        sample: Sample,
        options: impl FnOnce(EnvoyOptions) -> EnvoyOptions,
    ) -> Result<Self> {
        let services = Services::start(Ports::default()).await?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let sample = sample
            .listen("ingress", any)?
            .listen("breaker-admin", any)?
            .endpoint(8081, services.downstream())?
            .endpoint(8082, services.fallback())?
            .endpoint(8083, services.health())?;
        let envoy = options(EnvoyOptions::new(sample.into_value())).start().await?;
        let address = envoy.listener_addr("ingress").await?;
        let admin = envoy.listener_addr("breaker-admin").await?;
        Ok(Self { envoy: envoy.into(), services, client: Client::new(), address, admin })
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Gets a path through the proxy.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn get(&self, path: &str) -> Result<Response> {
        self.client.get(&self.url(path)).await
    }

    /// Posts a body to a path through the proxy.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn post(&self, path: &str, body: impl Into<bytes::Bytes>) -> Result<Response> {
        self.client.send(self.request("POST", path, full(body))?).await
    }

    /// A request to the proxy.
    ///
    /// # Errors
    /// When method or path cannot be sent.
    pub fn request(&self, method: &str, path: &str, body: Body) -> Result<http::Request<Body>> {
        Ok(http::Request::builder().method(method).uri(self.url(path)).body(body)?)
    }

    /// A service's breaker.
    ///
    /// # Errors
    /// When the admin API does not show it.
    pub async fn breaker(&self, service: &str) -> Result<Breaker> {
        let url = format!("http://{}/circuit-breaker/services/{service}", self.admin);
        let request = http::Request::get(url).body(empty())?;
        let response = self.client.send(request).await?;
        serde_json::from_value(response.json()?).with_context(|| response.text())
    }

    /// Waits until a service's breaker is in a state, and until it is there: a worker learns of a name that
    /// another one has met with its next tick.
    ///
    /// # Errors
    /// When it is not in that state within the time.
    pub async fn wait_for(&self, service: &str, state: &str, within: Duration) -> Result<Breaker> {
        let start = Instant::now();
        loop {
            let breaker = self.breaker(service).await;
            match breaker {
                Ok(breaker) if breaker.state == state => return Ok(breaker),
                _ if start.elapsed() > within => {
                    bail!("{service} is {breaker:?}, not {state}, after {within:?}");
                }
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A metric of a service: its labels beside the service, as in `cb_outcome=.=failure;.;`, and its
    /// name without the prefix.
    ///
    /// # Errors
    /// When Envoy's admin interface does not answer.
    pub async fn metric(&self, service: &str, labels: &str, name: &str) -> Result<u64> {
        let name = format!("wasmcustom.cb_service=.={service};.;{labels}edge_breaker_{name}");
        Ok(self.envoy.stats().await?.get(&name).unwrap_or_default())
    }

    /// What became of a service's calls.
    ///
    /// # Errors
    /// When Envoy's admin interface does not answer.
    pub async fn outcomes(&self, service: &str) -> Result<Outcomes> {
        let stats = self.envoy.stats().await?;
        let calls = |outcome: &str| {
            let labels = format!("cb_service=.={service};.;cb_outcome=.={outcome};.;");
            stats.get(&format!("wasmcustom.{labels}edge_breaker_calls_total")).unwrap_or_default()
        };
        Ok(Outcomes {
            success: calls("success"),
            failure: calls("failure"),
            ignored: calls("ignored"),
            aborted: calls("aborted"),
        })
    }

    /// Waits until a service's calls have ended like this: some end only after their answers.
    ///
    /// # Errors
    /// When they have not in time.
    pub async fn wait_for_outcomes(&self, service: &str, wanted: Outcomes) -> Result<()> {
        let start = Instant::now();
        loop {
            let outcomes = self.outcomes(service).await?;
            if outcomes == wanted {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!("the calls of {service}: {outcomes:?}, not {wanted:?}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Whether a test, or a part of one, is left to the module for proxies, and why: the environment asks for
/// the dynamic module.
#[must_use]
pub fn is_left_to_wasm(why: &str) -> bool {
    let is_left = envoy_harness::is_native();
    if is_left {
        eprintln!("left to the module for proxies: {why}");
    }
    is_left
}

/// Who gave an answer: `downstream`, or the `x-circuit-breaker-fallback` that says how the fallback did.
#[must_use]
pub fn answered_by(response: &Response) -> &str {
    response.header("x-circuit-breaker-fallback").unwrap_or("downstream")
}

/// A bootstrap with the clusters of the services, and no listener.
#[must_use]
pub fn bootstrap(services: &Services) -> Bootstrap {
    clusters_of(services).into_iter().fold(Bootstrap::new(), Bootstrap::cluster)
}

/// The clusters of the services.
#[must_use]
pub fn clusters_of(services: &Services) -> [Value; 3] {
    [
        cluster(clusters::SERVICE, services.downstream()),
        cluster(clusters::FALLBACK, services.fallback()),
        cluster(clusters::HEALTH, services.health()),
    ]
}
