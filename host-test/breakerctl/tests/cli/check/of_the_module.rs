//! What the module warns of, in `breakerctl check`.

use std::fs;

use super::{check, place, recipe};
use crate::support::run;

/// The warnings about a text: line, column, what and remedy.
fn told(text: &str) -> Vec<(u64, u64, String, String)> {
    let ran = check(text);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.json();
    let field = |of: &serde_json::Value, name: &str| of[name].as_str().unwrap().to_owned();
    let number = |of: &serde_json::Value, name: &str| of[name].as_u64().unwrap();
    let warnings = report["warnings"].as_array().unwrap().iter();
    let all = warnings.map(|it| {
        (number(it, "line"), number(it, "column"), field(it, "what"), field(it, "remedy"))
    });
    all.collect()
}

#[test]
fn a_rate_below_a_percent_is_warned_of_at_its_line() {
    let config = "{ \"services\": [\n  { \"name\": \"a\", \"trip\": { \"failure_rate_threshold\": 0.5 } }\n] }";
    let (line, column) = place(config, "\"failure_rate_threshold\": ");
    let what = "services[0].trip.failure_rate_threshold: 0.5".to_owned();
    let remedy =
        "that is half a percent, 1 call of 200: if 50 percent are meant, give 50".to_owned();
    assert_eq!(told(config), [(line, column, what, remedy)]);
    assert_eq!(told(&config.replace("0.5", "50")), []);
}

#[test]
fn a_service_that_nothing_reaches_is_warned_of_at_its_line_in_any_file() {
    let everything =
        "\"services\": [{ \"name\": \"everything\", \"health_check\": { \"path\": \"/\" } },";
    let text = recipe().replacen("\"services\": [", everything, 1);
    assert_ne!(text, recipe());
    let warnings = told(&text);
    let services = warnings.iter().filter(|(_, _, what, remedy)| {
        what.contains("].name: ")
            && remedy.contains("never reached: all that it matches belongs to everything")
    });
    let lines: Vec<_> = services.map(|(line, ..)| *line).collect();
    assert!(!lines.is_empty() && lines.is_sorted(), "{warnings:?}");
    let first = text.lines().nth(usize::try_from(lines[0]).unwrap() - 1).unwrap();
    assert!(first.contains("\"name\": "), "{first}");
}

#[test]
fn a_warning_is_printed_and_is_no_refusal() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), r#"{ "services": [{ "name": "all" }, { "name": "rest" }] }"#).unwrap();
    let ran = run(&["check", file.path().to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains(": ok plugin configuration"), "{ran:?}");
    assert!(ran.stdout.contains(":1:45: warning plugin configuration"), "{ran:?}");
    assert!(ran.stdout.contains("services[1].name: \"rest\": never reached"), "{ran:?}");
}
