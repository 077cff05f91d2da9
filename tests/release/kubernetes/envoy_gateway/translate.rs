//! What Envoy Gateway makes of the sample: fields that it does not use are refused.
//!
//! Written after the sources of Envoy Gateway 1.9. What differs, since no control plane runs: endpoints are the tests' own, and the module is
//! a local file, where Envoy would fetch it from the control plane.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use envoy_harness::config::{Bootstrap, Listener, cluster};
use envoy_harness::parse_yaml;
use serde_json::{Map, Value, json};
use tests::module;
use tests::steering::EARLY;

use super::fields::{
    ClientTrafficPolicy, ExtensionPolicy, HttpRoute, Retry, RouteFilterSpec, RouteMatch, Rule,
    TargetRef, TrafficPolicy,
};
use crate::kubernetes::objects::Objects;

/// The longest path first, then the most headers, as Gateway API says; the rest keep their order.
struct Translated {
    precedence: (usize, usize),
    route: Value,
}

/// A listener of the gateway with the routes that are attached to it.
pub(crate) fn listener(objects: &Objects, section: &str) -> Result<Listener> {
    objects.only(&[
        "Gateway",
        "HTTPRoute",
        "HTTPRouteFilter",
        "EnvoyProxy",
        "EnvoyExtensionPolicy",
        "BackendTrafficPolicy",
        "ClientTrafficPolicy",
    ])?;
    let mut hosts: BTreeMap<String, Vec<Translated>> = BTreeMap::new();
    let mut guarded = false;
    for object in objects.of_kind("HTTPRoute") {
        let route: HttpRoute = Objects::spec(object)?;
        if route.parent_refs.iter().all(|parent| parent.section_name != section) {
            continue;
        }
        let any = ["*".to_owned()];
        let hostnames = if route.hostnames.is_empty() { &any[..] } else { &route.hostnames };
        for host in hostnames {
            for (index, rule) in route.rules.iter().enumerate() {
                let made = translate_rule(objects, object, rule, index)?;
                guarded |= made.iter().any(|made| !made.route["typed_per_filter_config"].is_null());
                hosts.entry(host.clone()).or_default().extend(made);
            }
        }
    }
    let hosts: Vec<_> = hosts
        .into_iter()
        .map(|(host, mut routes)| {
            routes.sort_by_key(|route| std::cmp::Reverse(route.precedence));
            let routes: Vec<_> = routes.into_iter().map(|route| route.route).collect();
            json!({ "name": host, "domains": [host], "routes": routes })
        })
        .collect();
    let name = format!("default/shop/{section}");
    let mut listener = Listener::new(&name)
        .balanced()
        .option("use_remote_address", json!(true))
        .option("normalize_path", json!(true))
        .option("merge_slashes", json!(true))
        .option("path_with_escaped_slashes_action", json!("UNESCAPE_AND_REDIRECT"));
    for policy in objects.of_kind("ClientTrafficPolicy") {
        listener = listener.option(EARLY, early_removal(policy)?);
    }
    // A filter is in the listener if a route wants it, and sleeps until one does.
    for policy in objects.of_kind("EnvoyExtensionPolicy").filter(|_| guarded) {
        for filter in filters(policy)? {
            listener = listener.filter(filter);
        }
    }
    let routes = json!({
        "name": name, "ignore_port_in_host_matching": true, "virtual_hosts": hosts,
    });
    Ok(listener.option("route_config", routes))
}

/// What a policy for the whole gateway has removed from requests before all else.
fn early_removal(policy: &Value) -> Result<Value> {
    let policy: ClientTrafficPolicy = Objects::spec(policy)?;
    let [target] = policy.target_refs.as_slice() else { bail!("not one target") };
    ensure!(target.kind == "Gateway" && target.name == "shop" && target.section_name.is_none());
    let names = policy.headers.early_request_headers.remove;
    let mutations: Vec<_> = names.iter().map(|name| json!({ "remove": name })).collect();
    Ok(json!([{
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": mutations,
        },
    }]))
}

/// The clusters of all rules that lead somewhere, and the bootstrap with what `EnvoyProxy` adds to it.
pub(crate) fn config(
    objects: &Objects,
    listeners: Vec<Listener>,
    endpoint: impl Fn(&str) -> Option<SocketAddr>,
) -> Result<Value> {
    let mut bootstrap = Bootstrap::new();
    for object in objects.of_kind("HTTPRoute") {
        let route: HttpRoute = Objects::spec(object)?;
        for (index, rule) in route.rules.iter().enumerate() {
            if let [backend] = rule.backend_refs.as_slice() {
                let endpoint = endpoint(&backend.name);
                let endpoint = endpoint.with_context(|| format!("where is {}?", backend.name))?;
                bootstrap = bootstrap.cluster(cluster(&rule_name(object, index)?, endpoint));
            }
        }
    }
    for listener in listeners {
        bootstrap = bootstrap.listener(listener);
    }
    let mut config = bootstrap.build();
    let added = &objects.get("EnvoyProxy", "shop")?["spec"]["bootstrap"];
    ensure!(added["type"] == "Merge", "{added}");
    let added = parse_yaml(added["value"].as_str().context("no bootstrap")?)?;
    let added = added.as_object().context("no bootstrap")?;
    ensure!(added.keys().eq(["stats_config"]), "{added:?}");
    let tags = &added["stats_config"];
    ensure!(tags.as_object().is_some_and(|fields| fields.keys().eq(["stats_tags"])), "{tags}");
    config["stats_config"] =
        json!({ "use_all_default_tags": true, "stats_tags": tags["stats_tags"] });
    Ok(config)
}

fn full_name(object: &Value) -> Result<String> {
    let metadata = &object["metadata"];
    let (namespace, name) = (metadata["namespace"].as_str(), metadata["name"].as_str());
    Ok(format!("{}/{}", namespace.context("no namespace")?, name.context("no name")?))
}

/// The name of a rule's route and of the cluster that it leads to.
fn rule_name(route: &Value, index: usize) -> Result<String> {
    Ok(format!("httproute/{}/rule/{index}", full_name(route)?))
}

fn filter_name(policy: &Value, index: usize) -> Result<String> {
    let name = full_name(policy)?;
    Ok(format!("envoy.filters.http.wasm/envoyextensionpolicy/{name}/wasm/{index}"))
}

fn filters(policy: &Value) -> Result<Vec<Value>> {
    let spec: ExtensionPolicy = Objects::spec(policy)?;
    let filters = spec.wasm.iter().enumerate().map(|(index, wasm)| {
        let name = filter_name(policy, index)?;
        let id = name.trim_start_matches("envoy.filters.http.wasm/");
        Ok(json!({
            "name": name,
            "disabled": true,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {
                    "name": wasm.name,
                    "fail_open": wasm.fail_open,
                    "vm_config": {
                        "vm_id": id,
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": { "local": { "filename": module()?.display().to_string() } },
                    },
                    "configuration": {
                        "@type": "type.googleapis.com/google.protobuf.StringValue",
                        "value": wasm.config.to_string(),
                    },
                },
            },
        }))
    });
    filters.collect()
}

fn translate_rule(
    objects: &Objects,
    object: &Value,
    rule: &Rule,
    index: usize,
) -> Result<Vec<Translated>> {
    let action = action(objects, object, rule, index)?;
    let enabled = enabled_filters(objects, object)?;
    let routes = rule.matches.iter().enumerate().map(|(number, wanted)| {
        let mut route = json!({
            "name": format!("{}/match/{number}", rule_name(object, index)?),
            "match": wanted.translate()?,
        });
        let route_fields = route.as_object_mut().context("no route")?;
        route_fields.extend(action.clone());
        if !enabled.is_empty() {
            route_fields.insert("typed_per_filter_config".to_owned(), json!(enabled));
        }
        Ok(Translated { precedence: (wanted.path.value.len(), wanted.headers.len()), route })
    });
    routes.collect()
}

/// Where a rule leads: to its backend, or to a direct response.
fn action(
    objects: &Objects,
    object: &Value,
    rule: &Rule,
    index: usize,
) -> Result<Map<String, Value>> {
    let action = match (rule.backend_refs.as_slice(), rule.filters.as_slice()) {
        ([_], []) => {
            let mut route = json!({ "cluster": rule_name(object, index)? });
            for policy in objects.of_kind("BackendTrafficPolicy") {
                let policy: TrafficPolicy = Objects::spec(policy)?;
                if policy.target_refs.iter().any(|target| target.is(object, rule)) {
                    route["timeout"] = json!(policy.timeout.http.request_timeout);
                    route["retry_policy"] = policy.retry.translate();
                }
            }
            json!({ "route": route })
        }
        ([], [filter]) => {
            ensure!(filter.r#type == "ExtensionRef", "{}", filter.r#type);
            let spec = objects.get(&filter.extension_ref.kind, &filter.extension_ref.name)?;
            let response = Objects::spec::<RouteFilterSpec>(spec)?.direct_response;
            let body = json!({ "inline_string": response.body.inline });
            json!({ "direct_response": { "status": response.status_code, "body": body } })
        }
        _ => bail!("a rule with one backend or one filter: {:?}", rule.name),
    };
    Ok(action.as_object().cloned().unwrap_or_default())
}

/// The filters of the policies that target a route, which wake them up.
fn enabled_filters(objects: &Objects, object: &Value) -> Result<Map<String, Value>> {
    let mut enabled = Map::new();
    for policy in objects.of_kind("EnvoyExtensionPolicy") {
        let spec: ExtensionPolicy = Objects::spec(policy)?;
        let name = &object["metadata"]["name"];
        let targeted = spec.target_refs.iter().any(|target| {
            target.kind == "HTTPRoute" && target.section_name.is_none() && *name == target.name
        });
        for index in (0..spec.wasm.len()).filter(|_| targeted) {
            let config = json!({
                "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
                "config": {},
            });
            enabled.insert(filter_name(policy, index)?, config);
        }
    }
    Ok(enabled)
}

impl TargetRef {
    fn is(&self, route: &Value, rule: &Rule) -> bool {
        let section = self.section_name.is_none() || self.section_name == rule.name;
        self.kind == "HTTPRoute" && route["metadata"]["name"] == self.name && section
    }
}

impl RouteMatch {
    fn translate(&self) -> Result<Value> {
        ensure!(self.path.r#type == "PathPrefix", "{}", self.path.r#type);
        let headers = self.headers.iter().map(|header| {
            ensure!(header.r#type == "RegularExpression", "{}", header.r#type);
            let regex = json!({ "regex": header.value });
            Ok(json!({ "name": header.name, "string_match": { "safe_regex": regex } }))
        });
        let headers = headers.collect::<Result<Vec<_>>>()?;
        Ok(json!({ "path_separated_prefix": self.path.value, "headers": headers }))
    }
}

impl Retry {
    fn translate(&self) -> Value {
        let config = json!({
            "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
        });
        let previous_hosts =
            json!({ "name": "envoy.retry_host_predicates.previous_hosts", "typed_config": config });
        json!({
            "num_retries": self.num_retries,
            "retry_on": self.retry_on.triggers.join(","),
            "retriable_status_codes": self.retry_on.http_status_codes,
            "host_selection_retry_max_attempts": 5,
            "retry_host_predicate": [previous_hosts],
        })
    }
}
