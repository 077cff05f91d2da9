//! Names that are made of what Envoy knows of a request.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use edge_breaker_tests::{Edge, PATIENCE, PAYMENT, answered_by, clusters, primary_route};
use envoy_harness::client::{Client, empty};
use envoy_harness::config::Route;
use serde_json::json;

fn routes(edge: edge_breaker_tests::Setup) -> edge_breaker_tests::Setup {
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
    let plugin = json!({ "services": [{ "name": "{host}-{cluster}-{route}" }] });
    let edge = routes(Edge::setup(plugin)).start().await?;
    assert_eq!(edge.get("/other").await?.status, 200);
    let name = "127.0.0.1-fallback-the_other_one";
    let breaker = edge.breaker(&name.replace('-', "%2D")).await?;
    assert_eq!(breaker.state, "CLOSED");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_workers_guard_exactly_as_many_names_as_allowed() -> Result<()> {
    const ALLOWED: u64 = 5;
    const NAMES: u64 = 40;
    let plugin = json!({ "services": [{ "name": "{host}" }], "max_services": ALLOWED });
    let edge = Edge::setup(plugin).workers(4).start().await?;
    edge.services.service(PAYMENT).set_failure_rate(0.0);
    let clients: Vec<_> = (0..8).map(|_| Client::new()).collect();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..NAMES {
        for client in &clients {
            let request = edge.request("GET", "/payment-service/charge", empty())?;
            let (mut head, body) = request.into_parts();
            head.headers.insert("host", format!("h{number}.example").parse()?);
            let client = client.clone();
            calls.spawn(async move { client.send(http::Request::from_parts(head, body)).await });
        }
    }
    while let Some(answer) = calls.join_next().await {
        let status = answer??.status;
        ensure!(status == 200, "{status}");
    }
    let all = NAMES * u64::try_from(clients.len())?;
    let guarded = ALLOWED * u64::try_from(clients.len())?;
    let start = Instant::now();
    loop {
        let stats = edge.envoy.stats().await?;
        let of = |end: &str, part: &str| -> (u64, usize) {
            let found = stats.matching(part).filter(|(name, _)| name.ends_with(end));
            found.fold((0, 0), |(sum, count), (_, value)| (sum + value, count + 1))
        };
        let (left_alone, _) = of("unprotected_total", "cb_reason=.=max_services");
        let (settled, names) = of("calls_total", "cb_outcome=.=success");
        // Calls end a little after their answers.
        if left_alone + settled == all {
            assert_eq!((settled, names), (guarded, 5), "{left_alone} were left alone");
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            bail!("{left_alone} left alone and {settled} guarded, of {all}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
