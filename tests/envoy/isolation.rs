//! Two services at once: what befalls the one is nothing to the other.

use anyhow::Result;
use serde_json::json;
use tests::{Breaker, Edge, Outcomes, PAYMENT};

use tests::load::{Load, patient_fallback, patient_route};

const INVENTORY: &str = "inventory-service";
const CLIENTS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_does_not_notice_that_another_trips_while_both_are_under_load() -> Result<()> {
    let service =
        |name: &str| json!({ "name": name, "match": { "path_prefixes": [format!("/{name}")] } });
    let plugin = json!({
        "expose_state": "always",
        "defaults": { "open": { "wait_duration": "5m" }, "fallback": patient_fallback() },
        "services": [service(PAYMENT), service(INVENTORY)],
    });
    let edge = Edge::start_with(plugin, 4, patient_route()).await?;
    let payment = edge.services.service(PAYMENT);
    let inventory = edge.services.service(INVENTORY);
    let to_payment = Load::start(CLIENTS, &edge.url("/payment-service/charge"));
    let to_inventory = Load::start(CLIENTS, &edge.url("/inventory-service/item"));
    to_payment.until_more(500).await?;
    to_inventory.until_more(500).await?;

    payment.set_failure_rate(1.0);
    to_payment.until("one is diverted", |tally| tally.by("cluster") > 0).await?;
    to_inventory.mark();
    to_payment.until_more(1000).await?;
    to_inventory.until_all_passed_the_mark().await?;
    to_inventory.until_more(1000).await?;
    let (to_payment, to_inventory) = (to_payment.stop().await, to_inventory.stop().await);

    let tripped = edge.breaker(PAYMENT).await?;
    assert_eq!((tripped.state.as_str(), tripped.generation), ("OPEN", 2), "{tripped:?}");
    assert!(to_payment.by("cluster") >= 900, "{to_payment}");
    let reason = "cb_to=.=open;.;cb_reason=.=consecutive_failures;.;";
    assert_eq!(edge.metric(PAYMENT, reason, "transitions_total").await?, 1);

    let clean =
        Breaker { state: "CLOSED".to_owned(), failure_count: 0, generation: 1, trip_reason: None };
    assert_eq!(edge.breaker(INVENTORY).await?, clean);
    let good = to_inventory.count(|answer| {
        (answer.by.as_str(), answer.state.as_str(), answer.status.as_str())
            == ("downstream", "CLOSED", "200")
    });
    assert_eq!(good, to_inventory.all(), "{to_inventory}");
    assert_eq!(inventory.calls(), to_inventory.all(), "{to_inventory}");
    let outcomes = Outcomes { success: to_inventory.all(), ..Outcomes::default() };
    edge.wait_for_outcomes(INVENTORY, outcomes).await?;
    let stats = edge.envoy.stats().await?;
    let told: Vec<_> = stats
        .matching("cb_service=.=inventory-service;.;")
        .filter(|(name, value)| name.ends_with("_total") && *value > 0)
        .collect();
    let good_calls = "wasmcustom.cb_service=.=inventory-service;.;cb_outcome=.=success;.;\
                      edge_breaker_calls_total";
    assert_eq!(told, [(good_calls, to_inventory.all())], "{to_inventory}");
    for gauge in ["state", "failure_count"] {
        assert_eq!(edge.metric(INVENTORY, "", gauge).await?, 0, "{gauge}");
    }
    Ok(())
}
