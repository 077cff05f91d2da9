//! A plan of an Envoy bootstrap: its listeners with their wasm filter and routes, its clusters.
//!
//! What would make a difference to a request and is not known here is refused, at its place.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use super::plan::{
    Action, CONNECT_TIMEOUT, Cluster, Listener, PathMatch, Plan, Plugin, Retries, RetryOn, Route,
    TIMEOUT,
};
use crate::document::{self, Node, Position, Value};
use crate::removal::Removal;

/// Why a file cannot be served, and where in it.
pub(super) type Refusal = (Position, String);

/// Reads a bootstrap; `None`: the text is none.
///
/// # Errors
///
/// If there is something in it that would be served otherwise than Envoy does.
pub(super) fn plan(text: &str) -> Result<Option<Plan>, Refusal> {
    let document = match document::parse_json(text) {
        Some(node) => node,
        // JSON that is none: the module has the word.
        None if text.trim_start().starts_with('{') => return Ok(None),
        None => {
            let mut documents = document::parse_yaml(text)?;
            if documents.is_empty() {
                return Ok(None);
            }
            documents.remove(0)
        }
    };
    let Some(resources) = document.get("static_resources") else {
        return Ok(None);
    };
    let listeners = list(resources, "listeners").iter().map(listener).collect::<Result<_, _>>()?;
    let clusters = list(resources, "clusters").iter().map(cluster).collect::<Result<_, _>>()?;
    Ok(Some(Plan { listeners, clusters }))
}

fn listener(node: &Node) -> Result<Listener, Refusal> {
    let name = node.text_at("name").unwrap_or_default().to_owned();
    let chain = only_one(node, "filter_chains")?;
    let manager = need(only_one(chain, "filters")?, "typed_config")?;
    if !is_type(manager, "HttpConnectionManager") {
        return refuse(manager, "only HTTP connection managers are served");
    }
    let mut plugins = Vec::new();
    for filter in list(manager, "http_filters") {
        let config = need(filter, "typed_config")?;
        if is_type(config, "filters.http.wasm.v3.Wasm") {
            plugins.push(plugin(need(config, "config")?)?);
        } else if !is_type(config, "filters.http.router.v3.Router") {
            return refuse(filter, "serve has the wasm filter and the router, and no other filter");
        }
    }
    let Ok([plugin]) = <[Plugin; 1]>::try_from(plugins) else {
        return refuse(manager, "serve runs one wasm filter for each listener");
    };
    let host = only_one(need(manager, "route_config")?, "virtual_hosts")?;
    if !list(host, "domains").iter().any(|domain| domain.text() == Some("*")) {
        return refuse(host, "serve knows virtual hosts for all domains only: [\"*\"]");
    }
    let routes = list(host, "routes").iter().map(route).collect::<Result<_, _>>()?;
    let early = match Removal::of_manager(manager) {
        (early, None) => early,
        (_, Some(at)) => {
            return Err((
                at,
                "serve removes headers early by their names, and does nothing else".to_owned(),
            ));
        }
    };
    Ok(Listener { name, address: address(need(node, "address")?)?, plugin, early, routes })
}

fn plugin(config: &Node) -> Result<Plugin, Refusal> {
    let vm_id = config.get("vm_config").and_then(|config| config.text_at("vm_id"));
    let any = config.get("configuration");
    let configuration = match any {
        None => "",
        Some(any) if is_type(any, "google.protobuf.StringValue") => {
            any.text_at("value").unwrap_or_default()
        }
        Some(any) => return refuse(any, "give the configuration as a google.protobuf.StringValue"),
    };
    let at = any.and_then(|any| any.get("value")).unwrap_or(config).at;
    Ok(Plugin {
        name: config.text_at("name").unwrap_or_default().to_owned(),
        vm_id: vm_id.unwrap_or_default().to_owned(),
        configuration: configuration.as_bytes().to_vec(),
        place: at.to_string(),
    })
}

fn route(node: &Node) -> Result<Route, Refusal> {
    known(node, &["name", "match", "route", "direct_response"])?;
    let wanted = need(node, "match")?;
    known(wanted, &["prefix", "path", "headers"])?;
    let path = match (wanted.text_at("prefix"), wanted.text_at("path")) {
        (Some(prefix), _) => PathMatch::Prefix(prefix.to_owned()),
        (None, Some(path)) => PathMatch::Exact(path.to_owned()),
        (None, None) => return refuse(wanted, "serve matches by prefix or path"),
    };
    let mut present = Vec::new();
    for header in list(wanted, "headers") {
        known(header, &["name", "present_match"])?;
        if header.text_at("present_match") != Some("true") {
            return refuse(header, "serve matches headers by present_match: true only");
        }
        present.push(need_text(header, "name")?.to_owned());
    }
    let Some(target) = node.get("route") else {
        let answer = need(node, "direct_response")?;
        let status = need(answer, "status")?;
        let Some(status) = number(status).filter(|status| (200..600).contains(status)) else {
            return refuse(status, "this is not a status from 200 to 599");
        };
        let body = answer.get("body").and_then(|body| body.text_at("inline_string"));
        let action = Action::Answer { status, body: body.unwrap_or_default().to_owned() };
        return Ok(Route { path, present, ..Route::prefix("", action) });
    };
    known(target, &["cluster", "cluster_header", "timeout", "retry_policy"])?;
    let action = match (target.text_at("cluster"), target.text_at("cluster_header")) {
        (Some(name), _) => Action::Cluster(name.to_owned()),
        (None, Some(header)) => Action::ClusterHeader(header.to_owned()),
        (None, None) => return refuse(target, "serve routes to cluster or cluster_header"),
    };
    let timeout = duration_at(target, "timeout")?.unwrap_or(TIMEOUT);
    Ok(Route {
        path,
        present,
        action,
        timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
        retries: target.get("retry_policy").map(retries).transpose()?.unwrap_or_default(),
    })
}

fn retries(node: &Node) -> Result<Retries, Refusal> {
    known(node, &["retry_on", "num_retries", "retry_back_off"])?;
    let mut on = RetryOn::default();
    let conditions = need(node, "retry_on")?;
    for condition in conditions.text().unwrap_or_default().split(',') {
        match condition.trim() {
            "5xx" => on.server_error = true,
            "gateway-error" => on.gateway_error = true,
            "reset" => on.reset = true,
            "connect-failure" => on.connect_failure = true,
            other => {
                let known = "5xx, gateway-error, reset and connect-failure";
                return refuse(conditions, &format!("serve retries on {known}, not on {other:?}"));
            }
        }
    }
    let most = match node.get("num_retries") {
        None => 1,
        Some(most) => match number(most) {
            Some(most) => u32::from(most),
            None => return refuse(most, "this is not a number of retries"),
        },
    };
    let default = Retries::default();
    let back_off = node.get("retry_back_off");
    let interval = |name| back_off.map_or(Ok(None), |node| duration_at(node, name));
    let base_interval = interval("base_interval")?.unwrap_or(default.base_interval);
    let max_interval =
        interval("max_interval")?.unwrap_or_else(|| base_interval.saturating_mul(10));
    Ok(Retries { most, on, base_interval, max_interval })
}

fn cluster(node: &Node) -> Result<Cluster, Refusal> {
    if let Some(tls) = node.get("transport_socket") {
        return refuse(tls, "serve speaks clear text only");
    }
    let assignment = need(node, "load_assignment")?;
    let endpoint = only_one(only_one(assignment, "endpoints")?, "lb_endpoints")?;
    Ok(Cluster {
        name: need_text(node, "name")?.to_owned(),
        address: address(need(need(endpoint, "endpoint")?, "address")?)?,
        connect_timeout: duration_at(node, "connect_timeout")?.unwrap_or(CONNECT_TIMEOUT),
    })
}

/// An IP address or a name, and a port. A name is looked up once.
fn address(node: &Node) -> Result<SocketAddr, Refusal> {
    let socket = need(node, "socket_address")?;
    let host = need_text(socket, "address")?;
    let port = need(socket, "port_value")?;
    let Some(number) = number(port) else {
        return refuse(port, "this is not a port");
    };
    let found = (host, number).to_socket_addrs().ok().and_then(|mut found| found.next());
    found.map_or_else(|| refuse(socket, &format!("{host}: there is no such address")), Ok)
}

fn refuse<T>(node: &Node, message: &str) -> Result<T, Refusal> {
    Err((node.at, message.to_owned()))
}

fn need<'n>(node: &'n Node, name: &str) -> Result<&'n Node, Refusal> {
    node.get(name).map_or_else(|| refuse(node, &format!("there is no {name} here")), Ok)
}

fn need_text<'n>(node: &'n Node, name: &str) -> Result<&'n str, Refusal> {
    let found = need(node, name)?;
    found.text().map_or_else(|| refuse(found, &format!("{name} is not a text")), Ok)
}

fn list<'n>(node: &'n Node, name: &str) -> &'n [Node] {
    match node.get(name) {
        Some(Node { value: Value::List(nodes), .. }) => nodes,
        _ => &[],
    }
}

fn only_one<'n>(node: &'n Node, name: &str) -> Result<&'n Node, Refusal> {
    need(node, name)?;
    match list(node, name) {
        [one] => Ok(one),
        nodes => refuse(node, &format!("serve takes one of {name}, and there are {}", nodes.len())),
    }
}

/// What is not known is not passed by: it would make a difference.
fn known(node: &Node, names: &[&str]) -> Result<(), Refusal> {
    let Value::Map(entries) = &node.value else {
        return refuse(node, "this is not an object");
    };
    match entries.iter().find(|(key, _)| !names.contains(&key.name.as_str())) {
        Some((key, _)) => Err((key.at, format!("serve does not know {} here", key.name))),
        None => Ok(()),
    }
}

fn is_type(node: &Node, name: &str) -> bool {
    node.text_at("@type").is_some_and(|url| url.ends_with(name))
}

fn number(node: &Node) -> Option<u16> {
    node.text()?.parse().ok()
}

/// A duration as protobuf writes it in JSON: `1s`, `0.25s`.
fn duration_at(node: &Node, name: &str) -> Result<Option<Duration>, Refusal> {
    let Some(node) = node.get(name) else {
        return Ok(None);
    };
    let seconds = node.text().and_then(|text| text.strip_suffix('s'));
    let seconds = seconds.and_then(|seconds| seconds.parse::<f64>().ok());
    match seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(duration)) => Ok(Some(duration)),
        _ => refuse(node, "this is not a duration such as 1s or 0.25s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> String {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../envoy/recipe.yaml");
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn the_recipe_is_served_as_it_stands() {
        let Plan { listeners, clusters } = plan(&recipe()).unwrap().unwrap();
        let names: Vec<_> =
            listeners.iter().map(|it| (it.name.as_str(), it.address.port())).collect();
        assert_eq!(names, [("ingress", 10_000), ("breaker-admin", 10_001)]);
        assert!(listeners.iter().all(|listener| listener.plugin.vm_id == "edge-breaker"));
        let names: Vec<_> =
            clusters.iter().map(|it| (it.name.as_str(), it.address.port())).collect();
        let expected =
            [("payment", 8_081), ("inventory", 8_081), ("fallback", 8_082), ("health", 8_083)];
        assert_eq!(names, expected);
        let [diverted, payment, inventory] = &listeners[0].routes[..] else { panic!("routes") };
        assert_eq!(diverted.present, ["x-circuit-breaker-cluster"]);
        for route in [payment, inventory] {
            assert_eq!((route.retries.most, route.timeout), (2, Some(Duration::from_secs(30))));
            assert_eq!(route.retries.longest_wait(1), Duration::from_secs(1));
            assert_eq!(route.retries.longest_wait(2), Duration::from_secs(2));
            assert!(route.retries.on.server_error && route.retries.on.reset);
        }
        assert!(listeners[0].early.left_of_own().is_empty());
        assert!(listeners[0].early.takes("x-envoy-retry-on"));
        assert!(matches!(listeners[1].routes[0].action, Action::Answer { status: 404, .. }));
    }

    #[test]
    fn what_would_make_a_difference_and_is_not_known_is_refused_at_its_place() {
        let refused = |old: &str, new: &str| {
            let text = recipe().replacen(old, new, 1);
            let line = text.lines().position(|line| line.contains(new)).unwrap() + 1;
            let (at, message) = plan(&text).unwrap_err();
            assert_eq!(at.line, line, "{message}");
            message
        };
        let message = refused("retry_on: 5xx,reset", "retry_on: retriable-4xx");
        assert!(message.contains("retriable-4xx"), "{message}");
        let message = refused("cluster: inventory, timeout", "cluster: inventory, idle_timeout");
        assert!(message.contains("idle_timeout"), "{message}");
        refused("timeout: 30s", "timeout: soon");
        refused("- remove: x-envoy-retry-on", "- append: { header: { key: a, value: b } }");
        refused("prefix: /payment-service }", "safe_regex: /payment-service }");
        refused("present_match: true", "present_match: false");
    }

    #[test]
    fn what_is_no_bootstrap_is_for_the_module_to_judge() {
        for text in ["{ \"services\": [] }", "{ nope", "", "a: 1"] {
            assert!(plan(text).unwrap().is_none(), "{text}");
        }
    }
}
