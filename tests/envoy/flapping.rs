//! A health check that lies: a service that passes it and fails its calls is asked ever more seldom,
//! and no client sees an error.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use envoy_harness::client::Client;
use serde_json::{Value, json};
use services::{Health, Mode};
use tests::{Edge, clusters};
use tokio::task::JoinSet;

use tests::load::{WITHIN, patient_fallback, patient_route};

/// Eight seconds of 80 requests a second.
const PACE: Duration = Duration::from_micros(12_500);
const REQUESTS: u32 = 640;

/// Calls, and as many checks, that may reach the service in that time.
const MOST: u64 = 12;

/// What may be configured: without a wait, and by default, which is the same.
fn services() -> [(&'static str, Value, &'static str); 4] {
    let none = json!({ "wait_duration": "0s" });
    [
        ("no-wait-close", none.clone(), "close"),
        ("no-wait-half-open", none, "half_open"),
        ("default-close", json!({}), "close"),
        ("default-half-open", json!({}), "half_open"),
    ]
}

fn plugin() -> Value {
    let services = services().map(|(name, open, then)| {
        json!({
            "name": name,
            "match": { "path_prefixes": [format!("/{name}/")] },
            "trip": { "consecutive_failures": 3 },
            "open": open,
            "health_check": {
                "cluster": clusters::HEALTH, "path": format!("/{name}"), "interval": "1s",
                "then": then,
            },
            "fallback": patient_fallback(),
        })
    });
    json!({ "services": services })
}

/// One after the other: those that a busy machine holds up would be under way at once when the
/// breaker trips.
async fn send(client: Client, url: String) -> Result<()> {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let end = Instant::now() + PACE * REQUESTS;
    while Instant::now() < end {
        pace.tick().await;
        let answer = client.get(&url).await?;
        ensure!(answer.status == 200, "a client sees {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_service_that_passes_its_checks_and_fails_its_calls_gets_few_of_either() -> Result<()> {
    for workers in [1, 4] {
        let edge = Edge::start_with(plugin(), workers, patient_route()).await?;
        let mut clients = JoinSet::new();
        for (name, ..) in services() {
            let service = edge.services.service(name);
            service.set_mode(Mode::Status(503));
            service.set_health(Health::Healthy);
            let client = Client::new().timeout(WITHIN);
            clients.spawn(send(client, edge.url(&format!("/{name}/charge"))));
        }
        while let Some(sent) = clients.join_next().await {
            sent??;
        }
        for (name, ..) in services() {
            let counts = edge.services.service(name).counts();
            let (calls, checks) = (counts.calls, counts.health_calls);
            println!("{workers} workers, {name}: {calls} calls, {checks} checks");
            ensure!(calls <= MOST && checks <= MOST, "{name}, {workers} workers: {counts:?}");
            ensure!(calls > 3 && checks > 1, "{name} was not asked again: {counts:?}");
        }
    }
    Ok(())
}
