//! A service that does not answer any more, behind four workers.

use std::time::Duration;

use anyhow::Result;
use envoy_harness::client::Client;
use serde_json::{Value, json};
use services::Mode;
use tests::{Edge, primary_route};
use tokio::task::JoinSet;

use tests::load::{WITHIN, patient_fallback};

const WORKERS: u32 = 4;
const TIMEOUT: Duration = Duration::from_secs(15);

const ADAPTIVE: &str = "adaptive";
const IN_A_ROW: &str = "in-a-row";

fn plugin() -> Value {
    let service = |name: &str, trip: Value| {
        json!({
            "name": name,
            "match": { "path_prefixes": [format!("/{name}/")] },
            "trip": trip,
            "open": { "wait_duration": "1m" },
            "fallback": patient_fallback(),
        })
    };
    let adaptive = json!({ "adaptive": { "latency_floor": "100ms" } });
    json!({
        "services": [service(ADAPTIVE, adaptive), service(IN_A_ROW, json!({ "consecutive_failures": 3 }))],
    })
}

/// Sends so many requests to each of these services, at this pace, without waiting for answers.
async fn send(
    edge: &Edge,
    services: &[&str],
    number: u32,
    pace: Duration,
    calls: &mut JoinSet<()>,
) {
    let client = Client::new().timeout(WITHIN);
    let mut pace = tokio::time::interval(pace);
    for _ in 0..number {
        pace.tick().await;
        for service in services {
            let (client, url) = (client.clone(), edge.url(&format!("/{service}/charge")));
            calls.spawn(async move { drop(client.get(&url).await) });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_lets_a_sixth_through_of_what_passes_until_calls_time_out() -> Result<()> {
    let edge = Edge::start_with(plugin(), WORKERS, primary_route().timeout(TIMEOUT)).await?;
    let mut calls = JoinSet::new();
    // It takes 2,000 calls until it is known how long they take.
    send(&edge, &[ADAPTIVE], 2_200, Duration::from_micros(2_500), &mut calls).await;
    while calls.join_next().await.is_some() {}
    let services = [ADAPTIVE, IN_A_ROW].map(|name| edge.services.service(name));
    let before = services.each_ref().map(|service| service.counts().calls);
    services.iter().for_each(|service| service.set_mode(Mode::Hang));
    // 50 a second, for as long as it takes until three calls have timed out: fewer than the cluster
    // takes at a time.
    send(&edge, &[ADAPTIVE, IN_A_ROW], 790, Duration::from_millis(20), &mut calls).await;
    let [adaptive, in_a_row] = [0, 1].map(|it| services[it].counts().calls - before[it]);
    println!("a hang lets through: {adaptive} calls, {in_a_row} by three failures in a row");
    assert!(in_a_row >= 700, "{in_a_row}: the machine is too slow for that");
    assert!(adaptive * 6 <= in_a_row, "{adaptive} of {in_a_row}");
    assert_eq!(edge.breaker(ADAPTIVE).await?.state, "OPEN");
    calls.abort_all();
    Ok(())
}
