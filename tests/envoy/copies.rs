//! Uploads that never end, in a real Envoy: they end no VM, and switch nobody's replays off.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use envoy_harness::client::{Client, chunks, full};
use envoy_harness::config::cluster;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tests::{Edge, PATIENCE, PAYMENT, answered_by, is_left_to_wasm};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::upstream::{self, Upstream};

const PATH: &str = "/payment-service/charge";
const MIB: usize = 1024 * 1024;
const SMALL: u32 = 256 * 1024;
/// How many connections are made at the same time.
const AT_ONCE: usize = 50;
const BUDGET: usize = 32 * MIB;

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

/// A service that has taken so many requests, and fails them all when it is told to.
async fn patient(go: watch::Receiver<bool>) -> Result<(Upstream, mpsc::UnboundedReceiver<()>)> {
    let (came, all) = mpsc::unbounded_channel();
    let service = Upstream::start(move |request| {
        let (mut go, came) = (go.clone(), came.clone());
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                frame?;
            }
            came.send(())?;
            go.wait_for(|go| *go).await?;
            Ok(http::Response::builder().status(503).body(upstream::full("failed"))?)
        }
    });
    Ok((service.await?, all))
}

/// How large the largest memory of a module is in a proxy. V8 keeps room for each to grow, so it is a
/// mapping before one that is set aside.
fn module_memory(pid: u32) -> Result<usize> {
    const ROOM: usize = 1024 * MIB;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mappings = maps.lines().map(|line| {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next()?, fields.next()?);
        let (start, end) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some((number(start)?, number(end)?, rights))
    });
    let mappings: Vec<_> = mappings.collect::<Option<_>>().context("maps that are unlike any")?;
    let memories = mappings.array_windows().filter_map(|[memory, room]| {
        let (start, end, rights) = *memory;
        let is_one = rights == "rw-p" && room.2 == "---p" && room.0 == end;
        (is_one && room.1 - room.0 >= ROOM).then_some(end - start)
    });
    memories.max().context("no module has any memory")
}

/// How much memory the module has while so many uploads of a MiB wait to be answered, and how many of them
/// the fallback answers.
async fn waiting(fallback: Value, uploads: usize) -> Result<(usize, usize)> {
    let (go, told) = watch::channel(false);
    let (service, mut came) = patient(told).await?;
    let mut failing = cluster("failing", service.address());
    failing["circuit_breakers"] = json!({ "thresholds": [{
        "max_connections": 2 * uploads, "max_requests": 2 * uploads, "max_pending_requests": 2 * uploads,
    }]});
    let plugin = json!({
        "limits": { "max_copied_bytes": BUDGET },
        "services": [{
            "name": PAYMENT, "trip": { "consecutive_failures": 1_000_000 }, "fallback": fallback,
        }],
    });
    failing["per_connection_buffer_limit_bytes"] = json!(SMALL);
    // The proxy itself is to hold little.
    let edge = Edge::setup(plugin).upstream(failing).buffer_limit(SMALL).alone().start().await?;
    let (client, body) = (edge.client.clone(), Bytes::from(vec![b'x'; MIB]));
    let mut answers = JoinSet::new();
    for sent in 1..=uploads {
        let request = edge.request("POST", PATH, full(body.clone()))?;
        let client = client.clone().timeout(PATIENCE);
        answers.spawn(async move { client.send(request).await });
        if sent % AT_ONCE == 0 {
            for _ in 0..AT_ONCE {
                let come = tokio::time::timeout(PATIENCE, came.recv()).await;
                come.context("the uploads have not come")?.context("the service is gone")?;
            }
        }
    }
    let memory = module_memory(edge.envoy.pid())?;
    go.send_replace(true);
    let mut replayed = 0;
    while let Some(answer) = answers.join_next().await {
        let answer = answer??;
        replayed += usize::from(answered_by(&answer) == "replay");
        let expected = if answered_by(&answer) == "replay" { 200 } else { 503 };
        ensure!(answer.status == expected, "{answer:?}");
    }
    Ok((memory, replayed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_uploads_that_wait_for_an_answer_hold_no_more_than_the_budget() -> Result<()> {
    if is_left_to_wasm("the memory of a VM can be told from the proxy's own") {
        return Ok(());
    }
    const UPLOADS: usize = 1_000;
    let none = json!({ "cluster": "fallback", "on_failure": false });
    let (without, replayed) = waiting(none, UPLOADS).await?;
    assert_eq!(replayed, 0);
    let copied = json!({ "cluster": "fallback", "timeout": "2m", "max_request_bytes": 2 * MIB });
    let (with, replayed) = waiting(copied, UPLOADS).await?;
    eprintln!("{} KiB without copies, {} KiB with them", without / 1024, with / 1024);
    ensure!((24..=32).contains(&replayed), "those for whose copies there was room: {replayed}");
    // Beside the copies there are the heads of a thousand calls, one piece of a body at a time, and holes
    // between pieces: memory never shrinks.
    let most = without + BUDGET + BUDGET / 4;
    ensure!(with <= most, "{with} bytes, and {without} without copies");
    Ok(())
}
