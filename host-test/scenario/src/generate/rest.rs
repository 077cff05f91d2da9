//! What else may be configured: fields that nothing in [`super::config`] is about, by the schema.
//!
//! So a new field takes part without a word about it here.

use std::sync::LazyLock;

use fastrand::Rng;
use serde_json::Value;

use super::pick;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let schema = include_str!("../../../../envoy/edge-breaker.schema.json");
    serde_json::from_str(schema).unwrap_or_default()
});

/// Fields that only fit together with others: these are made up by hand.
const BY_HAND: [&str; 2] = ["trip", "open"];

/// Gives some of the fields that a service's objects do not have yet.
pub(super) fn add(rng: &mut Rng, service: &mut Value) {
    let Some(objects) = service.as_object_mut() else { return };
    for (name, object) in objects.iter_mut().filter(|(name, _)| !BY_HAND.contains(&name.as_str())) {
        let described = resolved(&SCHEMA["$defs"]["Service"]["properties"][name]);
        let (Some(object), Some(fields)) =
            (object.as_object_mut(), described["properties"].as_object())
        else {
            continue;
        };
        for (field, schema) in fields {
            if !object.contains_key(field)
                && rng.u8(0..4) == 0
                && let Some(value) = value(rng, schema)
            {
                object.insert(field.clone(), value);
            }
        }
    }
}

/// One of a field's words, bounds, examples or its default; `None`: nothing is known to fit anywhere.
fn value(rng: &mut Rng, schema: &Value) -> Option<Value> {
    let words = resolved(schema)["oneOf"].as_array().into_iter().flatten();
    let mut values: Vec<Value> = words.filter_map(|word| word.get("const").cloned()).collect();
    let is = |kind: &str| schema["type"].as_array().is_some_and(|it| it.contains(&kind.into()));
    if is("boolean") {
        values.extend([false.into(), true.into()]);
    }
    if let Some(default) = schema.get("default").filter(|it| it.is_string() || it.is_number()) {
        values.push(default.clone());
        values.extend(["minimum", "maximum"].into_iter().filter_map(|it| schema.get(it).cloned()));
    }
    (!values.is_empty()).then(|| pick(rng, &values).clone())
}

/// A schema behind its reference, and without its "or null".
fn resolved(schema: &Value) -> &Value {
    let options = schema["anyOf"].as_array().into_iter().flatten();
    let referred = options.chain([schema]).find_map(|option| option["$ref"].as_str());
    referred.map_or(schema, |name| SCHEMA.pointer(name.trim_start_matches('#')).unwrap_or(schema))
}
