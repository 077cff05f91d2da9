//! Who answers while a breaker is open, and when a call has failed.

mod held;
mod in_place;
mod open;
mod replay;
mod rerun;
mod upgrade;

use anyhow::Result;
use envoy_harness::client::Response;
use serde_json::{Value, json};
use services::{Health, Mode};
use tests::{Edge, PATIENCE, PAYMENT, answered_by};

const PATH: &str = "/payment-service/charge";

/// Three failures, none of which the fallback answers.
async fn trip(edge: &Edge) -> Result<()> {
    let payment = edge.services.service(PAYMENT);
    payment.set_mode(Mode::Status(500));
    for _ in 0..3 {
        edge.get(PATH).await?;
    }
    let breaker = edge.breaker(PAYMENT).await?;
    assert_eq!(breaker.state, "OPEN", "{breaker:?}");
    payment.set_mode(Mode::Normal);
    Ok(())
}

/// One service, whose breaker stays open once it is.
fn plugin(fallback: &Value) -> Value {
    let mut fallback = fallback.clone();
    if fallback["timeout"].is_null() && !fallback["cluster"].is_null() {
        fallback["timeout"] = json!("2m");
    }
    json!({ "services": [{ "name": PAYMENT, "fallback": fallback }] })
}

/// The values of a header, all of them: one that is there twice is a defect.
fn values<'a>(response: &'a Response, name: &str) -> Vec<&'a [u8]> {
    response.headers.get_all(name).iter().map(|value| value.as_bytes()).collect()
}

#[tokio::test]
async fn a_failed_call_is_answered_by_the_fallback_with_the_original_request() -> Result<()> {
    let edge = Edge::start(plugin(&json!({ "cluster": "fallback" })), 1).await?;
    edge.services.service(PAYMENT).set_mode(Mode::Status(503));
    let response = edge.post("/payment-service/charge?x=1", r#"{"amount":100}"#).await?;
    assert_eq!(answered_by(&response), "replay");
    assert_eq!(response.status, 200);
    let original = &response.json()?["original_request"];
    assert_eq!(original["method"], "POST");
    assert_eq!(original["path"], "/payment-service/charge?x=1");
    assert_eq!(original["body"]["amount"], 100);
    Ok(())
}

#[tokio::test]
async fn an_open_breaker_diverts_until_a_health_check_passes() -> Result<()> {
    let edge = Edge::start(
        json!({ "services": [{
            "name": PAYMENT,
            "fallback": { "cluster": "fallback" },
            "health_check": {
                "cluster": "health", "path": "/payment-service", "interval": "100ms", "then": "close",
            },
        }] }),
        2,
    )
    .await?;
    let payment = edge.services.service(PAYMENT);
    payment.set_health(Health::Sick);
    payment.set_failure_rate(1.0);
    for _ in 0..3 {
        edge.get(PATH).await?;
    }
    assert_eq!(edge.breaker(PAYMENT).await?.state, "OPEN");
    let calls = payment.calls();
    let response = edge.get(PATH).await?;
    assert_eq!(answered_by(&response), "cluster");
    assert_eq!(payment.calls(), calls);
    payment.set_failure_rate(0.0);
    payment.set_health(Health::Healthy);
    edge.wait_for(PAYMENT, "CLOSED", PATIENCE).await?;
    assert_eq!(answered_by(&edge.get(PATH).await?), "downstream");
    Ok(())
}
