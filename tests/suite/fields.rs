//! Every field of the configuration is in a scenario, by itself or among the defaults.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use filter::Config;
use libtest_mimic::Trial;
use scenario::{Event, Scenario};
use serde_json::{Value, json};

use crate::files::all;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("every_field_of_the_configuration_is_in_a_scenario", every_field)]
}

fn every_field() -> Result<()> {
    let mut known = BTreeSet::new();
    discover("", &|value| value, &mut known)?;
    ensure!(known.len() > 50, "only {} fields were found", known.len());
    let used: BTreeSet<_> = all()?.iter().flat_map(fields_of).collect();
    let missing: Vec<_> = known.difference(&used).collect();
    ensure!(missing.is_empty(), "no scenario configures {missing:?}");
    Ok(())
}

/// Finds out which fields there are from what the configuration says of one that there is not.
fn discover(
    path: &str,
    place: &dyn Fn(Value) -> Value,
    known: &mut BTreeSet<String>,
) -> Result<()> {
    for field in expected(&place(json!({"?": 0}))).context("not an object")? {
        let path = format!("{path}{field}");
        let object = |value: Value| place(json!({ field.as_str(): value }));
        let list = |value: Value| place(json!({ field.as_str(): [value] }));
        if path == "defaults" {
            // They have the fields of a service.
        } else if path == "fleet" || path == "services.fleet" {
            // A fleet is of several proxies and a store, and a scenario of one: `tests/envoy/fleet.rs` plays them.
        } else if path == "services.bulkhead.partitions.match" {
            // It has those of a service's match.
            known.insert(path);
        } else if expected(&object(json!({"?": 0}))).is_some() {
            discover(&format!("{path}."), &object, known)?;
        } else if expected(&list(json!({"?": 0}))).is_some() {
            discover(&format!("{path}."), &list, known)?;
        } else {
            known.insert(path);
        }
    }
    Ok(())
}

/// The fields that are expected where there is an unknown one.
fn expected(config: &Value) -> Option<Vec<String>> {
    let refusal = Config::parse(config.to_string().as_bytes()).err()?.to_string();
    let (unknown, expected) = refusal.split_once("expected ")?;
    let fields = || expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    unknown.contains("unknown field `?`").then(fields)
}

/// The fields that a scenario configures, at the beginning or later on.
fn fields_of(scenario: &Scenario) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    collect("", &scenario.config, &mut fields);
    for step in &scenario.steps {
        if let Event::Configure(config) = &step.event {
            collect("", config, &mut fields);
        }
    }
    fields
}

fn collect(path: &str, value: &Value, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (field, value) in object {
                let path = match (path, field.as_str()) {
                    ("", "defaults") => "services".to_owned(),
                    ("", field) => field.to_owned(),
                    (path, field) => format!("{path}.{field}"),
                };
                collect(&path, value, fields);
                fields.insert(path);
            }
        }
        Value::Array(entries) => entries.iter().for_each(|entry| collect(path, entry, fields)),
        _ => {}
    }
}
