//! The form of the filter that an Envoy runs: the module for proxies, or the dynamic module.
//!
//! Configurations are written for the one, and `FORM=native` in the environment has all of them run
//! the other: the same JSON goes to it, and what has another name there is translated back.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::config::DYNAMIC_MODULE;

/// Whether the environment asks for the dynamic module.
#[must_use]
pub fn is_native() -> bool {
    env::var("FORM").is_ok_and(|form| form == "native")
}

/// Where Envoy looks for dynamic modules, if a configuration names any without its file. The module is
/// built first.
pub(crate) fn search_path(config: &Value) -> Result<Option<PathBuf>> {
    // Listeners that come later may name it.
    if !is_native() && !is_searched(config) {
        return Ok(None);
    }
    let module = artifacts::dynamic_module()?;
    Ok(Some(module.parent().context("no folder")?.to_owned()))
}

fn is_searched(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_searched),
        Value::Object(members) => match members.get("dynamic_module_config") {
            Some(module) => module.get("module").is_none(),
            None => members.values().any(is_searched),
        },
        _ => false,
    }
}

/// A configuration in the form that the environment asks for.
pub(crate) fn adapted(config: Value) -> Value {
    if is_native() { on_native(config) } else { config }
}

/// A configuration that runs the dynamic module wherever it has run the module.
pub(crate) fn on_native(mut config: Value) -> Value {
    if let Some(bootstrap) = config.as_object_mut()
        && bootstrap.contains_key("static_resources")
    {
        bootstrap.insert("layered_runtime".to_owned(), runtime());
    }
    visit(&mut config);
    config
}

/// Has Prometheus show the names of metrics as they are.
fn runtime() -> Value {
    const STRIP: &str = "envoy.reloadable_features.dynamic_modules_strip_custom_stat_prefix";
    json!({ "layers": [{ "name": "edge-breaker", "static_layer": { STRIP: true } }] })
}

/// Replaces each filter that runs the module.
fn visit(value: &mut Value) {
    if let Some(filter) = native(value) {
        *value = filter;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(visit),
        Value::Object(members) => members.values_mut().for_each(visit),
        _ => {}
    }
}

/// The dynamic module in the place of a wasm filter that runs the breaker.
fn native(filter: &Value) -> Option<Value> {
    let plugin = filter["config"].as_object().filter(|_| filter.get("@type").is_some())?;
    let vm = plugin.get("vm_config")?;
    let module = Path::new(vm["code"]["local"]["filename"].as_str()?);
    if !module.ends_with(Path::new(artifacts::PROXY_WASM).file_name()?) {
        return None;
    }
    let name = match vm["vm_id"].as_str() {
        None | Some("" | "edge-breaker") => "edge_breaker".to_owned(),
        Some(id) => format!("edge_breaker/{id}"),
    };
    let mut filter = json!({
        "@type": DYNAMIC_MODULE,
        "dynamic_module_config": { "name": "edge_breaker" },
        "filter_name": name,
    });
    if let Some(configuration) = plugin.get("configuration") {
        filter["filter_config"] = configuration.clone();
    }
    Some(filter)
}

/// The name of a metric as the module for proxies has it.
pub(crate) fn stat_name(name: &str) -> String {
    let Some(name) = name.strip_prefix("dynamicmodulescustom.") else {
        return name.to_owned();
    };
    // A metric with labels: its own name first, then each label and its value.
    let Some((metric, labels)) = name.split_once(".cb_") else {
        return format!("wasmcustom.{name}");
    };
    let labels = labels.split(".cb_").filter_map(|label| label.split_once('.'));
    let labels = labels.map(|(label, value)| format!("cb_{label}=.={value};.;"));
    format!("wasmcustom.{}{metric}", labels.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_metrics_are_those_of_the_other_form() {
        let plain = "cb_service=.=payment;.;edge_breaker_state";
        let native = |name: &str| stat_name(&format!("dynamicmodulescustom.{name}"));
        assert_eq!(native(plain), format!("wasmcustom.{plain}"));
        assert_eq!(native("edge_breaker_state.cb_service.payment"), format!("wasmcustom.{plain}"));
        let calls = "edge_breaker_calls_total.cb_service.a_b.cb_outcome.success";
        let shown = "cb_service=.=a_b;.;cb_outcome=.=success;.;edge_breaker_calls_total";
        assert_eq!(native(calls), format!("wasmcustom.{shown}"));
        assert_eq!(stat_name("cluster.cb_a.upstream_rq"), "cluster.cb_a.upstream_rq");
    }

    /// Up to where the file of the module is, and how Envoy's own names of metrics begin.
    #[test]
    fn the_native_sample_is_the_recipe_with_its_filters_in_the_other_form() {
        let sample = |path: &str| {
            let text = std::fs::read_to_string(crate::repo_root().join(path)).unwrap();
            crate::parse_yaml(&text).unwrap()
        };
        let text = sample("envoy/recipe-native.yaml").to_string();
        let module = sample("envoy/recipe-native.yaml")
            .pointer("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/dynamic_module_config")
            .unwrap()
            .to_string();
        let text = text.replace(&module, &json!({ "name": "edge_breaker" }).to_string());
        let expected = on_native(sample("envoy/recipe.yaml"));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }

    #[test]
    fn a_filter_of_another_module_stays_as_it_is() {
        let wasm = |file: &str| {
            json!({ "@type": "x", "config": {
                "vm_config": { "vm_id": "a", "code": { "local": { "filename": file } } },
                "configuration": { "value": "{}" },
            }})
        };
        assert_eq!(native(&wasm("target/wasm/empty_filter.wasm")), None);
        let filter = native(&wasm("/somewhere/target/wasm/edge_breaker.wasm")).unwrap();
        assert_eq!(filter["filter_name"], "edge_breaker/a");
        assert_eq!(filter["filter_config"], json!({ "value": "{}" }));
    }
}
