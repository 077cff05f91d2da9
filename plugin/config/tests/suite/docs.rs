//! The page on the configuration says what is so.

use std::collections::BTreeSet;

use config::Config;
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../../docs/configuration.md");

/// The code blocks whose info string is this.
fn blocks(info: &str) -> Vec<&'static str> {
    let mut blocks = Vec::new();
    let mut rest = PAGE;
    while let Some((_, opened)) = rest.split_once("\n```") {
        let (kind, opened) = opened.split_once('\n').unwrap();
        let (block, closed) = opened.split_once("```").unwrap();
        if kind == info {
            blocks.push(block);
        }
        rest = closed;
    }
    blocks
}

#[test]
fn every_configuration_on_the_page_is_taken() {
    let whole = blocks("json");
    assert!(whole.len() >= 5, "{}", whole.len());
    for block in whole {
        Config::parse(block.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{block}"));
    }
}

#[test]
fn every_service_on_the_page_is_taken() {
    let services = blocks("json service");
    assert!(services.len() >= 7, "{}", services.len());
    for block in services {
        let service: Value = serde_json::from_str(block).unwrap();
        let config = json!({"services": [service]}).to_string();
        Config::parse(config.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{block}"));
    }
}

/// The fields that an object may have, as the refusal of another one lists them.
fn fields(config: &Value) -> Vec<String> {
    let refusal = Config::parse(config.to_string().as_bytes()).unwrap_err().to_string();
    let (unknown, known) = refusal.split_once("expected ").expect(&refusal);
    assert!(unknown.contains("unknown field `?`"), "{refusal}");
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_field_is_on_the_page() {
    let service = |fields: Value| json!({"services": [fields]});
    let unknown = json!({"?": 0});
    let objects = [
        ("", unknown.clone()),
        ("defaults.", json!({"defaults": unknown})),
        ("admin.", json!({"admin": unknown})),
        ("notify.", json!({"notify": unknown})),
        ("fleet.", json!({"fleet": unknown})),
        ("services[].", service(unknown.clone())),
        ("match.", service(json!({"match": unknown}))),
        ("match.headers[].", service(json!({"match": {"headers": [unknown]}}))),
        ("trip.", service(json!({"trip": unknown}))),
        ("classify.", service(json!({"classify": unknown}))),
        ("open.", service(json!({"open": unknown}))),
        ("half_open.", service(json!({"half_open": unknown}))),
        ("health_check.", service(json!({"health_check": unknown}))),
        ("retry.", service(json!({"health_check": {"retry": unknown}}))),
        ("fallback.", service(json!({"fallback": unknown}))),
        ("response.", service(json!({"fallback": {"response": unknown}}))),
        ("stale.", service(json!({"fallback": {"stale": unknown}}))),
        ("bulkhead.", service(json!({"bulkhead": unknown}))),
        (
            "partitions[].",
            service(json!({"bulkhead": {"max_concurrent_calls": 1, "partitions": [unknown]}})),
        ),
    ];
    let mut seen = BTreeSet::new();
    for (object, config) in objects {
        for field in fields(&config) {
            let plain = format!("`{field}`");
            let qualified = format!("`{object}{field}`");
            let written = PAGE.contains(&plain) || PAGE.contains(&qualified);
            assert!(written, "{object}{field} is not on the page");
            seen.insert(field);
        }
    }
    assert!(seen.len() > 45, "{} fields are known", seen.len());
}

#[test]
fn the_defaults_on_the_page_are_the_defaults() {
    // Written out, they are taken together; `config.rs` shows what they do.
    for default in [
        r#"`["500", "502-504", "506-599"]`"#,
        r#"`["501", "505"]`"#,
        "`UNKNOWN`, `DEADLINE_EXCEEDED`, `INTERNAL`, `UNAVAILABLE`, `DATA_LOSS`",
        r#"`"30s"`; `"0s"` with a health check"#,
        r#"`"5m"`, or `wait_duration` if that is longer"#,
        r#"`"/circuit-breaker"`"#,
        r#"`["200-299"]`"#,
        "| 65536 | at most 16777216 |",
    ] {
        assert!(PAGE.contains(default), "{default}");
    }
}

#[test]
fn the_links_on_the_page_lead_somewhere() {
    let headings: BTreeSet<String> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .collect();
    for target in PAGE.split("](#").skip(1) {
        let target = target.split(')').next().unwrap();
        assert!(headings.contains(target), "#{target}");
    }
}
