//! Listeners: a port, the HTTP filters behind it and the routes behind these.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};

use super::Route;

/// A listener for HTTP of either version.
#[derive(Clone, Debug)]
pub struct Listener {
    name: String,
    address: SocketAddr,
    filters: Vec<Value>,
    routes: Vec<Value>,
    options: Vec<(String, Value)>,
    buffer_limit: Option<u32>,
    reuse_port: bool,
    named_stats: bool,
}

impl Listener {
    /// A listener on a port of the loopback interface that the kernel chooses.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            filters: Vec::new(),
            routes: Vec::new(),
            options: Vec::new(),
            buffer_limit: None,
            reuse_port: true,
            named_stats: false,
        }
    }

    /// Listens there instead.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// One more filter before the router.
    #[must_use]
    pub fn filter(mut self, filter: impl Into<Value>) -> Self {
        self.filters.push(filter.into());
        self
    }

    /// One more route, which is tried after those before it.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route.build());
        self
    }

    /// One more field of the HTTP connection manager, such as `max_request_headers_kb`.
    #[must_use]
    pub fn option(mut self, field: &str, value: Value) -> Self {
        self.options.push((field.to_owned(), value));
        self
    }

    /// Holds no more of a message than so many bytes, or little more.
    #[must_use]
    pub fn buffer_limit(mut self, bytes: u32) -> Self {
        self.buffer_limit = Some(bytes);
        self
    }

    /// Hands connections to the workers in turn, exactly. Otherwise the kernel spreads them.
    #[must_use]
    pub fn balanced(mut self) -> Self {
        self.reuse_port = false;
        self
    }

    /// Names its stats by the listener's name, as in `listener.edge.worker_0.downstream_cx_total`,
    /// rather than by its address.
    #[must_use]
    pub fn named_stats(mut self) -> Self {
        self.named_stats = true;
        self
    }

    /// The listener as JSON.
    #[must_use]
    pub fn build(self) -> Value {
        let mut manager = connection_manager(&self.name, self.filters, &self.routes);
        for (field, value) in self.options {
            manager[field] = value;
        }
        let mut listener = json!({
            "name": self.name,
            "address": {
                "socket_address": {
                    "address": self.address.ip(),
                    "port_value": self.address.port(),
                },
            },
            "filter_chains": [{
                "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": manager,
                }],
            }],
        });
        if let Some(bytes) = self.buffer_limit {
            listener["per_connection_buffer_limit_bytes"] = json!(bytes);
        }
        if self.named_stats {
            listener["stat_prefix"] = json!(self.name);
        }
        if !self.reuse_port {
            listener["enable_reuse_port"] = json!(false);
            listener["connection_balance_config"] = json!({ "exact_balance": {} });
        }
        listener
    }
}

fn connection_manager(name: &str, mut filters: Vec<Value>, routes: &[Value]) -> Value {
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        },
    }));
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "codec_type": "AUTO",
        "http_filters": filters,
        "route_config": {
            "name": name,
            "virtual_hosts": [{ "name": name, "domains": ["*"], "routes": routes }],
        },
    })
}
