//! Every configuration that is written somewhere in the repository.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::repository;

/// Each with the place that it is from.
pub(crate) fn all() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for page in files("docs", "md").into_iter().chain([repository().join("README.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        for (title, block) in blocks(&text) {
            let place = format!("{}: {}", page.display(), block.trim());
            match title {
                "json service" => found.push((place, json!({ "services": [json(block)] }))),
                "yaml scenario" => of_scenario(&place, &yaml(block), &mut found),
                _ if title.split(' ').next() == Some("json") => found.push((place, json(block))),
                _ => {}
            }
        }
    }
    for file in
        ["envoy", "envoy/istio", "envoy/envoy-gateway"].iter().flat_map(|it| files(it, "yaml"))
    {
        for document in fs::read_to_string(&file).unwrap().split("\n---\n") {
            of_proxy(&file.display().to_string(), &yaml(document), &mut found);
        }
    }
    for file in files("tests/scenarios", "yaml") {
        of_scenario(&file.display().to_string(), &yaml_file(&file), &mut found);
    }
    // What is no configuration: other JSON has no such field.
    found.retain(|(_, config)| {
        let known =
            ["services", "defaults", "admin", "limits", "notify", "max_services", "expose_state"];
        known.iter().any(|field| config.get(field).is_some())
    });
    found
}

fn files(folder: &str, extension: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(repository().join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|it| it == extension)).collect()
}

/// The blocks of code of a page, with what they are of.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn yaml_file(file: &Path) -> Value {
    yaml(&fs::read_to_string(file).unwrap())
}

/// `config`, and each `configure` of the steps.
fn of_scenario(place: &str, scenario: &Value, found: &mut Vec<(String, Value)>) {
    let steps = scenario["steps"].as_array().into_iter().flatten();
    let configured = steps.map(|step| &step["configure"]);
    for config in [&scenario["config"]].into_iter().chain(configured) {
        if config.is_object() {
            found.push((place.to_owned(), config.clone()));
        }
    }
}

/// What is handed to a filter: by Envoy as a string, by Istio and by Envoy Gateway as an object.
fn of_proxy(place: &str, value: &Value, found: &mut Vec<(String, Value)>) {
    if value["@type"].as_str().is_some_and(|name| name.ends_with("StringValue"))
        && let Some(text) = value["value"].as_str()
    {
        found.push((place.to_owned(), json(text)));
    }
    for config in [&value["pluginConfig"], &value["config"]] {
        found.push((place.to_owned(), config.clone()));
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|it| of_proxy(place, it, found)),
        Value::Array(items) => items.iter().for_each(|it| of_proxy(place, it, found)),
        _ => {}
    }
}
