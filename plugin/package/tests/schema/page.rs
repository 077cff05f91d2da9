//! docs/configuration.md and the schema name the same fields, with the same defaults.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{SCHEMA, repository};

/// The object of a section of the page.
const SECTIONS: &[(&str, &str)] = &[
    ("The top level", "Config"),
    ("services", "Service"),
    ("limits", "Limits"),
    ("notify", "Notify"),
    ("fleet", "Fleet"),
    ("admin", "Admin"),
    ("match", "Match"),
    ("trip", "Trip"),
    ("adaptive", "Adaptive"),
    ("classify", "Classify"),
    ("open", "Open"),
    ("half_open", "HalfOpen"),
    ("health_check", "HealthCheck"),
    ("fallback", "Fallback"),
    ("stale", "Stale"),
    ("bulkhead", "Bulkhead"),
];

/// Objects that a section has in its own table, under a prefix.
const INNER: &[(&str, &str)] =
    &[("retry.", "Retry"), ("response.", "Response"), ("partitions[].", "Partition")];

/// What says that there is no default of its own.
const NONE: &[&str] = &[
    "",
    "none",
    "required",
    "see there",
    "every request",
    "required with the rate",
    "required with DynamoDB",
];

/// The cell of the default by object and field.
fn page() -> BTreeMap<(String, String), String> {
    let text = std::fs::read_to_string(repository().join("docs/configuration.md")).unwrap();
    let (mut object, mut columns, mut cells) = (None, Vec::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let section = SECTIONS.iter().find(|(title, _)| *title == heading);
            (object, columns) = (section.map(|(_, object)| *object), Vec::new());
        }
        let Some(row) = line.strip_prefix("| ") else { continue };
        let row = row.replace("\\|", "");
        let row: Vec<_> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
        if row[0] == "field" {
            columns = row;
            continue;
        }
        let (Some(object), Some(field)) = (object, row[0].strip_prefix('`')) else { continue };
        if columns.is_empty() {
            continue;
        }
        let mut field = field.trim_end_matches('`');
        let inner = INNER.iter().find_map(|(prefix, inner)| {
            field = field.strip_prefix(prefix)?;
            Some(*inner)
        });
        let default = columns.iter().position(|column| column == "default");
        let default = default.map_or(String::new(), |column| row[column].clone());
        cells.insert((inner.unwrap_or(object).to_owned(), field.to_owned()), default);
    }
    cells
}

/// Every field of the schema by object and name.
fn schema() -> BTreeMap<(String, String), Value> {
    let mut fields = BTreeMap::new();
    let whole = [("Config", &*SCHEMA)];
    let definitions = SCHEMA["$defs"].as_object().unwrap();
    for (object, schema) in definitions.iter().map(|(name, it)| (name.as_str(), it)).chain(whole) {
        // What the defaults have is a service's; what a header has is told in a sentence.
        if object == "Defaults" || object == "HeaderMatch" {
            continue;
        }
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            fields.insert((object.to_owned(), field.clone()), schema.clone());
        }
    }
    fields
}

#[test]
fn the_page_and_the_schema_have_the_same_fields() {
    let (page, schema) = (page(), schema());
    assert!(page.len() > 60, "{}", page.len());
    assert_eq!(page.keys().collect::<Vec<_>>(), schema.keys().collect::<Vec<_>>());
}

/// How the page may write a value.
fn spellings(value: &Value) -> Vec<String> {
    let text = value.to_string();
    match value {
        Value::String(plain) => vec![format!("`{text}`"), format!("`{plain}`")],
        Value::Array(items) if items.len() > 1 => {
            let names: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            // Names, or a list of texts as it would be written.
            let quoted: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
            vec![format!("`{}`", names.join("`, `")), format!("`[{}]`", quoted.join(", "))]
        }
        // A list or an object with one thing in it is told by that.
        Value::Array(items) if !items.is_empty() && items[0].is_object() => {
            vec!["one, `{cluster}`".to_owned()]
        }
        Value::Object(fields) if !fields.is_empty() => vec!["3 failures in a row".to_owned()],
        _ => vec![format!("`{text}`"), text],
    }
}

#[test]
fn the_page_and_the_schema_have_the_same_defaults() {
    let schema = schema();
    for ((object, field), cell) in page() {
        let default = schema[&(object.clone(), field.clone())].get("default").cloned();
        let place = format!("{object}.{field}: {default:?} is not what the page says, {cell:?}");
        match default {
            Some(default) => {
                let begins = |spelling: &String| {
                    let rest = cell.strip_prefix(spelling.as_str());
                    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
                };
                assert!(spellings(&default).iter().any(begins), "{place}");
            }
            // Those that hang on another field are told by their descriptions.
            None if cell.contains(" if ") || cell.contains("the ") => {}
            None => assert!(NONE.contains(&cell.as_str()), "{place}"),
        }
    }
}
