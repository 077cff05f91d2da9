//! One hostile client beside an honest one: whatever it sends, the breaker of a healthy service never
//! leaves CLOSED.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use envoy_harness::client::RawConnection;
use envoy_harness::config::cluster;
use fastrand::Rng;
use http::{Method, Response};
use http_body_util::BodyExt;
use serde_json::json;
use tests::{Edge, PAYMENT, answered_by, primary_route};
use tokio::sync::Semaphore;

use crate::upstream::{Upstream, empty, full};

/// As many requests as the hostile client sends, and so many at a time.
const REQUESTS: usize = 10_000;
const AT_A_TIME: usize = 200;

/// Healthy: it answers what it knows, and says so of what it does not.
async fn healthy() -> Result<Upstream> {
    Upstream::start(|request| async move {
        let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];
        if !known.contains(request.method()) {
            return Ok(Response::builder().status(501).body(empty())?);
        }
        let large = request.uri().path().ends_with("/large");
        request.into_body().collect().await?;
        let body = if large { vec![b'.'; 3_000_000] } else { b"{}".to_vec() };
        let answer = Response::builder().header("content-type", "application/json");
        Ok(answer.body(full(body))?)
    })
    .await
}

/// A request of some kind, and how the client goes on after it.
struct Hostile {
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    /// It reads its answer.
    Read,
    /// It goes away at once.
    Leave,
    /// It goes away in a while, and reads nothing meanwhile.
    Stall(Duration),
}

fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(0..of.len())]
}

fn hostile(rng: &mut Rng) -> Hostile {
    let methods =
        ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW", "PROPFIND", "TRACE"];
    let types = [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc-web",
        "text/event-stream",
        "application/json",
        "multipart/form-data; boundary=x",
    ];
    let deadlines = ["1", "10", "100", "0", "99999999"];
    let mut head = format!(
        "{} /payment-service/{} HTTP/1.1\r\nhost: {}\r\n",
        pick(rng, &methods),
        pick(rng, &["charge", "large", "large", "a%00b"]),
        pick(rng, &["payment", "payment-service", "evil.example", "payment:99", "[::1]"]),
    );
    if rng.bool() {
        head += &format!("content-type: {}\r\n", pick(rng, &types));
    }
    if rng.u8(0..4) == 0 {
        let name = pick(
            rng,
            &["x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms"],
        );
        head += &format!("{name}: {}\r\n", pick(rng, &deadlines));
    }
    if rng.u8(0..4) == 0 {
        head +=
            &format!("grpc-timeout: {}\r\nte: trailers\r\n", pick(rng, &["1n", "1m", "10S", "x"]));
    }
    if rng.u8(0..8) == 0 {
        head +=
            "x-envoy-retry-on: retriable-status-codes\r\nx-envoy-retriable-status-codes: 200\r\n";
    }
    if rng.u8(0..8) == 0 {
        let upgrades = ["upgrade: websocket\r\nconnection: upgrade\r\n", "upgrade: x\r\n"];
        head += *pick(rng, &upgrades);
    }
    if rng.u8(0..8) == 0 {
        head += "x-circuit-breaker-cluster: fallback\r\nx-circuit-breaker-state: OPEN\r\n";
    }
    let body = vec![b'x'; *pick(rng, &[0, 1, 100, 20_000])];
    let mut bytes = match rng.u8(0..4) {
        0 => (head + "\r\n").into_bytes(),
        1 => {
            let chunk = format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len().max(1));
            let mut bytes = (head + &chunk).into_bytes();
            bytes.extend(&body);
            bytes.extend(*pick(rng, &[&b"\r\n0\r\n\r\n"[..], b"\r\n", b"zz", b""]));
            bytes
        }
        // All of it, or as much less as it likes.
        announced => {
            let missing = if announced == 2 { 0 } else { 1_000 };
            let length = format!("content-length: {}\r\n\r\n", body.len() + missing);
            let mut bytes = (head + &length).into_bytes();
            bytes.extend(&body);
            bytes
        }
    };
    if rng.u8(0..10) == 0 {
        bytes.truncate(rng.usize(0..bytes.len()));
    }
    let then = match rng.u8(0..10) {
        0..6 => Then::Read,
        6..8 => Then::Leave,
        _ => Then::Stall(Duration::from_millis(rng.u64(0..4_000))),
    };
    Hostile { bytes, then }
}

async fn attack(address: std::net::SocketAddr, Hostile { bytes, then }: Hostile) -> Result<()> {
    let mut connection = RawConnection::connect(address).await?;
    connection.send(bytes).await?;
    match then {
        Then::Read => {
            // Nothing may come: not every request is one.
            let patience = Duration::from_millis(1_500);
            let _ = tokio::time::timeout(patience, connection.read_head()).await;
        }
        Then::Leave => {}
        Then::Stall(time) => tokio::time::sleep(time).await,
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_stranger_opens_the_breaker_of_a_healthy_service() -> Result<()> {
    let service = healthy().await?;
    let plugin = json!({ "services": [{
        "name": PAYMENT,
        "match": { "path_prefixes": ["/payment-service"] },
        "trip": {
            "consecutive_failures": 3,
            "failure_rate_threshold": 50,
            "slow_call_rate_threshold": 80,
            "slow_call_duration_threshold": "5s"
        },
        "fallback": { "cluster": "fallback" },
    }] });
    let trusted = json!({ "cidr_ranges": [{ "address_prefix": "127.0.0.0", "prefix_len": 8 }] });
    let edge = Edge::setup(plugin)
        .workers(2)
        .cluster(cluster("healthy", service.address()))
        .route(primary_route().cluster("healthy").timeout(Duration::from_secs(3)))
        // It trusts them all, so that deadlines and retries of their own are heeded.
        .option("use_remote_address", json!(true))
        .option("internal_address_config", trusted)
        .option("request_timeout", json!("1s"))
        // A healthy service begins to answer in this time, on a busy machine too.
        .option("stream_idle_timeout", json!("3s"))
        .start()
        .await?;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);

    let over = Arc::new(AtomicBool::new(false));
    let honest = {
        let (client, url) = (edge.client.clone(), edge.url("/payment-service/charge"));
        let over = Arc::clone(&over);
        tokio::spawn(async move {
            let mut calls = 0;
            while !over.load(Ordering::Relaxed) {
                let response = client.get(&url).await?;
                anyhow::ensure!(response.status == 200, "an honest call: {response:?}");
                anyhow::ensure!(answered_by(&response) == "downstream", "diverted: {response:?}");
                calls += 1;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            anyhow::Ok(calls)
        })
    };
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    for _ in 0..REQUESTS {
        let place = Arc::clone(&places).acquire_owned().await?;
        let (hostile, address) = (hostile(&mut rng), edge.address);
        tokio::spawn(async move {
            let _ = attack(address, hostile).await;
            drop(place);
        });
    }
    let _all = places.acquire_many(u32::try_from(AT_A_TIME)?).await?;
    over.store(true, Ordering::Relaxed);
    let calls = honest.await??;
    assert!(calls > 10, "{calls} honest calls");

    let breaker = edge.breaker(PAYMENT).await?;
    let outcomes = edge.outcomes(PAYMENT).await?;
    println!("{calls} honest calls; {outcomes:?}");
    assert_eq!((breaker.state.as_str(), breaker.generation), ("CLOSED", 1), "{outcomes:?}");
    assert!(outcomes.aborted > 100 && outcomes.ignored > 100, "an idle enemy: {outcomes:?}");
    Ok(())
}
