//! Every query of the rules, the dashboard and the runbooks finds what a real Envoy exports.

use std::fs;

use anyhow::{Context, Result, ensure};
use envoy_harness::{parse_yaml, repo_root};
use serde_json::Value;
use services::Health;
use tests::{PATIENCE, PAYMENT};

use crate::alarms::promql::{names, scaled};
use crate::alarms::server::Server;
use crate::alarms::watched::Watched;
use crate::alarms::{dashboard, runbooks};

/// How far back the dashboard looks, in seconds.
const RANGE: u64 = 120;

/// The queries of the rules.
fn of_rules() -> Result<Vec<String>> {
    let text = fs::read_to_string(repo_root().join("envoy/prometheus/alerts.yaml"))?;
    let rules = parse_yaml(&text)?;
    let groups = rules["groups"].as_array().context("no groups")?;
    let rules = groups.iter().filter_map(|group| group["rules"].as_array()).flatten();
    rules.map(|rule| Ok(rule["expr"].as_str().context("no expr")?.to_owned())).collect()
}

/// Lets everything happen that a query may be about: calls that succeed, fail, trip, are diverted; a
/// fallback that answers and one that fails; health checks that fail and pass.
async fn traffic(watched: &Watched) -> Result<()> {
    let (edge, prometheus) = (&watched.edge, &watched.prometheus);
    let payment = edge.services.service(PAYMENT);
    let _callers = watched.callers(3);
    prometheus.wait_for(r#"edge_breaker_calls_total{cb_outcome="success"} > 0"#).await?;
    payment.set_health(Health::Sick);
    payment.set_failure_rate(1.0);
    edge.wait_for(PAYMENT, "OPEN", PATIENCE).await?;
    prometheus.wait_for(r#"edge_breaker_fallback_total{cb_kind="cluster"} > 0"#).await?;
    edge.services.set_fallback_status(500);
    let failures = r#"rate(envoy_cluster_upstream_rq_xx{envoy_response_code_class="5", envoy_cluster_name="fallback"}[5m]) > 0"#;
    prometheus.wait_for(&scaled(failures)).await?;
    prometheus.wait_for(r#"edge_breaker_health_checks_total{cb_result="unhealthy"} > 0"#).await?;
    edge.services.set_fallback_status(200);
    payment.set_failure_rate(0.0);
    payment.set_health(Health::Healthy);
    edge.wait_for(PAYMENT, "CLOSED", PATIENCE).await?;
    prometheus.wait_for(r#"edge_breaker_transitions_total{cb_to="closed"} > 0"#).await
}

/// What a query names has to be there, values of labels included.
async fn is_exported(query: &str, prometheus: &Server) -> Result<()> {
    let names = names(query);
    ensure!(!names.selectors.is_empty(), "no metric in {query}");
    let mut known = Vec::new();
    for selector in &names.selectors {
        let series = prometheus.series(&selector.text).await?;
        ensure!(!series.is_empty(), "Envoy exports no {} ({query})", selector.text);
        for label in &selector.labels {
            let has = series.iter().any(|series| series.get(label).is_some());
            ensure!(has, "no {} has a label {label} ({query})", selector.metric);
        }
        known.extend(series);
    }
    for label in &names.groups {
        let has = known.iter().any(|series| series.get(label).is_some());
        ensure!(has, "nothing has a label {label} ({query})");
    }
    Ok(())
}

/// Whether a series has a value at some time.
fn has_value(series: &Value) -> bool {
    let values = series["values"].as_array();
    values.is_some_and(|values| values.iter().any(|value| value[1] != "NaN"))
}

#[tokio::test]
#[ignore = "make test-deep: takes Prometheus"]
async fn every_query_finds_what_envoy_exports_and_every_panel_shows_something() -> Result<()> {
    let watched = Watched::start().await?;
    let prometheus = &watched.prometheus;
    traffic(&watched).await?;
    for query in of_rules()?.iter().chain(&runbooks::metrics()?) {
        is_exported(query, prometheus).await?;
        prometheus.query(query).await?;
    }
    for query in dashboard::queries()? {
        is_exported(&query, prometheus).await?;
        let found = prometheus.query_over(&scaled(&query), RANGE).await?;
        ensure!(found.iter().any(has_value), "the dashboard shows nothing for {query}");
    }
    for (selector, label) in dashboard::variables()? {
        is_exported(&selector, prometheus).await?;
        let values = prometheus.label_values(&selector, &label).await?;
        ensure!(values.as_array().is_some_and(|values| !values.is_empty()), "no {label}");
    }
    Ok(())
}
