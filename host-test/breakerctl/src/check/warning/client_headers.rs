//! Routes that a client can choose by a header of the breaker's.

use super::Warning;
use crate::check::envoy::{self, Manager, has, is_manager};
use crate::check::finding::{self, Found};
use crate::document::{Node, Position, Value};
use crate::removal::{OWN_HEADERS, Removal};

pub(super) fn find(found: &Found, only: &[String]) -> Vec<Warning> {
    let documents = &found.documents;
    let managers = documents.iter().flat_map(|document| envoy::managers(document, only));
    let mut warnings: Vec<_> = managers.filter_map(|it| of_manager(&it)).collect();
    // An object for one of Kubernetes' routes may be anywhere in the file.
    if !documents.iter().any(|document| has(document, &removes)) {
        documents.iter().for_each(|document| look(document, &mut warnings));
    }
    warnings
}

/// A connection manager with the filter, whose routes a client could choose by a header.
fn of_manager(manager: &Manager<'_>) -> Option<Warning> {
    let left = Removal::of_manager(manager.node).0.left_of_own();
    // Whoever is answered by Envoy itself, whatever the route, chooses no cluster. Routes may also come from elsewhere.
    let routes = manager.node.get("route_config");
    let is_answered = routes.is_some_and(|it| !has(it, &|node| node.get("route").is_some()));
    if left.is_empty() || is_answered {
        return None;
    }
    let what = format!("a client's own {} can choose the route", left.join(", "));
    let remedy = "remove it before that by early_header_mutation_extensions: docs/envoy.md, \"What clients \
                  may not send\"";
    Some(Warning::new(&manager.place, manager.node.at, what, remedy))
}

/// Whether this is an object that removes all of the breaker's own headers.
fn removes(object: &Node) -> bool {
    match object.text_at("kind") {
        Some("EnvoyFilter") => has(object, &|node| {
            is_manager(node) && Removal::of_manager(node).0.left_of_own().is_empty()
        }),
        Some("ClientTrafficPolicy") => {
            let headers = object.get("spec").and_then(|spec| spec.get("headers"));
            let early = headers.and_then(|headers| headers.get("earlyRequestHeaders"));
            let removal = early.map(Removal::of_early_request_headers).unwrap_or_default();
            removal.left_of_own().is_empty()
        }
        _ => false,
    }
}

fn look(node: &Node, warnings: &mut Vec<Warning>) {
    if let Some(kind @ ("VirtualService" | "HTTPRoute")) = node.text_at("kind") {
        warnings.extend(of_route(kind, node));
    }
    node.values().for_each(|node| look(node, warnings));
}

/// A route that looks at the header that the breaker diverts by.
fn of_route(kind: &str, object: &Node) -> Option<Warning> {
    let at = object.get("spec").and_then(mentions)?;
    let what = format!("a client's own {} can choose this route", OWN_HEADERS[0]);
    let remedy = match kind {
        "HTTPRoute" => {
            "remove it before that by a ClientTrafficPolicy, as envoy/envoy-gateway/gateway.yaml does"
        }
        _ => "remove it before that by an EnvoyFilter, as envoy/istio/gateway.yaml does",
    };
    let remedy = format!("nothing in this file removes it: {remedy}");
    Some(Warning::new(finding::place(kind, object), at, what, &remedy))
}

/// Where the header that the breaker diverts by is named, as a key or as a value.
pub(super) fn mentions(node: &Node) -> Option<Position> {
    let is = |name: &str| name.eq_ignore_ascii_case(OWN_HEADERS[0]);
    match &node.value {
        Value::Scalar { text, .. } => is(text).then_some(node.at),
        Value::List(nodes) => nodes.iter().find_map(mentions),
        Value::Map(entries) => entries
            .iter()
            .find_map(|(key, node)| if is(&key.name) { Some(key.at) } else { mentions(node) }),
    }
}
