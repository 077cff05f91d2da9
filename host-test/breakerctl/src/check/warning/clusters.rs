//! Clusters that the proxy does not know, though all that it knows are in the file.

use super::Warning;
use crate::check::envoy::static_clusters;
use crate::check::finding::{Finding, Found, Home};
use crate::check::services;
use crate::document::Node;
use crate::pattern::fits;

pub(super) fn find(found: &Found) -> Vec<Warning> {
    let of_plugin = |plugin: &Finding| match plugin.home {
        Home::Gateway { .. } => of_gateway(plugin, &found.documents),
        _ => {
            let document = found.documents.get(plugin.document);
            let known = document.and_then(static_clusters);
            known.map(|known| of(plugin, &known)).unwrap_or_default()
        }
    };
    found.plugins.iter().flat_map(of_plugin).collect()
}

/// Clusters by Envoy Gateway's names for the rules of routes, where the route is in the file.
fn of_gateway(plugin: &Finding, documents: &[Node]) -> Vec<Warning> {
    let of_cluster = |(path, cluster): (String, String)| {
        let mut parts = cluster.strip_prefix("httproute/")?.split('/');
        let (namespace, name) = (parts.next()?, parts.next()?);
        let (rule, index) = (parts.next()?, parts.next()?);
        let rules = documents.iter().find_map(|document| rules(document, namespace, name))?;
        if rule == "rule" && index.parse::<usize>().is_ok_and(|index| index < rules.len()) {
            return None;
        }
        let what = format!("{path}: no cluster is called {cluster:?}");
        let remedy = format!(
            "the rules of HTTPRoute {namespace}/{name} are httproute/{namespace}/{name}/rule/0 to {}",
            rules.len().saturating_sub(1)
        );
        Some(Warning::new(&plugin.place, plugin.text.find(&path), what, &remedy))
    };
    services::clusters(&plugin.config()).into_iter().filter_map(of_cluster).collect()
}

/// The rules of a route.
fn rules<'n>(node: &'n Node, namespace: &str, name: &str) -> Option<&'n [Node]> {
    if node.text_at("kind") == Some("HTTPRoute")
        && let Some(metadata) = node.get("metadata")
        && metadata.text_at("name") == Some(name)
        && metadata.text_at("namespace").is_none_or(|it| it == namespace)
    {
        return node.get("spec").map(|spec| spec.items("rules"));
    }
    node.values().find_map(|node| rules(node, namespace, name))
}

fn of(plugin: &Finding, known: &[&str]) -> Vec<Warning> {
    let config = plugin.config();
    let there_are = format!("give one of static_resources.clusters: {}", known.join(", "));
    let warning =
        |path: &str, what| Warning::new(&plugin.place, plugin.text.find(path), what, &there_are);
    let mut warnings: Vec<_> = services::clusters(&config)
        .into_iter()
        .filter(|(_, name)| !known.contains(&name.as_str()))
        .map(|(path, name)| warning(&path, format!("{path}: no cluster is called {name:?}")))
        .collect();
    for service in services::of(&config) {
        for (path, pattern) in service.clusters() {
            if !known.iter().any(|name| fits(pattern, name)) {
                warnings.push(warning(&path, format!("{path}: {pattern:?} fits no cluster")));
            }
        }
    }
    warnings
}
