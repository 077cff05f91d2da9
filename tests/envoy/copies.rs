//! Uploads that never end, in a real Envoy: they end no VM, and switch nobody's replays off.

use anyhow::{Result, ensure};
use bytes::Bytes;
use edge_breaker_tests::{Edge, PATIENCE, PAYMENT, answered_by};
use envoy_harness::client::{Client, chunks, full};
use envoy_harness::config::cluster;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::upstream::{self, Upstream};

const PATH: &str = "/payment-service/charge";
const MIB: usize = 1024 * 1024;

/// A service that fails each request, when all of it has come.
async fn failing() -> Result<Upstream> {
    Upstream::start(|request| async move {
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok(http::Response::builder().status(503).body(upstream::full("failed"))?)
    })
    .await
}

async fn edge(service: &Upstream, max_request_bytes: usize) -> Result<Edge> {
    let plugin = json!({ "services": [{
        "name": PAYMENT,
        "trip": { "consecutive_failures": 1_000_000 },
        "fallback": { "cluster": "fallback", "timeout": "2m", "max_request_bytes": max_request_bytes },
    }] });
    Edge::setup(plugin).upstream(cluster("failing", service.address())).start().await
}

/// Uploads that have sent so much each, and do not end while their senders are there.
async fn uploads(edge: &Edge, number: usize, size: usize) -> Result<Vec<mpsc::Sender<Bytes>>> {
    let piece = Bytes::from(vec![b'x'; size.min(MIB)]);
    let mut tasks = JoinSet::new();
    for _ in 0..number {
        let (sender, body) = chunks();
        let request = edge.request("POST", PATH, body)?;
        let (client, piece) = (Client::new(), piece.clone());
        tokio::spawn(async move { client.open(request).await });
        tasks.spawn(async move {
            for _ in 0..size / piece.len() {
                sender.send(piece.clone()).await?;
            }
            anyhow::Ok(sender)
        });
    }
    let mut senders = Vec::new();
    while let Some(sender) = tasks.join_next().await {
        senders.push(sender??);
    }
    Ok(senders)
}

async fn is_replayed(edge: &Edge, bytes: usize) -> Result<()> {
    let request = edge.request("POST", PATH, full(vec![b'y'; bytes]))?;
    let response = edge.client.send(request).await?;
    ensure!(answered_by(&response) == "replay", "{bytes}: {response:?}");
    let body = &response.json()?["original_request"]["body"];
    ensure!(body.as_str().is_some_and(|body| body.len() == bytes), "another body");
    Ok(())
}

async fn evicted(edge: &Edge) -> Result<u64> {
    let name = "wasmcustom.cb_reason=.=evicted;.;edge_breaker_copies_skipped_total";
    edge.envoy.wait_for_counter(name, 1, PATIENCE).await
}

#[tokio::test]
async fn large_uploads_that_never_end_end_no_vm() -> Result<()> {
    let service = failing().await?;
    let edge = edge(&service, 16 * MIB).await?;
    let uploads = uploads(&edge, 63, 15 * MIB).await?;
    assert!(evicted(&edge).await? > 30);
    is_replayed(&edge, 1).await?;
    is_replayed(&edge, MIB).await?;
    assert!(edge.breaker(PAYMENT).await?.failure_count >= 2, "it looks after its calls");
    drop(uploads);
    Ok(())
}

#[tokio::test]
async fn one_clients_uploads_do_not_switch_replays_off_for_others() -> Result<()> {
    let service = failing().await?;
    let edge = edge(&service, 65536).await?;
    let uploads = uploads(&edge, 512, 65536).await?;
    for bytes in [1, 1000, 65536] {
        is_replayed(&edge, bytes).await?;
    }
    let limit = "wasmcustom.cb_reason=.=limit;.;edge_breaker_copies_skipped_total";
    assert_eq!(edge.envoy.counter(limit).await?, 0);
    drop(uploads);
    Ok(())
}
