//! What cuts the labels out of the metrics' names.

use super::Warning;
use crate::check::envoy::{Manager, has};
use crate::check::filter::Form;
use crate::check::finding::{self, Finding, Found, Home};
use crate::document::{Node, Position};

/// The labels of the breaker's metrics.
const LABELS: [&str; 6] =
    ["cb_service", "cb_outcome", "cb_reason", "cb_kind", "cb_to", "cb_result"];

/// Takes off what Envoy writes before the names of a dynamic module's metrics.
const FLAG: &str = "envoy.reloadable_features.dynamic_modules_strip_custom_stat_prefix";

const REMEDY: &str = "take stats_config.stats_tags of envoy/recipe.yaml";

/// A bootstrap with the filter, and without the labels.
pub(super) fn of_envoy(document: &Node, managers: &[Manager<'_>]) -> Option<Warning> {
    let resources = document.get("static_resources")?;
    managers.first()?;
    let what = missing(&[document])?;
    Some(Warning::new(
        "bootstrap",
        document.get("stats_config").unwrap_or(resources).at,
        what,
        REMEDY,
    ))
}

/// An `EnvoyProxy` beside the filter, and without the labels.
pub(super) fn of_gateway(found: &Found) -> Option<Warning> {
    let is_of_gateway = |home: &Home| matches!(home, Home::Gateway { .. });
    found.plugins.iter().find(|plugin| is_of_gateway(&plugin.home))?;
    let object = found.documents.iter().find_map(proxy)?;
    // Its bootstrap is a string, which was read as a document of its own.
    let what = missing(&found.documents.iter().collect::<Vec<_>>())?;
    let remedy = format!("{REMEDY} into spec.bootstrap, as envoy/envoy-gateway/gateway.yaml does");
    Some(Warning::new(finding::place("EnvoyProxy", object), object.at, what, &remedy))
}

/// A bootstrap with the dynamic module, whose metrics have other names than the alarms know.
pub(super) fn prefix_in_envoy(document: &Node, managers: &[Manager<'_>]) -> Option<Warning> {
    let resources = document.get("static_resources")?;
    managers.iter().find(|manager| manager.form == Form::Native)?;
    let at = document.get("layered_runtime").unwrap_or(resources).at;
    prefixed(&[document]).then(|| prefix("bootstrap", at, "of envoy/recipe-native.yaml"))
}

/// The same of an `EnvoyProxy`.
pub(super) fn prefix_in_gateway(found: &Found) -> Option<Warning> {
    let is_native = |plugin: &&Finding| {
        plugin.form == Some(Form::Native) && matches!(plugin.home, Home::Gateway { .. })
    };
    found.plugins.iter().find(is_native)?;
    let object = found.documents.iter().find_map(proxy)?;
    let remedy = "of envoy/envoy-gateway/dynamicmodule.yaml into spec.bootstrap";
    let place = finding::place("EnvoyProxy", object);
    prefixed(&found.documents.iter().collect::<Vec<_>>()).then(|| prefix(&place, object.at, remedy))
}

/// Whether nothing in these sets the flag.
fn prefixed(documents: &[&Node]) -> bool {
    let sets = |node: &Node| node.text_at(FLAG) == Some("true");
    !documents.iter().any(|document| has(document, &sets))
}

fn prefix(place: &str, at: Position, from: &str) -> Warning {
    let what = "the names of the breaker's metrics begin with envoy_dynamicmodulescustom_, which no \
                alarm knows";
    Warning::new(place, at, what.to_owned(), &format!("take layered_runtime {from}"))
}

fn proxy(node: &Node) -> Option<&Node> {
    // Others refer to it by its kind.
    if node.text_at("kind") == Some("EnvoyProxy") && node.get("metadata").is_some() {
        return Some(node);
    }
    node.values().find_map(proxy)
}

/// What is not cut out by any of these.
fn missing(documents: &[&Node]) -> Option<String> {
    let is_there = |label: &str| {
        let is = |node: &Node| node.text_at("tag_name") == Some(label);
        documents.iter().any(|document| has(document, &is))
    };
    let missing: Vec<_> = LABELS.into_iter().filter(|label| !is_there(label)).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "the breaker's metrics have no labels {}: no stats_tags cut them out",
            missing.join(", ")
        )
    })
}
