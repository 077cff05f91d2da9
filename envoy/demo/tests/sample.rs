//! The sample and the page that explains it, held against the recipe.

use std::fs;

use anyhow::Result;
use envoy_harness::{parse_yaml, repo_root};
use serde_json::{Value, json};

/// The states of the recipe's state machine.
const STATES: [&str; 14] = [
    "CheckCircuitBreakerState",
    "InitializeCircuitBreaker",
    "EvaluateCircuitState",
    "CheckIfHalfOpenTime",
    "EvaluateHealthCheck",
    "CallDownstreamService",
    "RecordSuccess",
    "RecordFailure",
    "CheckFailureThreshold",
    "EvaluateFailureCount",
    "TripCircuitBreaker",
    "CallFallbackService",
    "ReturnSuccess",
    "ReturnFallback",
];

fn text(path: &str) -> Result<String> {
    Ok(fs::read_to_string(repo_root().join(path))?)
}

fn sample() -> Result<Value> {
    parse_yaml(&text("envoy/recipe.yaml")?)
}

#[test]
fn every_state_of_the_recipe_has_its_part_in_the_sample_and_no_other_is_named() -> Result<()> {
    let sample = text("envoy/recipe.yaml")?;
    let named: Vec<_> =
        sample.lines().filter_map(|line| line.trim().strip_prefix("# ASL: ")).collect();
    for state in STATES {
        assert!(named.contains(&state), "{state}");
    }
    for name in named {
        assert!(STATES.contains(&name), "{name}");
    }
    Ok(())
}

#[test]
fn every_state_of_the_recipe_has_a_row_on_the_page_about_it() -> Result<()> {
    let page = text("docs/recipe.md")?;
    for state in STATES {
        let row = format!("| `{state}` |");
        assert!(page.lines().any(|line| line.starts_with(&row)), "{state}");
    }
    Ok(())
}

#[test]
fn the_ports_are_those_that_the_page_names() -> Result<()> {
    let sample = sample()?;
    let listeners = &sample["static_resources"]["listeners"];
    let port = |owner: &Value| owner["address"]["socket_address"]["port_value"].clone();
    assert_eq!(port(&listeners[0]), 10_000);
    assert_eq!(port(&listeners[1]), 10_001);
    assert_eq!(port(&sample["admin"]), 9_901);
    Ok(())
}

#[test]
fn everything_listens_on_the_loopback_interface() -> Result<()> {
    let sample = sample()?;
    let listeners = sample["static_resources"]["listeners"].as_array().cloned();
    for owner in listeners.unwrap_or_default().iter().chain([&sample["admin"]]) {
        assert_eq!(owner["address"]["socket_address"]["address"], "127.0.0.1");
    }
    Ok(())
}

#[test]
fn the_metrics_have_the_labels_of_the_contract() -> Result<()> {
    let labels = ["cb_service", "cb_outcome", "cb_reason", "cb_kind", "cb_to", "cb_result"];
    let tags = labels
        .map(|label| json!({ "tag_name": label, "regex": format!(r"({label}=\.=(.*?);\.;)") }));
    assert_eq!(sample()?["stats_config"]["stats_tags"], json!(tags));
    Ok(())
}
