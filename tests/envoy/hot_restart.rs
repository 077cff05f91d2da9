//! A hot restart: a new process takes over while the old one serves what it has left. What the new one's metrics show.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use envoy_harness::client::Client;
use envoy_harness::{Envoy, EnvoyOptions};
use serde_json::json;
use services::{Ports, Services};
use tests::{Edge, PATIENCE, PAYMENT, bootstrap, primary_route, protected};

/// How long the old process lives on.
const OLD: Duration = Duration::from_secs(15);

async fn start(services: &Services, address: SocketAddr, epoch: u32) -> Result<Envoy> {
    let plugin = json!({
        "admin": {},
        "services": [{ "name": PAYMENT, "open": { "wait_duration": "5m" } }],
    });
    let listener = protected(&plugin, primary_route())?.address(address);
    let mut config = bootstrap(services).listener(listener).build();
    config["stats_flush_interval"] = json!("0.2s");
    let options = EnvoyOptions::new(config).hot_restart(std::process::id(), epoch);
    let old = OLD.as_secs().to_string();
    options.arg("--drain-time-s").arg(&old).arg("--parent-shutdown-time-s").arg(&old).start().await
}

/// Waits until it is so.
async fn until(mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so().await? {
        ensure!(start.elapsed() < PATIENCE, "it is not so after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Waits until the gauge of the state shows this.
async fn shows(edge: &Edge, state: u64) -> Result<()> {
    until(async || Ok(edge.metric(PAYMENT, "", "state").await? == state)).await
}

async fn diverted(edge: &Edge) -> Result<u64> {
    edge.metric(PAYMENT, "cb_reason=.=open;.;", "not_permitted_total").await
}

#[tokio::test]
async fn gauges_are_the_sum_of_both_processes_until_the_old_one_has_ended() -> Result<()> {
    let services = Services::start(Ports::default()).await?;
    services.service(PAYMENT).set_failure_rate(1.0);
    let old = start(&services, SocketAddr::from(([127, 0, 0, 1], 0)), 0).await?;
    let address = old.listener_addr("edge").await?;
    let old = Edge { envoy: old.into(), services, client: Client::new(), address, admin: address };
    for _ in 0..4 {
        old.get("/payment-service/charge").await?;
    }
    assert_eq!(old.breaker(PAYMENT).await?.state, "OPEN");
    shows(&old, 1).await?;

    let Edge { envoy: mut old, services, client: old_client, .. } = old;
    let new = start(&services, address, 1).await?;
    let mut new =
        Edge { envoy: new.into(), services, client: Client::new(), address, admin: address };
    // It begins anew. For a moment the old one takes new connections as well.
    until(async || {
        new.client = Client::new();
        Ok(new.breaker(PAYMENT).await?.state == "CLOSED")
    })
    .await?;
    shows(&new, 1).await?;
    // What the old process counted since its last flush comes along, and nothing from before.
    let failures = new.outcomes(PAYMENT).await?.failure;
    ensure!(failures == 0 || failures == 3, "{failures}");
    for _ in 0..3 {
        new.get("/payment-service/charge").await?;
    }
    assert_eq!(new.breaker(PAYMENT).await?.state, "OPEN");
    shows(&new, 2).await?;
    assert_eq!(new.outcomes(PAYMENT).await?.failure, failures + 3);

    // What the old process goes on counting is added.
    let before = diverted(&new).await?;
    old_client.get(&new.url("/payment-service/charge")).await?;
    until(async || Ok(diverted(&new).await? == before + 1)).await?;

    shows(&new, 1).await?;
    until(async || Ok(old.exit_status()?.is_some())).await
}
