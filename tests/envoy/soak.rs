//! Very many calls that run again, on one Envoy, whose memory is looked at meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use envoy_harness::client::{Client, full};
use envoy_harness::config::{Route, cluster};
use envoy_harness::is_native;
use http_body_util::BodyExt;
use serde_json::json;
use tests::{Edge, Outcomes, PATIENCE, PAYMENT, answered_by};
use tokio::task::JoinSet;

use crate::upstream::{self, Refusing, Upstream};

/// How many calls are under way at a time.
const AT_ONCE: u64 = 16;
/// How often memory is looked at.
const LOOKS: u64 = 10;
/// By how much it may grow after the first look: buffers of every size are in use somewhere by then, but a
/// proxy's allocator gives little back.
const GROWTH_MIB: f64 = 16.0;
/// Bodies, from none to as much as a proxy keeps.
const SIZES: [usize; 8] = [0, 1, 100, 4_096, 16_384, 65_536, 300_000, 1_048_575];
/// How calls fail: with a body, without one, and without an answer.
const WAYS: [&str; 3] = ["/body", "/bare", "/nobody"];

/// The number of replays that the environment asks for.
fn replays() -> Result<u64> {
    let number = std::env::var("REPLAYS").unwrap_or_else(|_| "10000".to_owned());
    number.parse().with_context(|| format!("REPLAYS={number}: not a number"))
}

fn resident_mib(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

async fn failing() -> Result<Upstream> {
    Upstream::start(|request| async move {
        let bare = request.uri().path() == "/bare";
        request.into_body().collect().await?;
        let body = if bare { upstream::empty() } else { upstream::full("failed") };
        Ok(http::Response::builder().status(503).body(body)?)
    })
    .await
}

/// Every eighth call has one of the longest bodies, which would otherwise be all that is measured.
fn size_of(number: u64) -> usize {
    let few = SIZES.len() as u64 - 2;
    let place = if number % 8 == 7 { few + number / 8 % 2 } else { number % few };
    SIZES[usize::try_from(place).unwrap_or_default()]
}

/// One client's share of calls, one after the other: each is replayed whole.
async fn call(url: String, client: Client, numbers: Vec<u64>, bytes: Bytes) -> Result<()> {
    for number in numbers {
        let way = WAYS[usize::try_from(number % 3)?];
        // Who refuses may be quicker than a body, and only what has come to its end runs again.
        let size = if way == "/nobody" { 0 } else { size_of(number) };
        let body = bytes.slice(..size);
        let request = http::Request::post(format!("{url}{way}")).body(full(body.clone()))?;
        let response = client.send(request).await.with_context(|| format!("call {number}"))?;
        ensure!(answered_by(&response) == "replay", "call {number}: {response:?}");
        ensure!(response.status == 200 && response.body == body, "call {number} was cut");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes as long as REPLAYS says"]
async fn calls_that_run_again_leave_no_memory_behind() -> Result<()> {
    ensure!(is_native(), "FORM=native: a module for proxies cannot have a request run again");
    let (replays, nobody) = (replays()?, Refusing::bind()?);
    let (service, fallback) = (failing().await?, Upstream::echo().await?);
    let mut of_nobody = cluster("nobody", nobody.address());
    of_nobody["circuit_breakers"] = json!({ "thresholds": [{ "max_retries": 1000 }] });
    let keeping = |prefix: &str, cluster: &str| {
        let route = Route::prefix(prefix).cluster(cluster).timeout(PATIENCE);
        route.retries(0, Duration::from_millis(25))
    };
    let edge = Edge::setup(json!({ "services": [{
        "name": PAYMENT,
        "trip": { "consecutive_failures": 1_000_000_000 },
        "fallback": { "cluster": "other" },
    }] }))
    .alone()
    .workers(2)
    .cluster(cluster("failing", service.address()))
    .cluster(cluster("other", fallback.address()))
    .cluster(of_nobody)
    .route(keeping("/nobody", "nobody"))
    .route(keeping("/", "failing"))
    .start()
    .await?;
    let bytes: Bytes = (0..SIZES[7]).map(|number| (number % 251) as u8).collect::<Vec<_>>().into();
    let clients: Vec<_> = (0..AT_ONCE)
        .map(|number| if number % 2 == 0 { Client::new() } else { Client::http2() })
        .collect();
    let (each, mut sizes, began) = (replays / LOOKS, Vec::new(), Instant::now());
    for look in 0..LOOKS {
        let mut all = JoinSet::new();
        for (place, client) in (0..).zip(&clients) {
            let numbers =
                (look * each..(look + 1) * each).filter(|number| number % AT_ONCE == place);
            all.spawn(call(edge.url(""), client.clone(), numbers.collect(), bytes.clone()));
        }
        while let Some(done) = all.join_next().await {
            done??;
        }
        sizes.push(resident_mib(edge.envoy.pid())?);
        eprintln!(
            "{} replays, {:.0} s: {:.1} MiB",
            (look + 1) * each,
            began.elapsed().as_secs_f64(),
            sizes[sizes.len() - 1]
        );
    }
    let made = each * LOOKS;
    edge.wait_for_outcomes(PAYMENT, Outcomes { failure: made, ..Outcomes::default() }).await?;
    let counted = edge.metric(PAYMENT, "cb_kind=.=replay;.;", "fallback_total").await?;
    assert_eq!(counted, made);
    let growth = sizes[sizes.len() - 1] - sizes[0];
    // A tool has memory of its own, which grows with what it has seen.
    let is_under_tool = std::env::var_os("ENVOY_UNDER").is_some();
    ensure!(is_under_tool || growth < GROWTH_MIB, "{growth:.1} MiB more than after a tenth");
    Ok(())
}
