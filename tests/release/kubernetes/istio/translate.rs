//! What Istio makes of a sample: fields that the samples do not use are refused.
//!
//! Written after the sources of Istio 1.32. What differs, since no control plane runs: endpoints are the tests' own, without mutual TLS, and
//! the module is a local file, as it is once the agent has fetched it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use envoy_harness::config::{Bootstrap, Listener, cluster};
use serde_json::{Map, Value, json};
use tests::module;

use super::fields::{
    Destination, DestinationRule, EnvoyFilter, HttpMatch, HttpRoute, Retries, TrafficPolicy,
    VirtualService, WasmPlugin,
};
use crate::kubernetes::objects::Objects;

/// A workload's proxy, for which the objects are translated.
pub(crate) struct Workload<'a> {
    /// What Istio calls its listeners.
    pub(crate) context: Context,
    /// The labels of its pods.
    pub(crate) labels: &'a [(&'a str, &'a str)],
    /// The tags of its `extraStatTags`.
    pub(crate) tags: &'a [String],
}

/// Listeners of a kind, as an `EnvoyFilter` matches them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    Gateway,
    SidecarOutbound,
}

impl Context {
    const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "GATEWAY",
            Self::SidecarOutbound => "SIDECAR_OUTBOUND",
        }
    }
}

impl Workload<'_> {
    fn has(&self, labels: &BTreeMap<String, String>) -> bool {
        let mut labels = labels.iter();
        labels.all(|(name, value)| self.labels.contains(&(name.as_str(), value.as_str())))
    }

    /// A listener on a port, with the plugins that select it and the routes of these virtual services.
    pub(crate) fn listener(
        &self,
        objects: &Objects,
        name: &str,
        port: u16,
        virtual_services: &[&Value],
    ) -> Result<Listener> {
        objects.only(&[
            "WasmPlugin",
            "EnvoyFilter",
            "Gateway",
            "VirtualService",
            "DestinationRule",
            "Sidecar",
            "ServiceEntry",
        ])?;
        let of_a_gateway = json!(self.context == Context::Gateway);
        let mut listener = Listener::new(name)
            .balanced()
            .option("normalize_path", json!(true))
            .option("use_remote_address", of_a_gateway);
        for filter in self.filters(objects, port)? {
            listener = listener.filter(filter);
        }
        let hosts = virtual_services.iter().map(|object| self.virtual_host(object));
        let hosts = hosts.collect::<Result<Vec<_>>>()?;
        let routes = json!({ "name": name, "virtual_hosts": hosts });
        listener = listener.option("route_config", routes);
        for (field, value) in self.patches(objects, port)? {
            listener = listener.option(&field, value);
        }
        Ok(listener)
    }

    /// What is merged into the HTTP connection manager of a listener. Of lists all items would be kept, but no field is patched twice.
    fn patches(&self, objects: &Objects, port: u16) -> Result<Map<String, Value>> {
        const MANAGER: &str = "envoy.filters.network.http_connection_manager";
        const TYPE: &str = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
        let mut fields = Map::new();
        for object in objects.of_kind("EnvoyFilter") {
            let filter: EnvoyFilter = Objects::spec(object)?;
            for patch in filter.config_patches {
                let (wanted, made) = (patch.r#match, patch.patch);
                ensure!(patch.apply_to == "NETWORK_FILTER", "{}", patch.apply_to);
                ensure!(made.operation == "MERGE", "{}", made.operation);
                ensure!(wanted.listener.filter_chain.filter.name == MANAGER);
                let mut merged = made.value.typed_config;
                ensure!(merged.remove("@type").is_some_and(|it| it == TYPE), "{merged:?}");
                let is_port = wanted.listener.port_number.is_none_or(|wanted| wanted == port);
                let is_this = wanted.context == self.context.name() && is_port;
                if is_this && self.has(&filter.workload_selector.labels) {
                    for (field, value) in merged {
                        ensure!(fields.insert(field.clone(), value).is_none(), "{field} twice");
                    }
                }
            }
        }
        Ok(fields)
    }

    /// The filters that the plugins become in a listener for outbound calls, or of a gateway.
    fn filters(&self, objects: &Objects, port: u16) -> Result<Vec<Value>> {
        let mut filters = Vec::new();
        for object in objects.of_kind("WasmPlugin") {
            let plugin: WasmPlugin = Objects::spec(object)?;
            ensure!(plugin.r#type == "HTTP", "{}", plugin.r#type);
            let selects = plugin.r#match.iter().map(|selector| {
                ensure!(selector.mode == "CLIENT", "{}", selector.mode);
                let ports = &selector.ports;
                Ok(ports.is_empty() || ports.iter().any(|selected| selected.number == port))
            });
            let selected = selects.collect::<Result<Vec<_>>>()?.contains(&true);
            if selected && self.has(&plugin.selector.match_labels) {
                filters.push(filter(object, &plugin)?);
            }
        }
        // In one phase and of one priority, by creation; all that matters is that it is the same each time.
        Ok(filters)
    }

    fn virtual_host(&self, object: &Value) -> Result<Value> {
        let service: VirtualService = Objects::spec(object)?;
        let mut routes = Vec::new();
        for route in &service.http {
            if route.r#match.is_empty() {
                routes.push(translate_route(route, &HttpMatch::default())?);
            }
            for wanted in route.r#match.iter().filter(|wanted| self.has(&wanted.source_labels)) {
                routes.push(translate_route(route, wanted)?);
            }
        }
        let domains: BTreeSet<String> = match service.gateways.is_empty() {
            false => service.hosts.iter().cloned().collect(),
            // In the mesh a service is called by its short names, too, with or without its port.
            true => service.hosts.iter().flat_map(|host| short_names(host)).collect(),
        };
        Ok(json!({ "name": object["metadata"]["name"], "domains": domains, "routes": routes }))
    }

    /// The bootstrap that the agent writes, with the clusters that these virtual services lead to: where a host is, the
    /// caller knows.
    pub(crate) fn bootstrap(
        &self,
        objects: &Objects,
        virtual_services: &[&Value],
        endpoint: impl Fn(&str) -> Option<SocketAddr>,
    ) -> Result<Bootstrap> {
        let mut hosts = BTreeMap::new();
        for object in virtual_services {
            let service: VirtualService = Objects::spec(object)?;
            for to in service.http.iter().flat_map(|route| &route.route) {
                hosts.insert(to.destination.cluster(), to.destination.host.clone());
            }
        }
        let mut bootstrap = Bootstrap::new();
        for (name, host) in hosts {
            let endpoint = endpoint(&host).with_context(|| format!("where is {host}?"))?;
            let mut made = cluster(&name, endpoint);
            let unlimited = u32::MAX;
            made["circuit_breakers"] = json!({ "thresholds": [{
                "max_retries": unlimited, "max_requests": unlimited,
                "max_connections": unlimited, "max_pending_requests": unlimited,
            }] });
            for rule in objects.of_kind("DestinationRule") {
                let rule: DestinationRule = Objects::spec(rule)?;
                if rule.host == host {
                    rule.traffic_policy.apply(&mut made);
                }
            }
            bootstrap = bootstrap.cluster(made);
        }
        Ok(bootstrap)
    }

    /// How the names of stats are cut into labels: the tags asked for among Istio's own, all of them unanchored.
    pub(crate) fn stats_config(&self) -> Value {
        let tag = |(name, regex): (&str, String)| json!({ "tag_name": name, "regex": regex });
        let asked = self.tags.iter().map(|name| (name.as_str(), format!(r"({name}=\.=(.*?);\.;)")));
        let own = [
            ("response_code", r"_rq(_(\d{3}))$"),
            ("response_code_class", r"_rq(_(\dxx))$"),
            ("cache", r"(cache\.(.+?)\.)"),
            ("component", r"(component\.(.+?)\.)"),
            ("tag", r"(tag\.(.+?);\.)"),
            ("wasm_filter", r"(wasm_filter\.(.+?)\.)"),
            ("authz_enforce_result", r"rbac(\.(allowed|denied))"),
        ];
        let own = own.map(|(name, regex)| (name, regex.to_owned()));
        let tags: Vec<_> = asked.chain(own).map(tag).collect();
        let included = ["reporter=", "wasm", "server", "cluster_manager", "component", "istio"];
        let included = included.map(|prefix| json!({ "prefix": prefix }));
        json!({
            "use_all_default_tags": false,
            "stats_tags": tags,
            "stats_matcher": { "inclusion_list": { "patterns": included } },
        })
    }
}

fn filter(object: &Value, plugin: &WasmPlugin) -> Result<Value> {
    let policy = match plugin.fail_strategy.as_str() {
        "FAIL_OPEN" => "FAIL_OPEN",
        "FAIL_CLOSE" => "FAIL_CLOSED",
        "FAIL_RELOAD" => "FAIL_RELOAD",
        other => bail!("{other}"),
    };
    let metadata = &object["metadata"];
    let (namespace, name) = (metadata["namespace"].as_str(), metadata["name"].as_str());
    let (namespace, name) = (namespace.context("no namespace")?, name.context("no name")?);
    let name = format!("{namespace}.{name}~istio-translated-wasmplugin");
    Ok(json!({
        "name": format!("extensions.istio.io/trafficextension/{name}"),
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": name,
                "failure_policy": policy,
                // No `vm_id`, no `root_id`.
                "vm_config": {
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module()?.display().to_string() } },
                    "environment_variables": {},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": through_a_struct(&plugin.plugin_config).to_string(),
                },
            },
        },
    }))
}

/// A protobuf `Struct` has no numbers but doubles, and its fields have no order.
fn through_a_struct(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            let text = format!("{number}");
            serde_json::from_str(&text).unwrap_or_default()
        }
        Value::Array(items) => items.iter().map(through_a_struct).collect(),
        Value::Object(members) => {
            let sorted: BTreeMap<_, _> = members.iter().collect();
            let sorted =
                sorted.into_iter().map(|(key, member)| (key.clone(), through_a_struct(member)));
            Value::Object(sorted.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn translate_route(route: &HttpRoute, wanted: &HttpMatch) -> Result<Value> {
    let mut matcher = json!({ "prefix": "/", "case_sensitive": true });
    if let Some(uri) = &wanted.uri {
        matcher["prefix"] = json!(uri.prefix.as_ref().context("a uri without a prefix")?);
    }
    let headers = wanted.headers.iter().map(|(name, header)| match &header.prefix {
        // `{}` is: is there.
        None => json!({ "name": name, "present_match": true }),
        Some(prefix) => json!({ "name": name, "string_match": { "prefix": prefix } }),
    });
    matcher["headers"] = headers.collect();
    let mut made = json!({ "name": route.name, "match": matcher });
    if let Some(response) = &route.direct_response {
        let body = json!({ "inline_string": response.body.string });
        made["direct_response"] = json!({ "status": response.status, "body": body });
        return Ok(made);
    }
    let [to] = route.route.as_slice() else { bail!("{}: not one destination", route.name) };
    made["route"] = json!({
        "cluster": to.destination.cluster(),
        "timeout": route.timeout.as_deref().unwrap_or("0s"),
        "retry_policy": route.retries.as_ref().map_or_else(default_retries, Retries::translate),
    });
    Ok(made)
}

fn retry_policy(retries: u32, on: &str, statuses: &[u16]) -> Value {
    let config = json!({
        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
    });
    let previous_hosts =
        json!({ "name": "envoy.retry_host_predicates.previous_hosts", "typed_config": config });
    json!({
        "num_retries": retries,
        "retry_on": on,
        "retriable_status_codes": statuses,
        "host_selection_retry_max_attempts": 5,
        "retry_host_predicate": [previous_hosts],
    })
}

fn default_retries() -> Value {
    retry_policy(
        2,
        "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
        &[],
    )
}

impl Retries {
    /// Numbers among the conditions are statuses.
    fn translate(&self) -> Value {
        let (statuses, mut conditions): (Vec<&str>, Vec<&str>) =
            self.retry_on.split(',').partition(|condition| condition.parse::<u16>().is_ok());
        if !statuses.is_empty() {
            conditions.push("retriable-status-codes");
        }
        let statuses: Vec<u16> = statuses.iter().filter_map(|status| status.parse().ok()).collect();
        retry_policy(self.attempts, &conditions.join(","), &statuses)
    }
}

impl Destination {
    fn cluster(&self) -> String {
        format!("outbound|{}||{}", self.port.number, self.host)
    }
}

impl TrafficPolicy {
    fn apply(&self, cluster: &mut Value) {
        let outliers = &self.outlier_detection;
        cluster["connect_timeout"] = json!(self.connection_pool.tcp.connect_timeout);
        cluster["outlier_detection"] = json!({
            "consecutive_5xx": outliers.consecutive_5xx_errors,
            "enforcing_consecutive_5xx": 100,
            "enforcing_success_rate": 0,
            "interval": outliers.interval,
            "base_ejection_time": outliers.base_ejection_time,
            "max_ejection_percent": outliers.max_ejection_percent,
        });
        cluster["common_lb_config"] = json!({ "healthy_panic_threshold": { "value": 0 } });
    }
}

/// `payments.default.svc.cluster.local` and all that a pod of its namespace may call it.
fn short_names(host: &str) -> Vec<String> {
    let dots = host.match_indices('.').map(|(at, _)| &host[..at]);
    let names = dots.filter(|name| ["svc", "cluster"].iter().all(|part| !name.ends_with(part)));
    let svc = host.strip_suffix(".cluster.local");
    let names = names.chain(svc).chain([host]).map(str::to_owned).collect::<Vec<_>>();
    names.iter().flat_map(|name| [name.clone(), format!("{name}:8080")]).collect()
}
