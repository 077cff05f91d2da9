//! What becomes of a failed answer that is held back while the fallback is asked, if it does not
//! come to its end, or takes longer than its route may.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use envoy_harness::client::{Response, full};
use envoy_harness::config::{Route, cluster, http2_cluster};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use serde_json::{Value, json};
use tests::{Edge, Outcomes, PATIENCE, PAYMENT, answered_by, is_left_to_wasm};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{PATH, plugin, values};
use crate::upstream::{self, Body, RawUpstream, Upstream};

const CUT: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 100\r\n\r\nhalf";
const WHOLE: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nhalf";

/// A fallback that answers when it is told to.
struct Patient {
    upstream: Upstream,
    go: watch::Sender<bool>,
}

impl Patient {
    async fn start() -> Result<Self> {
        let (go, told) = watch::channel(false);
        let upstream = Upstream::start(move |_| {
            let mut told = told.clone();
            async move {
                told.wait_for(|go| *go).await?;
                Ok(http::Response::new(upstream::full("from the fallback")))
            }
        });
        Ok(Self { upstream: upstream.await?, go })
    }

    async fn is_asked(&self) -> Result<()> {
        let called = async {
            while self.upstream.calls().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, called).await.context("the fallback is not asked")
    }

    fn answers(&self) {
        self.go.send_replace(true);
    }
}

/// An Envoy between a service and the fallback, with a limit of time for its route.
async fn edge(service: Value, fallback: &Patient, timeout: Duration) -> Result<Edge> {
    let route = Route::prefix("/").cluster("failing").timeout(timeout);
    Edge::setup(plugin(&json!({ "cluster": "patient" })))
        .cluster(service)
        .cluster(cluster("patient", fallback.upstream.address()))
        .route(route)
        .start()
        .await
}

/// With a body, which this proxy keeps for nobody: the filter itself calls the fallback.
fn call(edge: &Edge) -> Result<JoinHandle<Result<Response>>> {
    let (client, request) = (edge.client.clone(), edge.request("POST", PATH, full("body"))?);
    Ok(tokio::spawn(async move { client.send(request).await }))
}

fn is_the_fallbacks(response: &Response) -> Result<()> {
    ensure!(answered_by(response) == "replay", "{response:?}");
    assert_eq!((response.status.as_u16(), response.text().as_str()), (200, "from the fallback"));
    Ok(())
}

/// The proxy's own words, past all filters, and none of what the service had sent.
fn is_the_proxys(response: &Response, statuses: &[u16], words: &str) -> Result<()> {
    ensure!(statuses.contains(&response.status.as_u16()), "{response:?}");
    ensure!(response.text().contains(words), "{response:?}");
    ensure!(!response.text().contains("half"), "{response:?}");
    assert_eq!(values(response, "x-circuit-breaker-fallback"), [b""; 0]);
    Ok(())
}

/// The service's failure is counted, once.
async fn counts_once(edge: &Edge) -> Result<()> {
    edge.wait_for_outcomes(PAYMENT, Outcomes { failure: 1, ..Outcomes::default() }).await?;
    assert_eq!(edge.breaker(PAYMENT).await?.failure_count, 1);
    Ok(())
}

/// A service that begins to fail, and breaks off when it is told to.
async fn breaking(told: watch::Receiver<bool>) -> Result<RawUpstream> {
    RawUpstream::start(move |mut stream| {
        let mut told = told.clone();
        async move {
            let _ = stream.write_all(CUT.as_bytes()).await;
            let _ = told.wait_for(|go| *go).await;
        }
    })
    .await
}

/// The same in HTTP/2: the stream is reset.
async fn resetting(told: watch::Receiver<bool>) -> Result<Upstream> {
    Upstream::start(move |_| {
        let mut told = told.clone();
        async move {
            let (mut frames, body) = Channel::<bytes::Bytes, anyhow::Error>::new(1);
            tokio::spawn(async move {
                let _ = frames.send_data("half".into()).await;
                let _ = told.wait_for(|go| *go).await;
                frames.abort(anyhow::anyhow!("broken off"));
            });
            let body: Body = body.boxed_unsync();
            Ok(http::Response::builder().status(503).body(body)?)
        }
    })
    .await
}

#[tokio::test]
async fn a_failed_answer_that_is_whole_is_replaced_however_long_the_fallback_takes() -> Result<()> {
    let route = Duration::from_millis(300);
    let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    for answer in [WHOLE, head] {
        // Its connection is closed at once, too.
        let service = RawUpstream::answering(answer).await?;
        let fallback = Patient::start().await?;
        let edge = edge(cluster("failing", service.address()), &fallback, route).await?;
        let call = call(&edge)?;
        fallback.is_asked().await?;
        tokio::time::sleep(3 * route).await;
        fallback.answers();
        is_the_fallbacks(&call.await??)?;
        counts_once(&edge).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_failed_answer_that_is_cut_while_it_is_held_is_answered_by_the_proxy() -> Result<()> {
    let (cut, told) = watch::channel(false);
    let (raw, http2) = (breaking(told.clone()).await?, resetting(told).await?);
    for service in [cluster("failing", raw.address()), http2_cluster("failing", http2.address())] {
        cut.send_replace(false);
        let fallback = Patient::start().await?;
        let edge = edge(service, &fallback, PATIENCE).await?;
        let call = call(&edge)?;
        fallback.is_asked().await?;
        cut.send_replace(true);
        is_the_proxys(&call.await??, &[502, 503], "reset reason")?;
        // The fallback's answer finds nobody, and harms nobody.
        fallback.answers();
        if !is_left_to_wasm("a call of a dynamic module ends with the stream that it is made for") {
            edge.envoy.wait_for_counter("cluster.patient.upstream_rq_200", 1, PATIENCE).await?;
        }
        counts_once(&edge).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_failed_answer_that_takes_longer_than_its_route_may_is_answered_by_the_proxy()
-> Result<()> {
    let (_cut, told) = watch::channel(false);
    let service = breaking(told).await?;
    let fallback = Patient::start().await?;
    let route = Duration::from_millis(300);
    let edge = edge(cluster("failing", service.address()), &fallback, route).await?;
    let call = call(&edge)?;
    fallback.is_asked().await?;
    is_the_proxys(&call.await??, &[504], "upstream request timeout")?;
    fallback.answers();
    counts_once(&edge).await
}

/// In HTTP/1.1 the length of the answer says where it ends. That of HTTP/2 ends with its stream:
/// `in_place`.
#[tokio::test]
async fn a_fallback_that_is_quicker_than_the_cut_answers() -> Result<()> {
    let (_cut, told) = watch::channel(false);
    let (raw, http2) = (breaking(told.clone()).await?, resetting(told).await?);
    for service in [cluster("failing", raw.address()), http2_cluster("failing", http2.address())] {
        let fallback = Patient::start().await?;
        fallback.answers();
        let edge = edge(service, &fallback, PATIENCE).await?;
        is_the_fallbacks(&call(&edge)?.await??)?;
    }
    Ok(())
}
