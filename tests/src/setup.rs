//! An [`Edge`] that is put together piece by piece, where [`Edge::start`] does not do.

use std::net::SocketAddr;

use anyhow::Result;
use envoy_harness::EnvoyOptions;
use envoy_harness::client::Client;
use envoy_harness::config::{Bootstrap, Listener, Route, Wasm};
use serde_json::{Value, json};
use services::{Ports, Services};

use crate::lease::{Lease, vm_id};
use crate::{Edge, clusters_of, module, primary_route};

/// What is started by [`start`](Self::start): at first what [`Edge::start`] does, with one worker.
#[derive(Debug)]
pub struct Setup {
    plugin: Option<String>,
    workers: u32,
    earlier: Vec<Value>,
    filters: Vec<Value>,
    routes: Vec<Route>,
    clusters: Vec<Value>,
    options: Vec<(String, Value)>,
    buffer_limit: Option<u32>,
    unrouted: bool,
    alone: bool,
}

impl Setup {
    pub(crate) fn new(mut plugin: Value) -> Self {
        plugin["admin"] = json!({});
        Self {
            plugin: Some(plugin.to_string()),
            workers: 1,
            earlier: Vec::new(),
            filters: Vec::new(),
            routes: Vec::new(),
            clusters: Vec::new(),
            options: Vec::new(),
            buffer_limit: None,
            unrouted: false,
            alone: false,
        }
    }

    /// The plugin's configuration as this text, without an admin API; `None`: there is none.
    #[must_use]
    pub fn written(mut self, configuration: Option<&str>) -> Self {
        self.plugin = configuration.map(str::to_owned);
        self
    }

    /// The number of worker threads.
    #[must_use]
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// One more HTTP filter between the breaker and the router.
    #[must_use]
    pub fn filter(mut self, filter: impl Into<Value>) -> Self {
        self.filters.push(filter.into());
        self
    }

    /// One more HTTP filter before the breaker.
    #[must_use]
    pub fn earlier_filter(mut self, filter: impl Into<Value>) -> Self {
        self.earlier.push(filter.into());
        self
    }

    /// One more route, after that for diverted requests. They stand in for the one to the services.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// One more cluster, and a route that leads all requests there.
    #[must_use]
    pub fn upstream(mut self, cluster: Value) -> Self {
        let name = cluster["name"].as_str().unwrap_or_default();
        self.routes.push(primary_route().cluster(name));
        self.cluster(cluster)
    }

    /// One more cluster.
    #[must_use]
    pub fn cluster(mut self, cluster: Value) -> Self {
        self.clusters.push(cluster);
        self
    }

    /// One more field of the HTTP connection manager.
    #[must_use]
    pub fn option(mut self, field: &str, value: Value) -> Self {
        self.options.push((field.to_owned(), value));
        self
    }

    /// How much of a message the proxy holds, in bytes.
    #[must_use]
    pub fn buffer_limit(mut self, bytes: u32) -> Self {
        self.buffer_limit = Some(bytes);
        self
    }

    /// Leaves out the route for diverted requests, as an operator may by mistake.
    #[must_use]
    pub fn without_diverted_route(mut self) -> Self {
        self.unrouted = true;
        self
    }

    /// In an Envoy of its own, for a test that looks at all that a proxy has, or ends it.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Starts the services, and an Envoy if none is free.
    ///
    /// # Errors
    /// When either cannot be started.
    pub async fn start(mut self) -> Result<Edge> {
        let services = Services::start(Ports::default()).await?;
        let mut clusters = std::mem::take(&mut self.clusters);
        clusters.extend(clusters_of(&services));
        let (workers, alone) = (self.workers, self.alone);
        let listener = self.listener()?;
        let envoy = if alone {
            let bootstrap = clusters.into_iter().fold(Bootstrap::new(), Bootstrap::cluster);
            let options = EnvoyOptions::new(bootstrap.listener(listener).build());
            options.concurrency(workers).start().await?.into()
        } else {
            Lease::take(workers, vec![listener], clusters).await?
        };
        let address: SocketAddr = envoy.listener_addr("edge").await?;
        Ok(Edge { envoy, services, client: Client::new(), address, admin: address })
    }

    fn listener(self) -> Result<Listener> {
        let breaker = Wasm::new("edge-breaker", &module()?).vm_id(&vm_id());
        let breaker = match &self.plugin {
            Some(text) => breaker.configuration_text(text).build(),
            None => breaker.build(),
        };
        let mut listener = Listener::new("edge").balanced();
        for filter in self.earlier.into_iter().chain([breaker]).chain(self.filters) {
            listener = listener.filter(filter);
        }
        if !self.unrouted {
            listener = listener.route(Route::diverted());
        }
        let routes = if self.routes.is_empty() { vec![primary_route()] } else { self.routes };
        for route in routes {
            listener = listener.route(route);
        }
        if let Some(bytes) = self.buffer_limit {
            listener = listener.buffer_limit(bytes);
        }
        for (field, value) in self.options {
            listener = listener.option(&field, value);
        }
        Ok(listener)
    }
}
