//! Who answers while a breaker is open.

use anyhow::{Context, Result};
use bytes::Bytes;
use envoy_harness::client::{Client, chunks, empty, full};
use envoy_harness::config::{Route, cluster};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tests::{Edge, Outcomes, PATIENCE, PAYMENT, answered_by, primary_route};

use super::{PATH, plugin, trip, values};
use crate::upstream::{self, RawUpstream, Refusing, Upstream};

const MIB: usize = 1024 * 1024;

/// To which failed calls themselves are not sent.
fn to_cluster(name: &str) -> Value {
    json!({ "cluster": name, "on_failure": false })
}

#[tokio::test]
async fn the_fallback_cluster_learns_which_breaker_diverted_the_request_and_why() -> Result<()> {
    let fallback = Upstream::echo().await?;
    let edge = Edge::setup(plugin(&to_cluster("echo")))
        .cluster(cluster("echo", fallback.address()))
        .start()
        .await?;
    trip(&edge).await?;
    for client in [Client::new(), Client::http2()] {
        let response = client.send(edge.request("PUT", "/a?b=c", full("body"))?).await?;
        assert_eq!((response.status.as_u16(), response.text().as_str()), (200, "body"));
        assert_eq!(values(&response, "x-circuit-breaker-fallback"), [b"cluster"]);
        assert_eq!(values(&response, "x-circuit-breaker-state"), [b"OPEN"]);
    }
    assert_eq!(fallback.calls().len(), 2);
    for call in fallback.calls() {
        assert_eq!(
            (call.method.as_str(), call.uri.path_and_query().unwrap().as_str()),
            ("PUT", "/a?b=c")
        );
        for (name, value) in [
            ("x-circuit-breaker-cluster", "echo"),
            ("x-circuit-breaker-service", PAYMENT),
            ("x-circuit-breaker-state", "OPEN"),
            ("x-circuit-breaker-reason", "open"),
        ] {
            let values: Vec<_> = call.headers.get_all(name).iter().collect();
            assert_eq!(values, [value], "{name} in {call:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_static_response_is_sent_as_it_is_configured() -> Result<()> {
    let response = json!({
        "status": 202,
        "headers": { "content-type": "text/x-later", "X-Reason": "later" },
        "body": "try later",
    });
    let fallback = json!({ "response": response, "on_failure": false });
    let edge = Edge::start(plugin(&fallback), 1).await?;
    trip(&edge).await?;
    for client in [Client::new(), Client::http2()] {
        let response = client.get(&edge.url(PATH)).await?;
        assert_eq!(response.status, 202);
        assert_eq!(response.text(), "try later");
        assert_eq!(values(&response, "content-type"), [b"text/x-later"]);
        assert_eq!(values(&response, "content-length"), [b"9"]);
        assert_eq!(values(&response, "x-reason"), [b"later"]);
        assert_eq!(values(&response, "x-circuit-breaker-fallback"), [b"response"]);
        assert_eq!(values(&response, "x-circuit-breaker-state"), [b"OPEN"]);
        let response = client.send(edge.request("HEAD", PATH, empty())?).await?;
        assert_eq!((response.status.as_u16(), response.body.len()), (202, 0));
    }
    Ok(())
}

#[tokio::test]
async fn without_a_fallback_the_answer_says_when_to_come_again() -> Result<()> {
    let edge = Edge::start(plugin(&json!({})), 1).await?;
    trip(&edge).await?;
    let response = edge.get(PATH).await?;
    assert_eq!(response.status, 503);
    assert_eq!(values(&response, "content-type"), [b"application/json"]);
    assert_eq!(values(&response, "x-circuit-breaker-fallback"), [b"response"]);
    let [seconds] = values(&response, "retry-after")[..] else {
        panic!("not one Retry-After: {response:?}");
    };
    let seconds: u64 = std::str::from_utf8(seconds)?.parse()?;
    // 30 seconds, spread by a fifth to either side, of which a few may have passed.
    assert!((10..=36).contains(&seconds), "{seconds}");
    let body = response.json()?;
    let fields: Vec<_> = body.as_object().context("no object")?.keys().collect();
    assert_eq!(fields, ["fallback_reason", "message", "source", "timestamp"]);
    assert_eq!(body["fallback_reason"], "Circuit breaker is open");
    assert_eq!(body["source"], "edge-breaker");
    let timestamp = body["timestamp"].as_str().context("no timestamp")?;
    assert!(
        timestamp.ends_with('Z') && timestamp.len() == "2026-01-01T00:00:00.000Z".len(),
        "{timestamp}"
    );
    Ok(())
}

#[tokio::test]
async fn a_diverted_grpc_call_gets_grpcs_own_status() -> Result<()> {
    let edge = Edge::start(plugin(&json!({})), 1).await?;
    trip(&edge).await?;
    let mut request = edge.request("POST", "/payment.Service/Charge", full(&[0; 5][..]))?;
    request.headers_mut().insert("content-type", "application/grpc".parse()?);
    let response = Client::http2().send(request).await?;
    assert_eq!(response.status, 200);
    assert_eq!(values(&response, "grpc-status"), [b"14"], "{response:?}");
    assert_eq!(values(&response, "content-type"), [b"application/grpc"], "{response:?}");
    Ok(())
}

#[tokio::test]
async fn answers_show_the_state_as_configured() -> Result<()> {
    for (exposed, when_closed, when_open) in [
        ("always", Some("CLOSED"), Some("OPEN")),
        ("fallback", None, Some("OPEN")),
        ("never", None, None),
    ] {
        for fallback in [to_cluster("fallback"), json!({})] {
            let mut plugin = plugin(&fallback);
            plugin["expose_state"] = json!(exposed);
            let edge = Edge::start(plugin, 1).await?;
            let response = edge.get(PATH).await?;
            let case = format!("{exposed}, {fallback}");
            assert_eq!(response.header("x-circuit-breaker-state"), when_closed, "{case}");
            assert_eq!(response.header("x-circuit-breaker-fallback"), None, "{case}");
            trip(&edge).await?;
            let response = edge.get(PATH).await?;
            assert_eq!(response.header("x-circuit-breaker-state"), when_open, "{case}");
            let told = response.header("x-circuit-breaker-fallback").is_some();
            assert_eq!(told, when_open.is_some(), "{case}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_failure_of_the_fallback_counts_against_nobody() -> Result<()> {
    let nobody = Refusing::bind()?;
    let closing = RawUpstream::answering("").await?;
    let edge = Edge::setup(json!({ "services": [
        { "name": "answers-500", "match": { "path_prefixes": ["/answers-500"] }, "fallback": to_cluster("fallback") },
        { "name": "refuses", "match": { "path_prefixes": ["/refuses"] }, "fallback": to_cluster("nobody") },
        { "name": "closes", "match": { "path_prefixes": ["/closes"] }, "fallback": to_cluster("closing") },
    ] }))
    .cluster(cluster("nobody", nobody.address()))
    .cluster(cluster("closing", closing.address()))
    .start()
    .await?;
    edge.services.set_fallback_status(500);
    for (service, status, by) in [
        ("answers-500", 500, "cluster"),
        // Nobody has answered in the service's stead.
        ("refuses", 503, "downstream"),
        ("closes", 503, "cluster"),
    ] {
        let downstream = edge.services.service(service);
        downstream.set_failure_rate(1.0);
        let path = format!("/{service}/call");
        for _ in 0..3 {
            edge.get(&path).await?;
        }
        let tripped = edge.breaker(service).await?;
        assert_eq!(tripped.state, "OPEN", "{service}: {tripped:?}");
        for _ in 0..4 {
            let response = edge.get(&path).await?;
            assert_eq!(response.status, status, "{service}: {}", response.text());
            assert_eq!(answered_by(&response), by, "{service}");
        }
        assert_eq!(edge.breaker(service).await?, tripped, "{service}");
        let outcomes = Outcomes { failure: 3, ..Outcomes::default() };
        edge.wait_for_outcomes(service, outcomes).await?;
        assert_eq!(downstream.calls(), 3, "{service}");
    }
    Ok(())
}

/// What is sent comes back before the request is at its end, and more than any buffer holds.
async fn assert_streams_both_ways(edge: &Edge, by: Option<&str>) -> Result<()> {
    for client in [Client::new(), Client::http2()] {
        let (sender, body) = chunks();
        let first = Bytes::from(vec![b'a'; 1000]);
        let request = edge.request("POST", PATH, body)?;
        let (response, sent) = tokio::join!(client.open(request), sender.send(first.clone()));
        sent?;
        let response = response?;
        let kind = response.headers().get("x-circuit-breaker-fallback");
        assert_eq!(kind.map(|kind| kind.as_bytes()), by.map(str::as_bytes));
        let mut body = response.into_body();
        let mut came = 0;
        while came < first.len() {
            let frame = tokio::time::timeout(PATIENCE, body.frame()).await?;
            came += frame.context("ended early")??.into_data().map_or(0, |data| data.len());
        }
        let rest = tokio::spawn(async move {
            for _ in 0..64 {
                sender.send(Bytes::from(vec![b'b'; MIB / 16])).await?;
            }
            anyhow::Ok(())
        });
        let echoed = tokio::time::timeout(PATIENCE, body.collect()).await??;
        rest.await??;
        assert_eq!(came + echoed.to_bytes().len(), first.len() + 4 * MIB);
    }
    Ok(())
}

#[tokio::test]
async fn a_diverted_request_streams_both_ways() -> Result<()> {
    let fallback = Upstream::echo().await?;
    let edge = Edge::setup(plugin(&to_cluster("echo")))
        .cluster(cluster("echo", fallback.address()))
        .start()
        .await?;
    trip(&edge).await?;
    assert_streams_both_ways(&edge, Some("cluster")).await
}

#[tokio::test]
async fn a_request_that_is_not_diverted_streams_both_ways_too() -> Result<()> {
    let service = Upstream::echo().await?;
    // Its body is copied for the fallback while it streams, as far as it may be.
    let edge = Edge::setup(plugin(&json!({ "cluster": "fallback" })))
        .upstream(cluster("echo", service.address()))
        .start()
        .await?;
    assert_streams_both_ways(&edge, None).await
}

#[tokio::test]
async fn the_state_that_is_shown_is_this_breakers_alone() -> Result<()> {
    // Services behind breakers of their own tell of these.
    let telling = Upstream::start(|_| async {
        let response = http::Response::builder()
            .header("x-circuit-breaker-state", "HALF_OPEN")
            .header("x-circuit-breaker-state", "FORCED_OPEN")
            .header("x-circuit-breaker-fallback", "stale");
        Ok(response.body(upstream::empty())?)
    })
    .await?;
    let mut plugin = plugin(&to_cluster("telling"));
    plugin["expose_state"] = json!("always");
    let edge = Edge::setup(plugin)
        .cluster(cluster("telling", telling.address()))
        .route(Route::prefix("/telling").cluster("telling"))
        .route(primary_route())
        .start()
        .await?;
    let response = edge.get("/telling").await?;
    assert_eq!(values(&response, "x-circuit-breaker-state"), [b"CLOSED"]);
    trip(&edge).await?;
    let response = edge.get(PATH).await?;
    assert_eq!(values(&response, "x-circuit-breaker-state"), [b"OPEN"]);
    assert_eq!(values(&response, "x-circuit-breaker-fallback"), [b"cluster"]);
    Ok(())
}

#[tokio::test]
async fn a_route_that_is_missing_is_counted_and_logged() -> Result<()> {
    let edge =
        Edge::setup(plugin(&to_cluster("fallback"))).without_diverted_route().start().await?;
    trip(&edge).await?;
    let payment = edge.services.service(PAYMENT);
    for calls in 1..=2 {
        assert_eq!(edge.get(PATH).await?.status, 200);
        assert_eq!(payment.calls(), 3 + calls, "the service itself has answered");
        let unprotected = "wasmcustom.cb_reason=.=fallback_route;.;edge_breaker_unprotected_total";
        assert_eq!(edge.envoy.counter(unprotected).await?, calls);
    }
    let line = edge.envoy.wait_for_log("event=misrouted", PATIENCE).await?;
    for part in ["warning", PAYMENT, "fallback=fallback", "cluster=service", "remedy="] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(edge.breaker(PAYMENT).await?.state, "OPEN");
    Ok(())
}
