//! Names that are made of what Envoy knows of a request.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use envoy_harness::client::{Client, empty};
use envoy_harness::config::Route;
use serde_json::json;
use tests::{Edge, PATIENCE, PAYMENT, answered_by, clusters, primary_route};

fn routes(edge: tests::Setup) -> tests::Setup {
    let other = Route::prefix("/other").name("the other/one").cluster(clusters::FALLBACK);
    edge.route(other.timeout(PATIENCE)).route(primary_route().name("main"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_configuration_each_cluster_has_a_breaker() -> Result<()> {
    for configuration in [None, Some("")] {
        let edge = routes(Edge::setup(json!({}))).written(configuration).workers(2).start().await?;
        edge.services.service(PAYMENT).set_failure_rate(1.0);
        for _ in 0..3 {
            let failed = edge.get("/payment-service/charge").await?;
            assert_eq!(
                (failed.status.as_u16(), answered_by(&failed)),
                (500, "downstream"),
                "{failed:?}"
            );
        }
        let diverted = edge.get("/payment-service/charge").await?;
        assert_eq!(
            (diverted.status.as_u16(), answered_by(&diverted)),
            (503, "response"),
            "{diverted:?}"
        );
        assert_eq!(edge.get("/other").await?.status, 200);
        let state = async |cluster| edge.metric(cluster, "", "state").await;
        assert_eq!((state(clusters::SERVICE).await?, state(clusters::FALLBACK).await?), (1, 0));
        assert_eq!(edge.outcomes(clusters::FALLBACK).await?.success, 1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_made_of_host_cluster_and_route_and_shown_under_its_own_path() -> Result<()> {
    let service = json!({ "name": "{host}-{cluster}-{route}", "match": { "hosts": ["*"] } });
    let edge = routes(Edge::setup(json!({ "services": [service] }))).start().await?;
    assert_eq!(edge.get("/other").await?.status, 200);
    let name = "127.0.0.1-fallback-the_other_one";
    let breaker = edge.breaker(&name.replace('-', "%2D")).await?;
    assert_eq!(breaker.state, "CLOSED");
    Ok(())
}

/// Sends a request to a host, and tells its status.
async fn call(edge: &Edge, client: &Client, host: &str, path: &str) -> Result<u16> {
    let (mut head, body) = edge.request("GET", path, empty())?.into_parts();
    head.headers.insert("host", host.parse()?);
    Ok(client.send(http::Request::from_parts(head, body)).await?.status.as_u16())
}

async fn trip(edge: &Edge, host: &str) -> Result<()> {
    edge.services.service(PAYMENT).set_failure_rate(1.0);
    for _ in 0..3 {
        ensure!(call(edge, &edge.client, host, "/payment-service/charge").await? == 500);
    }
    ensure!(call(edge, &edge.client, host, "/payment-service/charge").await? == 503);
    edge.services.service(PAYMENT).set_failure_rate(0.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_named_like_a_service_opens_no_breaker_but_its_own() -> Result<()> {
    let services = json!([
        { "name": "payment", "match": { "hosts": ["pay.example"] } },
        { "name": "{host}", "match": { "hosts": ["*"] } }
    ]);
    let edge = Edge::setup(json!({ "services": services })).workers(2).start().await?;
    trip(&edge, "payment").await?;
    assert_eq!(edge.breaker("payment").await?.state, "CLOSED");
    assert_eq!(edge.wait_for("host=payment", "OPEN", PATIENCE).await?.state, "OPEN");
    assert_eq!(call(&edge, &edge.client, "pay.example", "/payment-service/charge").await?, 200);
    assert_eq!(edge.outcomes("payment").await?.failure, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_invented_hosts_evicts_no_honest_one_and_leaves_none_without_a_breaker()
-> Result<()> {
    const ALLOWED: usize = 64;
    const MADE_UP: usize = 3_000;
    let plugin = json!({
        "services": [{
            "name": "{host}", "match": { "hosts": ["*"] }, "open": { "wait_duration": "24h" }
        }],
        "max_services": ALLOWED
    });
    let edge = Edge::setup(plugin).workers(4).alone().start().await?;
    trip(&edge, "down.example").await?;
    for _ in 0..5 {
        let status = call(&edge, &edge.client, "well.example", "/payment-service/charge").await?;
        ensure!(status == 200, "{status}");
    }
    let clients: Vec<_> = (0..8).map(|_| Client::new()).collect();
    let edge = std::sync::Arc::new(edge);
    let mut calls = tokio::task::JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        let edge = std::sync::Arc::clone(&edge);
        calls.spawn(async move {
            for made_up in (number..MADE_UP).step_by(8) {
                // Every tenth comes three times.
                for _ in 0..(if made_up % 10 == 0 { 3 } else { 1 }) {
                    let host = format!("h{made_up}.example");
                    let status = call(&edge, &client, &host, "/payment-service/charge").await?;
                    ensure!(status == 200, "{host}: {status}");
                }
            }
            Ok(())
        });
    }
    while let Some(ended) = calls.join_next().await {
        ended??;
    }
    // All workers have learned by now who is there.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for client in (0..8).map(|_| Client::new()) {
        let down = call(&edge, &client, "down.example", "/payment-service/charge").await?;
        let well = call(&edge, &client, "well.example", "/payment-service/charge").await?;
        assert_eq!((down, well), (503, 200));
    }
    trip(&edge, "late.example").await?;
    let url = format!("http://{}/circuit-breaker/services", edge.admin);
    let shown = edge.client.get(&url).await?.json()?;
    let shown = shown["services"].as_array().map_or(0, Vec::len);
    ensure!((3..=ALLOWED).contains(&shown), "{shown} are shown");
    let stats = edge.envoy.stats().await?;
    let counted: BTreeSet<_> = stats
        .matching("cb_service=.=")
        .filter_map(|(name, _)| Some(name.split_once("cb_service=.=")?.1.split_once(";.;")?.0))
        .filter(|name| !name.contains('/'))
        .collect();
    // Those of the honest ones, and `{host}` for all others.
    assert!(counted.contains("{host}") && counted.len() <= 4, "{counted:?}");
    let left_alone = stats.matching("unprotected_total").map(|(_, value)| value).sum::<u64>();
    assert_eq!(left_alone, 0);
    Ok(())
}
