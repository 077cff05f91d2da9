//! Stale answers in a real Envoy: bytes as they were, on every worker, marked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use envoy_harness::client::Client;
use envoy_harness::config::cluster;
use http::Response;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use serde_json::json;
use tests::{Edge, PAYMENT, answered_by};

use crate::upstream::{Body, Upstream, full};

const WORKERS: u32 = 4;
/// What nobody could take for text.
const ZIPPED: &[u8] = b"\x1f\x8b\x08\x00\x00\xff\xfe\x00\r\n\r\n0\r\n";

/// A service that answers well, or not at all.
struct Shop {
    service: Upstream,
    is_down: Arc<AtomicBool>,
}

impl Shop {
    async fn open() -> Result<Self> {
        let is_down = Arc::new(AtomicBool::new(false));
        let down = Arc::clone(&is_down);
        let service = Upstream::start(move |request| {
            let down = down.load(Ordering::SeqCst);
            async move {
                ensure!(!down, "closed");
                let answer = Response::builder().header("etag", "\"7\"");
                Ok(match request.uri().path() {
                    "/zipped" => answer
                        .header("content-encoding", "gzip")
                        .header("vary", "accept-encoding")
                        .body(full(ZIPPED)),
                    "/pieces" => answer.body(pieces()),
                    "/mine" => answer.header("set-cookie", "a=b").body(full("mine")),
                    _ => answer.body(full("goods")),
                }?)
            }
        })
        .await?;
        Ok(Self { service, is_down })
    }

    fn close(&self) {
        self.is_down.store(true, Ordering::SeqCst);
    }
}

/// A body of unknown length, in ten pieces.
fn pieces() -> Body {
    let (mut frames, body) = Channel::<Bytes, anyhow::Error>::new(1);
    tokio::spawn(async move {
        for number in 0..10_u8 {
            let piece = vec![number; 3_000];
            if frames.send_data(Bytes::from(piece)).await.is_err() {
                return;
            }
        }
    });
    body.boxed_unsync()
}

async fn edge(shop: &Shop) -> Result<Edge> {
    let plugin = json!({
        "expose_state": "always",
        "services": [{
            "name": PAYMENT,
            "open": { "wait_duration": "5m" },
            "fallback": { "stale": { "max_age": "5m" } },
        }],
    });
    let upstream = cluster("shop", shop.service.address());
    Edge::setup(plugin).workers(WORKERS).upstream(upstream).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_answer_is_given_again_by_every_worker_while_the_service_is_down() -> Result<()> {
    let shop = Shop::open().await?;
    let edge = edge(&shop).await?;
    let bodies = [
        ("/zipped", ZIPPED.to_vec()),
        ("/pieces", (0..10_u8).flat_map(|number| vec![number; 3_000]).collect()),
        ("/goods", b"goods".to_vec()),
    ];
    for (path, body) in &bodies {
        let answer = edge.get(path).await?;
        ensure!(answer.body == body.as_slice(), "{path}: {:?}", answer.body);
        ensure!(answer.headers.get("warning").is_none());
    }
    edge.get("/mine").await?;
    shop.close();
    // The first calls that fail are answered by what was kept as well.
    for _ in 0..3 {
        let answer = edge.get("/goods").await?;
        ensure!((answer.status.as_u16(), answered_by(&answer)) == (200, "stale"), "{answer:?}");
    }
    edge.wait_for(PAYMENT, "OPEN", tests::PATIENCE).await?;
    let calls = shop.service.calls().len();
    // Each on a connection of its own, so that all workers have some.
    for number in 0..40 {
        let (path, body) = &bodies[number % bodies.len()];
        let answer = Client::new().get(&edge.url(path)).await.context("an answer")?;
        ensure!((answer.status.as_u16(), answered_by(&answer)) == (200, "stale"), "{answer:?}");
        ensure!(answer.body == body.as_slice(), "{path}: {:?}", answer.body);
        let header = |name: &str| answer.headers.get(name).and_then(|it| it.to_str().ok());
        ensure!(header("etag") == Some("\"7\""), "{answer:?}");
        ensure!(header("warning") == Some("110 - \"Response is Stale\""), "{answer:?}");
        ensure!(header("age").is_some(), "{answer:?}");
        let length = body.len().to_string();
        ensure!(header("content-length") == Some(&length), "{answer:?}");
        ensure!(header("x-circuit-breaker-state") == Some("OPEN"), "{answer:?}");
    }
    let mine = edge.get("/mine").await?;
    ensure!((mine.status.as_u16(), answered_by(&mine)) == (503, "response"), "{mine:?}");
    ensure!(shop.service.calls().len() == calls, "the service was asked while it was down");
    let stale = edge.metric(PAYMENT, "cb_kind=.=stale;.;", "fallback_total").await?;
    ensure!(stale == 43, "{stale}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_head_of_what_was_kept_is_given_without_its_body() -> Result<()> {
    let shop = Shop::open().await?;
    let edge = edge(&shop).await?;
    edge.get("/goods").await?;
    shop.close();
    let request = edge.request("HEAD", "/goods", envoy_harness::client::empty())?;
    let answer = edge.client.send(request).await?;
    ensure!((answer.status.as_u16(), answered_by(&answer)) == (200, "stale"), "{answer:?}");
    ensure!(answer.body.is_empty() && answer.headers.contains_key("warning"), "{answer:?}");
    Ok(())
}
