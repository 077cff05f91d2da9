//! Every bound, choice and default of every field, asked of the filter's own reader.

use serde_json::{Value, json};

use crate::{SCHEMA, refused, refused_by_filter};

/// A configuration in which every object is there, and every field may take its whole range.
fn roomy() -> Value {
    json!({
        "max_services": 1,
        "limits": {},
        "services": [{
            "name": "payment-service",
            "match": { "headers": [{ "name": "x-tenant", "exact": "gold" }] },
            "trip": {
                "adaptive": {},
                "consecutive_failures": 1, "failure_rate_threshold": 50, "slow_call_rate_threshold": 50,
                "slow_call_duration_threshold": "2s", "minimum_number_of_calls": 1
            },
            "classify": {},
            "open": { "wait_duration": "100ms", "max_wait_duration": "24h" },
            "half_open": { "permitted_calls": 32, "success_threshold": 1 },
            "health_check": {
                "cluster": "payment", "path": "/health", "interval": "1h", "timeout": "100ms", "retry": {}
            },
            "fallback": {
                "cluster": "fallback", "stale": { "max_response_bytes": 1, "max_entries": 1 }, "response": {}
            },
            "bulkhead": {
                "max_concurrent_calls": 1_000_000,
                "partitions": [{
                    "name": "batch", "max_concurrent_calls": 1,
                    "match": { "headers": [{ "name": "x-priority", "exact": "batch" }] }
                }]
            }
        }],
        "notify": { "cluster": "ops" },
        "admin": { "token": "t" },
        "fleet": { "store": "etcd", "cluster": "etcd" }
    })
}

/// Each field's schema, with where the field stands.
fn fields(schema: &Value, at: &str, found: &mut Vec<(String, Value)>) {
    let schema = resolved(schema);
    if let Some(items) = schema.get("items") {
        fields(items, &format!("{at}/0"), found);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        // The defaults take what a service takes.
        if at == "/defaults" {
            continue;
        }
        found.push((at.clone(), field.clone()));
        fields(field, &at, found);
    }
}

/// A schema behind its references, and without its "or null".
fn resolved(schema: &Value) -> &Value {
    if let Some(name) = schema["$ref"].as_str() {
        return resolved(SCHEMA.pointer(name.trim_start_matches('#')).unwrap());
    }
    match schema["anyOf"].as_array() {
        Some(options) if options.iter().any(|option| option["type"] == "null") => {
            resolved(options.iter().find(|option| option["type"] != "null").unwrap())
        }
        _ => schema,
    }
}

fn with(at: &str, value: Value) -> Value {
    let mut config = roomy();
    let (parent, field) = at.rsplit_once('/').unwrap();
    if at == "/services/0/bulkhead/max_concurrent_calls" {
        config["services"][0]["bulkhead"]["partitions"] = json!([]);
    }
    let of_dynamodb = ["/fleet/table", "/fleet/region", "/fleet/regions", "/fleet/scope"];
    if of_dynamodb.contains(&at) || (at == "/fleet/store" && value == "dynamodb") {
        config["fleet"] = json!({
            "store": "dynamodb", "cluster": "dynamodb", "table": "state", "region": "eu-west-1"
        });
    }
    let parent = config.pointer_mut(parent).unwrap_or_else(|| panic!("{at}: no such place"));
    parent[field] = value;
    config
}

fn taken(at: &str, value: &Value) {
    let config = with(at, value.clone());
    assert_eq!(refused(&config), None, "{at}: {value}");
    if let Some(why) = refused_by_filter(&config) {
        // Of two bounds together no schema knows.
        assert!(why.contains("may take"), "{at}: {value}: {why}");
    }
}

fn not_taken(at: &str, value: &Value) {
    let config = with(at, value.clone());
    assert!(refused(&config).is_some(), "the schema takes {at}: {value}");
    assert!(refused_by_filter(&config).is_some(), "the filter takes {at}: {value}");
}

fn all_fields() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    fields(&SCHEMA, "", &mut found);
    assert!(found.len() > 60, "{}", found.len());
    found
}

#[test]
fn the_roomy_configuration_is_taken() {
    assert_eq!(refused_by_filter(&roomy()), None);
    assert_eq!(refused(&roomy()), None);
}

#[test]
fn numbers_are_taken_up_to_their_bounds_and_not_beyond() {
    let mut bounds = 0;
    for (at, field) in all_fields() {
        let whole = field["type"].to_string().contains("integer");
        let step = if whole { 1.0 } else { 0.001 };
        for (bound, outward) in [("minimum", -step), ("maximum", step)] {
            let Some(bound) = field[bound].as_f64() else { continue };
            let number = |value: f64| if whole { json!(value as i64) } else { json!(value) };
            taken(&at, &number(bound));
            not_taken(&at, &number(bound + outward));
            bounds += 1;
        }
    }
    assert!(bounds > 30, "{bounds}");
}

#[test]
fn every_choice_default_and_example_is_taken() {
    let mut values = 0;
    for (at, field) in all_fields() {
        let kind = resolved(&field);
        let choices = kind["enum"].as_array().into_iter().flatten().cloned();
        let described = kind["oneOf"].as_array().into_iter().flatten();
        let described = described.filter_map(|choice| choice.get("const").cloned());
        let examples = field["examples"].as_array().into_iter().flatten().cloned();
        let default = field.get("default").cloned();
        for value in choices.chain(described).chain(examples).chain(default) {
            if !value.is_null() {
                taken(&at, &value);
                values += 1;
            }
        }
    }
    assert!(values > 80, "{values}");
}

#[test]
fn every_field_is_described() {
    for (at, field) in all_fields() {
        let description = field["description"].as_str().unwrap_or_default();
        assert!(description.len() > 8, "{at}: {description:?}");
    }
}

#[test]
fn a_field_that_may_be_left_out_may_be_null_where_the_filter_accepts_that() {
    for (at, _) in all_fields() {
        let config = with(&at, Value::Null);
        let (schema, filter) = (refused(&config), refused_by_filter(&config));
        if filter.is_none() {
            assert_eq!(schema, None, "{at}");
        }
    }
}

#[test]
fn no_object_is_read_from_a_list_and_no_word_from_an_object() {
    let mut places = vec![("object", String::new())];
    for (at, field) in all_fields() {
        let kind = resolved(&field);
        if kind["properties"].is_object() {
            places.push(("object", at));
        } else if resolved(&kind["items"])["properties"].is_object() {
            places.push(("object", format!("{at}/0")));
        } else if kind["enum"].is_array() || kind["oneOf"].is_array() {
            places.push(("word", at));
        }
    }
    assert!(places.len() > 20, "{places:?}");
    for (kind, at) in places {
        // As many entries as fields, so that a reader by position would be content.
        for length in 0..20 {
            let mut wrong = vec![json!(vec![Value::Null; length])];
            wrong.extend((kind == "word").then(|| json!({"enabled": null})));
            for wrong in wrong {
                let config = replaced(&at, wrong.clone());
                assert!(refused(&config).is_some(), "the schema takes {at}: {wrong}");
                assert!(refused_by_filter(&config).is_some(), "the filter takes {at}: {wrong}");
            }
        }
    }
}

/// The roomy configuration with something else at this place, which may be an entry of a list.
fn replaced(at: &str, value: Value) -> Value {
    let mut config = roomy();
    match config.pointer_mut(at) {
        Some(place) => *place = value,
        None => config = with(at, value),
    }
    config
}
