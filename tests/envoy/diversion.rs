//! Who answers while a breaker is open, and when a call has failed.

use std::time::Duration;

use anyhow::Result;
use edge_breaker_tests::{Edge, PAYMENT, answered_by};
use recipe_services::{Health, Mode};
use serde_json::json;

#[tokio::test]
async fn a_failed_call_is_answered_by_the_fallback_with_the_original_request() -> Result<()> {
    let edge = Edge::start(
        json!({ "services": [{ "name": PAYMENT, "fallback": { "cluster": "fallback" } }] }),
        1,
    )
    .await?;
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
        edge.get("/payment-service/charge").await?;
    }
    assert_eq!(edge.breaker(PAYMENT).await?.state, "OPEN");
    let calls = payment.calls();
    let response = edge.get("/payment-service/charge").await?;
    assert_eq!(answered_by(&response), "cluster");
    assert_eq!(payment.calls(), calls);
    payment.set_failure_rate(0.0);
    payment.set_health(Health::Healthy);
    edge.wait_for(PAYMENT, "CLOSED", Duration::from_secs(5)).await?;
    assert_eq!(answered_by(&edge.get("/payment-service/charge").await?), "downstream");
    Ok(())
}
