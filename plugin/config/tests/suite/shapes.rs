//! The shape of a configuration: an object is an object, and a text may begin and end as editors write
//! it.

use config::Config;
use serde_json::{Value, json};

use crate::{PAYMENT, service};

/// What stands where, and why it is refused.
fn refusal(config: &Value) -> (String, String, String) {
    let error = Config::parse(config.to_string().as_bytes()).expect_err("it is to be refused");
    (error.path().to_owned(), error.value().to_owned(), error.remedy().to_owned())
}

fn of_service(fields: &Value) -> Value {
    json!({"services": [service(PAYMENT, fields)]})
}

/// A configuration, and where a list or a number stands in it in an object's place.
fn misshapen(wrong: &Value) -> Vec<(&'static str, Value)> {
    let check = json!({"cluster": "c", "path": "/", "retry": wrong});
    let partition = json!({"name": "p", "max_concurrent_calls": 1, "match": wrong});
    let bulkhead = json!({"max_concurrent_calls": 1, "partitions": [wrong]});
    let share = json!({"max_concurrent_calls": 1, "partitions": [partition]});
    vec![
        ("configuration", wrong.clone()),
        ("defaults", json!({"defaults": wrong})),
        ("defaults.open", json!({"defaults": {"open": wrong}})),
        ("limits", json!({"limits": wrong})),
        ("notify", json!({"notify": wrong})),
        ("admin", json!({"admin": wrong})),
        ("fleet", json!({"fleet": wrong})),
        ("services[0]", json!({"services": [wrong]})),
        ("services[0].match", of_service(&json!({"match": wrong}))),
        ("services[0].match.headers[0]", of_service(&json!({"match": {"headers": [wrong]}}))),
        ("services[0].trip", of_service(&json!({"trip": wrong}))),
        ("services[0].classify", of_service(&json!({"classify": wrong}))),
        ("services[0].open", of_service(&json!({"open": wrong}))),
        ("services[0].half_open", of_service(&json!({"half_open": wrong}))),
        ("services[0].health_check", of_service(&json!({"health_check": wrong}))),
        ("services[0].health_check.retry", of_service(&json!({"health_check": check}))),
        ("services[0].fallback", of_service(&json!({"fallback": wrong}))),
        ("services[0].fallback.stale", of_service(&json!({"fallback": {"stale": wrong}}))),
        ("services[0].fallback.response", of_service(&json!({"fallback": {"response": wrong}}))),
        ("services[0].bulkhead", of_service(&json!({"bulkhead": wrong}))),
        ("services[0].bulkhead.partitions[0]", of_service(&json!({"bulkhead": bulkhead}))),
        ("services[0].bulkhead.partitions[0].match", of_service(&json!({"bulkhead": share}))),
    ]
}

#[test]
fn a_list_is_no_object_whatever_is_in_it() {
    for wrong in [json!([]), json!([null, null]), json!(["/ops", null]), json!([{}])] {
        for (path, config) in misshapen(&wrong) {
            let (told, value, remedy) = refusal(&config);
            assert_eq!((told.as_str(), value.as_str()), (path, "a list"), "{config}");
            assert_eq!(remedy, "give an object", "{config}");
        }
    }
    for wrong in [json!(1), json!("x"), json!(true)] {
        for (path, config) in misshapen(&wrong) {
            let (told, _, remedy) = refusal(&config);
            assert_eq!((told.as_str(), remedy.as_str()), (path, "give an object"), "{config}");
        }
    }
}

#[test]
fn a_list_that_used_to_be_read_by_position_is_refused() {
    let admin = json!({"admin": ["/ops", null, null]});
    assert_eq!(refusal(&admin).0, "admin");
    let trip = json!({"trip": [1, null, null, null, null, null, null]});
    assert_eq!(refusal(&of_service(&trip)).0, "services[0].trip");
    let header = json!({"match": {"headers": [["x-tenant", "gold", null, null]]}});
    assert_eq!(refusal(&of_service(&header)).0, "services[0].match.headers[0]");
}

#[test]
fn a_word_is_a_string_and_not_the_key_of_an_object() {
    for (field, config) in [
        ("expose_state", json!({"expose_state": {"always": null}})),
        ("services[0].mode", of_service(&json!({"mode": {"disabled": null}}))),
        ("defaults.mode", json!({"defaults": {"mode": ["disabled"]}})),
        ("services[0].classify.overflow", of_service(&json!({"classify": {"overflow": {}}}))),
        ("services[0].classify.overflow", of_service(&json!({"classify": {"overflow": true}}))),
        (
            "services[0].trip.sliding_window_type",
            of_service(&json!({"trip": {"sliding_window_type": {"count_based": null}}})),
        ),
        (
            "services[0].health_check.then",
            of_service(&json!({"health_check": {"then": {"close": null}}})),
        ),
        ("services[0].bulkhead.on_full", of_service(&json!({"bulkhead": {"on_full": 1}}))),
    ] {
        let (path, _, remedy) = refusal(&config);
        assert_eq!(path, field, "{config}");
        assert!(remedy.starts_with("give one of `"), "{config}\n{remedy}");
    }
}

#[test]
fn a_byte_order_mark_and_the_line_ends_of_other_systems_do_not_matter() {
    let plain = "{\n  \"services\": [{ \"name\": \"a\" }]\n}\n";
    for text in [
        format!("\u{feff}{plain}"),
        plain.replace('\n', "\r\n"),
        format!("\u{feff}{}", plain.replace('\n', "\r\n")),
        plain.replace('\n', "\r"),
        format!("\u{feff}\r\n{plain}\r\n"),
    ] {
        let config = Config::parse(text.as_bytes()).unwrap_or_else(|why| panic!("{text:?}: {why}"));
        assert_eq!(config.service_names().collect::<Vec<_>>(), ["a"]);
    }
    for empty in ["\u{feff}", "\u{feff}\r\n", "\r\n"] {
        let config = Config::parse(empty.as_bytes()).unwrap();
        assert_eq!(config.service_names().collect::<Vec<_>>(), ["{cluster}"], "{empty:?}");
    }
}

#[test]
fn behind_a_byte_order_mark_errors_have_the_line_and_column_of_the_text() {
    let refusal = |text: &str| Config::parse(text.as_bytes()).unwrap_err().to_string();
    let damaged = "{\r\n  \"services\" []\r\n}";
    let told = refusal(damaged);
    assert!(told.contains("at line 2 column 14"), "{told}");
    assert_eq!(refusal(&format!("\u{feff}{damaged}")), told);
    // In the midst of it, it is none.
    assert!(refusal("{\u{feff}}").contains("line 1"), "{}", refusal("{\u{feff}}"));
}
