//! Real proxies that agree through a real etcd, and through a DynamoDB that moto plays.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use envoy_harness::config::cluster;
use serde_json::{Value, json};
use services::{Health, Mode};
use tests::etcd::Etcd;
use tests::moto::{Moto, REGION, TABLE};
use tests::pages::Page;
use tests::{Edge, PATIENCE, PAYMENT, clusters};

const PATH: &str = "/payment-service/charge";
const SYNC: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_millis(300);
const STALENESS: Duration = Duration::from_secs(3);
/// A process that is older reports.
const GROWN_UP: Duration = Duration::from_millis(4_500);
/// What a look at the admin API may take, and a tick.
const LOOK: Duration = Duration::from_millis(300);

fn plugin(store: &Value) -> Value {
    let mut plugin = json!({
        "services": [{
            "name": PAYMENT,
            "health_check": {
                "cluster": clusters::HEALTH, "path": "/payment-service", "interval": "1s",
            },
        }],
        "fleet": { "sync_interval": "500ms", "timeout": "300ms", "max_staleness": "3s" },
    });
    for (field, value) in store.as_object().into_iter().flatten() {
        plugin["fleet"][field] = value.clone();
    }
    plugin
}

fn in_etcd() -> Value {
    json!({ "store": "etcd", "cluster": "etcd", "prefix": "tests/fleet" })
}

fn in_dynamodb() -> Value {
    json!({ "store": "dynamodb", "cluster": "dynamodb", "table": TABLE, "region": REGION })
}

/// Three proxies, two workers each, which are old enough to report.
async fn proxies(store: &Value, cluster: &Value) -> Result<Vec<Edge>> {
    let mut edges = Vec::new();
    for _ in 0..3 {
        let setup = Edge::setup(plugin(store)).alone().workers(2);
        edges.push(setup.cluster(cluster.clone()).start().await?);
    }
    tokio::time::sleep(GROWN_UP).await;
    Ok(edges)
}

/// Has the service fail or answer, behind all of them.
fn set_service(edges: &[Edge], mode: Mode, health: Health) {
    for edge in edges {
        edge.services.service(PAYMENT).set_mode(mode);
        edge.services.service(PAYMENT).set_health(health);
    }
}

async fn trip(edge: &Edge) -> Result<()> {
    for _ in 0..3 {
        edge.get(PATH).await?;
    }
    ensure!(edge.breaker(PAYMENT).await?.state == "OPEN");
    Ok(())
}

async fn shown(edge: &Edge) -> Result<Value> {
    edge.get("/circuit-breaker/fleet").await?.json()
}

async fn synced(edge: &Edge, result: &str) -> Result<u64> {
    let name = format!("wasmcustom.cb_result=.={result};.;edge_breaker_fleet_sync_total");
    edge.envoy.counter(&name).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make test-deep: takes etcd"]
async fn a_trip_in_two_proxies_opens_the_third_and_the_first_check_that_passes_lets_all_leave()
-> Result<()> {
    let etcd = Etcd::start().await?;
    agree(proxies(&in_etcd(), &cluster("etcd", etcd.address())).await?).await
}

/// The policy of the page, which is all that a filter needs.
fn policy() -> Result<Value> {
    Ok(serde_json::from_str(Page::read("docs/fleet.md")?.block("json policy")?)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make test-deep: takes moto"]
async fn proxies_agree_through_dynamodb_with_the_rights_of_the_page() -> Result<()> {
    let moto = Moto::start(&policy()?).await?;
    agree(proxies(&in_dynamodb(), &moto.cluster("dynamodb", None)).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make test-deep: takes moto"]
async fn a_secret_that_is_wrong_leaves_each_proxy_with_its_own_verdict_and_is_told() -> Result<()> {
    let moto = Moto::start(&policy()?).await?;
    let edges = proxies(&in_dynamodb(), &moto.cluster("dynamodb", Some("wrong"))).await?;
    set_service(&edges, Mode::Status(500), Health::Sick);
    trip(&edges[0]).await?;
    trip(&edges[1]).await?;
    tokio::time::sleep(STALENESS).await;
    assert_eq!(edges[2].breaker(PAYMENT).await?.state, "CLOSED");
    assert_eq!(synced(&edges[2], "ok").await?, 0);
    ensure!(synced(&edges[2], "failed").await? >= 3);
    edges[2].envoy.wait_for_log("event=fleet_store_silent", PATIENCE).await?;
    ensure!(edges[2].envoy.log().contains("aws_request_signing"), "{}", edges[2].envoy.log());
    Ok(())
}

/// Two of three proxies trip, and the third follows, there and back.
async fn agree(edges: Vec<Edge>) -> Result<()> {
    set_service(&edges, Mode::Status(500), Health::Sick);
    trip(&edges[0]).await?;
    trip(&edges[1]).await?;
    let third = edges[2].wait_for(PAYMENT, "OPEN", 6 * SYNC).await?;
    assert_eq!(third.trip_reason.as_deref(), Some("fleet"));
    assert_eq!(edges[2].outcomes(PAYMENT).await?.failure, 0, "it has sent the service no call");
    let diverted = edges[2].get(PATH).await?;
    assert_eq!(diverted.header("x-circuit-breaker-reason"), None);
    assert_eq!(edges[2].metric(PAYMENT, "cb_reason=.=fleet;.;", "not_permitted_total").await?, 1);
    let shown = shown(&edges[2]).await?;
    let service = &shown["seen"]["services"][0];
    assert_eq!((&service["service_name"], &service["open"]), (&json!(PAYMENT), &json!(true)));
    assert_eq!(service["standing"], "follows", "{shown}");
    let reporters = service["reporters"].as_array().context("no reporters")?;
    assert_eq!(reporters.len(), 2, "{shown}");

    // For as long as it is down, all stay open, and one in the region asks.
    tokio::time::sleep(Duration::from_secs(4)).await;
    for edge in &edges {
        assert_eq!(edge.breaker(PAYMENT).await?.state, "OPEN");
    }
    set_service(&edges, Mode::Normal, Health::Healthy);
    let start = Instant::now();
    let first = loop {
        ensure!(start.elapsed() < PATIENCE, "nobody leaves the open state");
        let mut left = false;
        for edge in &edges {
            left |= edge.breaker(PAYMENT).await?.state != "OPEN";
        }
        if left {
            break Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    for edge in &edges {
        let left = 2 * SYNC + TIMEOUT + LOOK;
        edge.wait_for(PAYMENT, "HALF_OPEN", left.saturating_sub(first.elapsed())).await?;
    }
    for edge in &edges {
        assert_eq!(edge.get(PATH).await?.status, 200);
        edge.wait_for(PAYMENT, "CLOSED", PATIENCE).await?;
    }
    // What was reported before opens nobody again.
    tokio::time::sleep(STALENESS).await;
    for edge in &edges {
        assert_eq!(edge.breaker(PAYMENT).await?.state, "CLOSED");
        let (ok, failed) = (synced(edge, "ok").await?, synced(edge, "failed").await?);
        ensure!(ok > 20 && failed <= 2, "{ok} looks went well, and {failed} did not");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make test-deep: takes etcd"]
async fn a_store_that_is_killed_or_hangs_leaves_each_proxy_with_its_own_verdict_and_holds_up_no_request()
-> Result<()> {
    let mut etcd = Etcd::start().await?;
    let edges = proxies(&in_etcd(), &cluster("etcd", etcd.address())).await?;
    for hangs in [true, false] {
        set_service(&edges, Mode::Status(500), Health::Sick);
        trip(&edges[0]).await?;
        trip(&edges[1]).await?;
        edges[2].wait_for(PAYMENT, "OPEN", 6 * SYNC).await?;
        if hangs {
            etcd.hang(true)?
        } else {
            etcd.kill()?
        }
        // By then each asks for itself.
        tokio::time::sleep(STALENESS + TIMEOUT).await;
        for edge in &edges {
            assert_eq!(edge.breaker(PAYMENT).await?.state, "OPEN");
            ensure!(synced(edge, "failed").await? >= 2);
        }
        set_service(&edges, Mode::Normal, Health::Healthy);
        for edge in &edges {
            edge.wait_for(PAYMENT, "HALF_OPEN", Duration::from_millis(1_500) + LOOK).await?;
            for _ in 0..20 {
                let start = Instant::now();
                assert_eq!(edge.get(PATH).await?.status, 200);
                ensure!(start.elapsed() < TIMEOUT, "a request has waited: {:?}", start.elapsed());
            }
            assert_eq!(edge.breaker(PAYMENT).await?.state, "CLOSED");
        }
        if hangs {
            etcd.hang(false)?
        } else {
            etcd.restart().await?
        }
        // It comes back, and nobody opens by what was said before.
        let before = synced(&edges[2], "ok").await?;
        let start = Instant::now();
        while synced(&edges[2], "ok").await? < before + 6 {
            ensure!(start.elapsed() < PATIENCE, "the store is not looked at");
            tokio::time::sleep(SYNC).await;
        }
        for edge in &edges {
            assert_eq!(edge.breaker(PAYMENT).await?.state, "CLOSED");
        }
        ensure!(edges[2].envoy.log().contains("event=fleet_store_answers"));
    }
    Ok(())
}
