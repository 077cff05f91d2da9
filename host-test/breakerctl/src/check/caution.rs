//! What is odd about the place where a configuration stands, which the module cannot know: what comes to it from
//! clients, and from where. And what the module itself finds odd.

use serde::Serialize;

use super::finding::{self, Found, wasm_filter};
use crate::document::{Node, Position, Value};
use crate::module::Refusal;
use crate::removal::{OWN_HEADERS, Removal};

const MANAGER: &str = "http_connection_manager.v3.HttpConnectionManager";
/// What the sample for Envoy Gateway has.
const PLACEHOLDER: &str = "change-me";

/// Something that works, and should not be so.
#[derive(Debug, Serialize)]
pub(crate) struct Caution {
    pub(crate) place: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl Caution {
    fn new(place: String, at: Position, what: String, remedy: &str) -> Self {
        Self { place, line: at.line, column: at.column, what, remedy: remedy.to_owned() }
    }
}

/// Finds all that is odd about a file, as far as it is about plugins of these names, or any if there are none.
pub(crate) fn find(found: &Found, only: &[String]) -> Vec<Caution> {
    let mut search = Search { only: only.to_vec(), ..Search::default() };
    for document in &found.documents {
        search.look(document);
    }
    if !search.is_removed {
        search.found.append(&mut search.steerable);
    }
    for plugin in &found.plugins {
        search.found.extend(admin(plugin));
    }
    search.found
}

/// What the module takes, and doubts.
pub(super) fn doubt(finding: &finding::Finding, mut doubt: Refusal) -> Caution {
    let at = finding.text.locate(&mut doubt);
    let what = match &doubt.value {
        Some(value) => format!("{}: {value}", doubt.path),
        None => doubt.path.clone(),
    };
    Caution::new(finding.place.clone(), at, what, &doubt.remedy)
}

#[derive(Default)]
struct Search {
    only: Vec<String>,
    /// The name of the listener around what is looked at.
    listener: String,
    found: Vec<Caution>,
    /// Of Kubernetes: routes that a client's header could choose, unless an object of the file removes it.
    steerable: Vec<Caution>,
    is_removed: bool,
}

impl Search {
    fn look(&mut self, node: &Node) {
        match &node.value {
            Value::Scalar { .. } => {}
            Value::List(nodes) => nodes.iter().for_each(|node| self.look(node)),
            Value::Map(entries) => {
                match node.text_at("kind") {
                    Some("EnvoyFilter") => return self.envoy_filter(node),
                    Some("ClientTrafficPolicy") => self.client_traffic_policy(node),
                    Some(kind @ ("VirtualService" | "HTTPRoute")) => self.route(kind, node),
                    _ => {}
                }
                if is_manager(node) {
                    self.manager(node);
                }
                let outer = self.listener.clone();
                if node.get("filter_chains").is_some() {
                    self.listener = node.text_at("name").unwrap_or("without a name").to_owned();
                }
                entries.iter().for_each(|(_, node)| self.look(node));
                self.listener = outer;
            }
        }
    }

    /// Whether this is a wasm filter of a name that was asked for.
    fn is_meant(&self, node: &Node) -> bool {
        wasm_filter(node).is_some_and(|filter| {
            let name = filter.get("config").unwrap_or(filter).text_at("name").unwrap_or_default();
            self.only.is_empty() || self.only.iter().any(|only| only == name)
        })
    }

    /// A connection manager with the filter, whose routes a client could choose by a header.
    fn manager(&mut self, manager: &Node) {
        let left = Removal::of_manager(manager).0.left_of_own();
        let filters = manager.get("http_filters");
        if left.is_empty() || !has(filters, &|node| self.is_meant(node)) {
            return;
        }
        // Whoever is answered by Envoy itself, whatever the route, steers nothing. Routes may also come from elsewhere.
        let routes = manager.get("route_config");
        if routes.is_some() && !has(routes, &|node| node.get("route").is_some()) {
            return;
        }
        let what = format!("a client's own {} can choose the route", left.join(", "));
        let remedy = "remove it before that by early_header_mutation_extensions: docs/envoy.md, \"What \
                      clients may not send\"";
        let place = format!("listener {}", self.listener);
        self.found.push(Caution::new(place, manager.at, what, remedy));
    }

    fn envoy_filter(&mut self, object: &Node) {
        let removes =
            |node: &Node| is_manager(node) && Removal::of_manager(node).0.left_of_own().is_empty();
        self.is_removed |= has(Some(object), &removes);
    }

    fn client_traffic_policy(&mut self, object: &Node) {
        let headers = object.get("spec").and_then(|spec| spec.get("headers"));
        let early = headers.and_then(|headers| headers.get("earlyRequestHeaders"));
        let removal = early.map(Removal::of_early_request_headers).unwrap_or_default();
        self.is_removed |= removal.left_of_own().is_empty();
    }

    /// A route that looks at the header that the breaker diverts by.
    fn route(&mut self, kind: &str, object: &Node) {
        let Some(at) = object.get("spec").and_then(mentions) else {
            return;
        };
        let place = finding::place(kind, object);
        let what = format!("a client's own {} can choose this route", OWN_HEADERS[0]);
        let remedy = match kind {
            "HTTPRoute" => {
                "remove it before that by a ClientTrafficPolicy, as envoy/envoy-gateway/gateway.yaml does"
            }
            _ => "remove it before that by an EnvoyFilter, as envoy/istio/gateway.yaml does",
        };
        let remedy = format!("nothing in this file removes it: {remedy}");
        self.steerable.push(Caution::new(place, at, what, &remedy));
    }
}

/// An admin API that others than its operators may come to.
fn admin(plugin: &finding::Finding) -> Option<Caution> {
    let config: serde_json::Value = serde_json::from_slice(plugin.text.bytes()).ok()?;
    let admin = config.get("admin")?.as_object()?;
    let token = admin.get("token").and_then(serde_json::Value::as_str);
    let (what, remedy) = match (&plugin.reachable, token) {
        (_, Some(PLACEHOLDER)) => {
            ("the token of the admin API is the sample's".to_owned(), "give one of your own")
        }
        (Some(address), None) => (
            format!("the admin API listens on {address}, and has no token"),
            "bind its listener to 127.0.0.1, or give admin.token",
        ),
        _ => return None,
    };
    Some(Caution::new(plugin.place.clone(), plugin.text.at(), what, remedy))
}

fn is_manager(node: &Node) -> bool {
    node.text_at("@type").is_some_and(|url| url.ends_with(MANAGER))
}

/// Whether there is such a node, however deep.
fn has(node: Option<&Node>, wanted: &dyn Fn(&Node) -> bool) -> bool {
    node.is_some_and(|node| {
        wanted(node)
            || match &node.value {
                Value::Scalar { .. } => false,
                Value::List(nodes) => nodes.iter().any(|node| has(Some(node), wanted)),
                Value::Map(entries) => entries.iter().any(|(_, node)| has(Some(node), wanted)),
            }
    })
}

/// Where the header that the breaker diverts by is named, as a key or as a value.
fn mentions(node: &Node) -> Option<Position> {
    let is = |name: &str| name.eq_ignore_ascii_case(OWN_HEADERS[0]);
    match &node.value {
        Value::Scalar { text, .. } => is(text).then_some(node.at),
        Value::List(nodes) => nodes.iter().find_map(mentions),
        Value::Map(entries) => entries
            .iter()
            .find_map(|(key, node)| if is(&key.name) { Some(key.at) } else { mentions(node) }),
    }
}
