//! The parts of a file of Envoy that are around the filter.

use super::filter::{Filter, Form};
use super::services::{self, Service};
use crate::document::{Node, Value};

const MANAGER: &str = "http_connection_manager.v3.HttpConnectionManager";

/// An HTTP connection manager with the filter.
#[derive(Debug)]
pub(super) struct Manager<'n> {
    /// The listener that has it, for people.
    pub(super) place: String,
    pub(super) node: &'n Node,
    pub(super) filters: &'n [Node],
    /// Where among them the filter stands.
    pub(super) breaker: usize,
    pub(super) form: Form,
    pub(super) services: Vec<Service>,
}

/// All managers of a document with a filter of these names, or of any if there are none.
pub(super) fn managers<'n>(document: &'n Node, only: &[String]) -> Vec<Manager<'n>> {
    let mut found = Vec::new();
    look(document, "listener without a name", only, &mut found);
    found
}

fn look<'n>(node: &'n Node, place: &str, only: &[String], found: &mut Vec<Manager<'n>>) {
    // What a patch has of a manager is not all of it.
    if node.text_at("kind") == Some("EnvoyFilter") {
        return;
    }
    if is_manager(node) {
        found.extend(manager(node, place, only));
    }
    let listener = node.get("filter_chains").and_then(|_| node.text_at("name"));
    let listener = listener.map(|name| format!("listener {name}"));
    let place = listener.as_deref().unwrap_or(place);
    node.values().for_each(|node| look(node, place, only, found));
}

fn manager<'n>(node: &'n Node, place: &str, only: &[String]) -> Option<Manager<'n>> {
    let filters = node.items("http_filters");
    let wanted = |node: &'n Node| {
        let filter = Filter::of(node)?;
        let name = filter.name.unwrap_or_default();
        (only.is_empty() || only.iter().any(|only| only == name)).then_some(filter)
    };
    let breaker = filters.iter().position(|filter| wanted(filter).is_some())?;
    let filter = filters.get(breaker).and_then(wanted)?;
    let config = serde_json::from_slice(filter.text().bytes()).unwrap_or_default();
    let (place, form, services) = (place.to_owned(), filter.form, services::of(&config));
    Some(Manager { place, node, filters, breaker, form, services })
}

impl<'n> Manager<'n> {
    /// Where a filter of this type stands.
    pub(super) fn position(&self, kind: &str) -> Option<usize> {
        self.filters.iter().position(|filter| {
            let config = filter.get("typed_config");
            let url = config.and_then(|it| it.text_at("type_url").or_else(|| it.text_at("@type")));
            url.is_some_and(|url| url.ends_with(kind))
        })
    }

    /// Its routes, in itself or by name in the same document.
    pub(super) fn routes(&self, document: &'n Node) -> Option<&'n Node> {
        let name = || self.node.get("rds")?.text_at("route_config_name");
        self.node.get("route_config").or_else(|| named_routes(document, name()?))
    }
}

fn named_routes<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    if node.get("virtual_hosts").is_some() && node.text_at("name") == Some(name) {
        return Some(node);
    }
    node.values().find_map(|node| named_routes(node, name))
}

pub(super) fn is_manager(node: &Node) -> bool {
    node.text_at("@type").is_some_and(|url| url.ends_with(MANAGER))
}

/// Whether there is such a node, however deep.
pub(super) fn has(node: &Node, wanted: &dyn Fn(&Node) -> bool) -> bool {
    wanted(node) || node.values().any(|node| has(node, wanted))
}

/// A list that is a whole bootstrap's, and not only added to by a control plane.
pub(super) fn static_clusters(document: &Node) -> Option<Vec<&str>> {
    let resources = document.get("static_resources")?;
    let is_all = !document.get("dynamic_resources").is_some_and(|dynamic| {
        matches!(dynamic.value, Value::Map(_))
            && ["cds_config", "cds_resources_locator"].iter().any(|it| dynamic.get(it).is_some())
    });
    is_all.then(|| resources.items("clusters").iter().filter_map(|it| it.text_at("name")).collect())
}
