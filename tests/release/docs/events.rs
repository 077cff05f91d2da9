//! What the page on operations says of events is what there is.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tests::pages::Page;
use tests::{Edge, PAYMENT};

fn kinds(object: &Map<String, Value>) -> Vec<(&str, &'static str)> {
    let kind = |value: &Value| match value {
        Value::String(_) => "text",
        Value::Number(_) => "number",
        _ => "another",
    };
    object.iter().map(|(name, value)| (name.as_str(), kind(value))).collect()
}

#[tokio::test]
async fn an_event_has_the_fields_that_are_described() -> Result<()> {
    let described: Value =
        serde_json::from_str(Page::read("docs/operations.md")?.block("json event")?)?;
    let trip = json!({ "failure_rate_threshold": 50, "minimum_number_of_calls": 4 });
    let plugin = json!({ "services": [{ "name": PAYMENT, "trip": trip }] });
    let edge = Edge::start(plugin, 1).await?;
    edge.services.service(PAYMENT).set_failure_rate(1.0);
    for _ in 0..4 {
        edge.get("/payment-service/charge").await?;
    }
    let shown = edge.get("/circuit-breaker/events").await?.json()?;
    let event = shown["events"][0].as_object().context("no event")?;
    assert_eq!(kinds(event), kinds(described.as_object().context("no object")?));
    for field in ["from", "to", "reason", "mode", "service_name"] {
        assert_eq!(event[field], described[field], "{field}");
    }
    Ok(())
}
