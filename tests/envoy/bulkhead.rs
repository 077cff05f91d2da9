//! Two hundred clients, four workers and ten places: the bulkhead is one.

use std::time::Duration;

use anyhow::{Context, Result};
use envoy_harness::client::Client;
use serde_json::{Value, json};
use services::Mode;
use tests::{Edge, PAYMENT, answered_by};
use tokio::task::JoinSet;

use tests::load::{Load, WITHIN, patient_fallback, patient_route};

const WORKERS: u32 = 4;
const CLIENTS: usize = 200;
const PLACES: u64 = 10;
const PATH: &str = "/payment-service/charge";

async fn start(bulkhead: Value) -> Result<Edge> {
    let plugin = json!({
        "expose_state": "always",
        "services": [{ "name": PAYMENT, "fallback": patient_fallback(), "bulkhead": bulkhead }],
    });
    Edge::start_with(plugin, WORKERS, patient_route()).await
}

async fn ten_places() -> Result<Edge> {
    start(json!({ "max_concurrent_calls": PLACES })).await
}

/// Waits until so many calls are under way at the service, and no more.
async fn until_in_flight(edge: &Edge, wanted: u64) -> Result<()> {
    let service = edge.services.service(PAYMENT);
    let reached = service.until(|counts| counts.in_flight == wanted);
    let why = || format!("{wanted} in flight: {:?}", service.counts());
    tokio::time::timeout(WITHIN, reached).await.with_context(why)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_share_ten_permits_and_use_all_of_them() -> Result<()> {
    let edge = ten_places().await?;
    let service = edge.services.service(PAYMENT);
    // Far more than it takes to have a place taken again.
    service.set_latency(Duration::from_secs(1));
    let load = Load::start(CLIENTS, &edge.url(PATH));
    until_in_flight(&edge, PLACES).await?;

    // A place that has just been given back is not taken yet: what counts is most of the time.
    let mut used = Vec::new();
    while load.tally().by("downstream") < 150 {
        used.push(service.in_flight());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let tally = load.stop().await;
    used.sort_unstable();
    let median = used[used.len() / 2];
    assert!(median >= 8, "half of the time no more than {median} in flight: {used:?}");
    assert!(service.max_in_flight() <= PLACES, "{}", service.max_in_flight());
    assert_eq!(service.calls(), tally.by("downstream"), "{tally}");
    assert_eq!(tally.all(), tally.by("downstream") + tally.by("cluster"), "{tally}");
    let closed = tally.count(|answer| answer.state == "CLOSED" && answer.status == "200");
    assert_eq!(closed, tally.all(), "a full bulkhead is no failure: {tally}");

    let full = edge.metric(PAYMENT, "cb_reason=.=bulkhead;.;", "not_permitted_total").await?;
    assert_eq!(full, tally.by("cluster"), "{tally}");
    until_at_rest(&edge).await
}

/// Waits until the gauge says that nothing is under way.
async fn until_at_rest(edge: &Edge) -> Result<()> {
    let rest = async {
        while edge.metric(PAYMENT, "", "in_flight").await? > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(WITHIN, rest).await.context("calls are still counted as under way")?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_permit_that_returns_is_acquired_again_while_demand_lasts() -> Result<()> {
    const ROUNDS: usize = 50;
    let edge = ten_places().await?;
    let service = edge.services.service(PAYMENT);
    service.set_mode(Mode::Hang);
    // Whoever has a place holds it until it is told to go, and another client comes.
    let mut holders = JoinSet::new();
    let hold = |holders: &mut JoinSet<Result<()>>| {
        let url = edge.url(PATH);
        holders.spawn(async move {
            let answer = Client::new().get(&url).await?;
            anyhow::bail!("a call that hangs was answered by {}", answered_by(&answer))
        })
    };
    let clients: Vec<_> = (0..PLACES).map(|_| hold(&mut holders)).collect();
    until_in_flight(&edge, PLACES).await?;
    let load = Load::start(CLIENTS, &edge.url(PATH));
    load.until_more(1_000).await?;
    assert_eq!(service.in_flight(), PLACES);
    assert_eq!(load.tally().by("cluster"), load.tally().all(), "{}", load.tally());

    // Those of the load that get a place hang in their turn; ten of the others are freed.
    for client in clients {
        client.abort();
        let calls = service.calls();
        let taken = service.until(|counts| counts.calls > calls && counts.in_flight == PLACES);
        tokio::time::timeout(WITHIN, taken).await.context("the place is not taken again")?;
    }
    // The proxy has the place back before the service hears that its caller has gone.
    assert!(service.max_in_flight() <= PLACES + 3, "{}", service.max_in_flight());
    for _ in 0..ROUNDS {
        let answers = load.tally().by("cluster");
        load.until("the others are turned away", |tally| tally.by("cluster") > answers).await?;
        assert_eq!(service.in_flight(), PLACES);
    }
    drop(load);
    until_in_flight(&edge, 0).await?;
    until_at_rest(&edge).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_class_of_calls_cannot_take_the_permits_of_the_others() -> Result<()> {
    let edge = start(json!({
        "max_concurrent_calls": PLACES,
        "on_full": "reject",
        "partitions": [{
            "name": "batch",
            "match": { "path_prefixes": ["/payment-service/batch"] },
            "max_concurrent_calls": 3
        }]
    }))
    .await?;
    let service = edge.services.service(PAYMENT);
    service.set_mode(Mode::Hang);
    let batch = Load::start(CLIENTS, &edge.url("/payment-service/batch"));
    until_in_flight(&edge, 3).await?;
    let rejected = batch.until_all(1_001).await?;
    assert_eq!(rejected.count(|answer| answer.status == "503"), rejected.all(), "{rejected}");
    let others = Load::start(CLIENTS, &edge.url(PATH));
    until_in_flight(&edge, PLACES).await?;
    others.until_all(1_001).await?;
    assert_eq!((service.in_flight(), service.max_in_flight()), (PLACES, PLACES));
    drop((batch, others));
    until_in_flight(&edge, 0).await?;
    until_at_rest(&edge).await
}
