//! The JSON Schema of the configuration, for editors and linters: what the types of the filter say
//! of themselves, with the bounds and the defaults that its reader adds.

mod fields;

use config::Config;
use serde_json::{Map, Value, json};

use crate::fields::{FIELDS, OBJECTS};

/// The schema.
#[must_use]
pub fn document() -> Value {
    let mut document = Config::schema();
    tidy(&mut document);
    for (object, more) in OBJECTS {
        merge(definition(&mut document, object), more);
    }
    for (object, field, more) in FIELDS {
        let fields = &mut definition(&mut document, object)["properties"];
        assert!(fields[field].is_object(), "{object} has no {field}");
        merge(&mut fields[field], more);
    }
    document["title"] = json!("Edge Breaker");
    document
}

/// The schema as the file that is handed out.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", document())
}

fn definition<'a>(document: &'a mut Value, object: &str) -> &'a mut Value {
    if object == "Config" { document } else { &mut document["$defs"][object] }
}

/// Adds the fields of an object that is written as text.
fn merge(schema: &mut Value, more: &str) {
    let more: Map<String, Value> =
        serde_json::from_str(more).unwrap_or_else(|error| panic!("{error}: {more}"));
    for (key, value) in more {
        schema[key] = value;
    }
}

/// Takes away what says nothing to a reader of the configuration: that what is left out is left out,
/// how many bits a number has, and where the lines of a comment end.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("default").is_some_and(|default| default.is_null() || default.is_object())
            {
                fields.remove("default");
            }
            if fields.get("format").is_some_and(|format| format == "uint32") {
                fields.remove("format");
                fields.insert("maximum".to_owned(), json!(u32::MAX));
            }
            if let Some(Value::String(description)) = fields.get_mut("description") {
                *description = description.replace('\n', " ");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
