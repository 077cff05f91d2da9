//! What becomes of a failed call: the fallback answers it, or the failure passes as it is.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use envoy_harness::client::{Client, Response, chunks, empty, full};
use envoy_harness::config::{cluster, http2_cluster};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use services::Mode;
use tests::{Edge, Outcomes, PATIENCE, PAYMENT, answered_by, is_left_to_wasm, primary_route};

use super::{PATH, plugin, values};
use crate::upstream::{self, RawUpstream, Refusing, Upstream};

/// The failure of the recipe's service, untouched.
fn assert_unchanged(response: &Response, status: u16) -> Result<()> {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(response.json()?, json!({ "message": "Service temporarily unavailable" }));
    assert_eq!(values(response, "content-type"), [b"application/json"]);
    assert_eq!(values(response, "x-circuit-breaker-fallback"), [b""; 0]);
    Ok(())
}

/// An Envoy in front of a service that fails.
async fn failing(fallback: &Value) -> Result<Edge> {
    let edge = Edge::start(plugin(fallback), 1).await?;
    edge.services.service(PAYMENT).set_mode(Mode::Status(500));
    Ok(edge)
}

/// Tells when a piece of a request has come, and answers 500 at its end.
async fn telling() -> Result<(Upstream, tokio::sync::mpsc::UnboundedReceiver<Bytes>)> {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let service = Upstream::start(move |request| {
        let sender = sender.clone();
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                if let Ok(data) = frame?.into_data() {
                    sender.send(data)?;
                }
            }
            Ok(http::Response::builder().status(500).body(upstream::full("failed"))?)
        }
    });
    Ok((service.await?, receiver))
}

#[tokio::test]
async fn a_body_that_comes_in_pieces_is_replayed_whole_and_not_kept_back() -> Result<()> {
    let (service, mut came) = telling().await?;
    let edge = Edge::setup(plugin(&json!({ "cluster": "fallback" })))
        .upstream(cluster("telling", service.address()))
        .start()
        .await?;
    for client in [Client::new(), Client::http2()] {
        let (sender, body) = chunks();
        let request = edge.request("POST", PATH, body)?;
        let response = tokio::spawn(async move { client.send(request).await });
        for piece in ["one ", "two ", "three"] {
            sender.send(piece.into()).await?;
            // It is with the service before the next one is sent.
            let come = tokio::time::timeout(PATIENCE, came.recv()).await?;
            assert_eq!(come.as_deref(), Some(piece.as_bytes()));
        }
        drop(sender);
        let response = response.await??;
        assert_eq!((response.status.as_u16(), answered_by(&response)), (200, "replay"));
        assert_eq!(response.json()?["original_request"]["body"], "one two three");
        assert_eq!(values(&response, "content-type"), [b"application/json"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_body_up_to_the_limit_is_replayed_and_one_beyond_is_not() -> Result<()> {
    let edge = failing(&json!({ "cluster": "fallback", "max_request_bytes": 1000 })).await?;
    for (client, bytes) in [(Client::new(), 1000), (Client::http2(), 1000)] {
        let request = edge.request("POST", PATH, full(vec![b'x'; bytes]))?;
        let response = client.send(request).await?;
        assert_eq!(answered_by(&response), "replay", "{}", response.text());
        assert_eq!(response.json()?["original_request"]["body"], "x".repeat(bytes));
        // A success in between, for the breaker to stay closed.
        edge.services.service(PAYMENT).set_mode(Mode::Normal);
        edge.get(PATH).await?;
        edge.services.service(PAYMENT).set_mode(Mode::Status(500));
    }
    let (mine, replayed) = (Client::http2(), edge.services.fallback_calls());
    for client in [Client::new(), mine] {
        let request = edge.request("POST", PATH, full(vec![b'x'; 1001]))?;
        assert_unchanged(&client.send(request).await?, 500)?;
    }
    assert_eq!(edge.services.fallback_calls(), replayed);
    Ok(())
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_kept_back() -> Result<()> {
    let (service, mut came) = telling().await?;
    let edge = Edge::setup(plugin(&json!({ "cluster": "fallback", "max_request_bytes": 10 })))
        .upstream(cluster("telling", service.address()))
        .start()
        .await?;
    let (sender, body) = chunks();
    let (client, request) = (edge.client.clone(), edge.request("POST", PATH, body)?);
    let response = tokio::spawn(async move { client.send(request).await });
    for piece in ["within", " and beyond", " and further"] {
        sender.send(piece.into()).await?;
        let come = tokio::time::timeout(PATIENCE, came.recv()).await?;
        assert_eq!(come.as_deref(), Some(piece.as_bytes()));
    }
    drop(sender);
    let response = response.await??;
    assert_eq!((response.status.as_u16(), response.text().as_str()), (500, "failed"));
    assert_eq!(edge.services.fallback_calls(), 0);
    Ok(())
}

#[tokio::test]
async fn a_failure_that_comes_before_the_request_is_whole_passes() -> Result<()> {
    let service = Upstream::start(|mut request| async move {
        // The answer does not wait for the rest.
        request.body_mut().frame().await;
        tokio::spawn(request.into_body().collect());
        Ok(http::Response::builder().status(500).body(upstream::full("failed"))?)
    })
    .await?;
    for (client, upstream) in [
        (Client::new(), cluster("hasty", service.address())),
        (Client::http2(), http2_cluster("hasty", service.address())),
    ] {
        let edge = Edge::setup(plugin(&json!({ "cluster": "fallback" })))
            .upstream(upstream)
            .start()
            .await?;
        let (sender, body) = chunks();
        sender.send("the first half".into()).await?;
        let response = client.send(edge.request("POST", PATH, body)?).await?;
        assert_eq!((response.status.as_u16(), response.text().as_str()), (500, "failed"));
        drop(sender);
        assert_eq!(edge.services.fallback_calls(), 0);
        assert_eq!(edge.breaker(PAYMENT).await?.failure_count, 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_failed_grpc_call_passes_as_it_is() -> Result<()> {
    let service = Upstream::grpc_without_message(14).await?;
    let edge = Edge::setup(plugin(&json!({ "cluster": "fallback", "response": {} })))
        .upstream(http2_cluster("grpc", service.address()))
        .start()
        .await?;
    let mut request = edge.request("POST", "/payment.Service/Charge", full(&[0; 5][..]))?;
    request.headers_mut().insert("content-type", "application/grpc".parse()?);
    let response = Client::http2().send(request).await?;
    assert_eq!(response.status, 200);
    assert_eq!(values(&response, "grpc-status"), [b"14"]);
    assert_eq!(answered_by(&response), "downstream");
    assert_eq!(edge.services.fallback_calls(), 0);
    assert_eq!(edge.breaker(PAYMENT).await?.failure_count, 1);
    Ok(())
}

#[tokio::test]
async fn a_call_that_never_reached_the_service_is_answered_by_the_fallback_too() -> Result<()> {
    let nobody = Refusing::bind()?;
    let edge = Edge::setup(plugin(&json!({ "cluster": "fallback" })))
        .upstream(cluster("nobody", nobody.address()))
        .start()
        .await?;
    let response = edge.post(PATH, "amount=1").await?;
    assert_eq!((response.status.as_u16(), answered_by(&response)), (200, "replay"));
    assert_eq!(response.json()?["original_request"]["body"], "amount=1");
    Ok(())
}

#[tokio::test]
async fn a_call_that_took_too_long_is_answered_by_the_fallback_too() -> Result<()> {
    let route = primary_route().timeout(Duration::from_millis(200));
    let edge = Edge::start_with(plugin(&json!({ "cluster": "fallback" })), 1, route).await?;
    edge.services.service(PAYMENT).set_mode(Mode::Hang);
    let response = edge.get(PATH).await?;
    assert_eq!((response.status.as_u16(), answered_by(&response)), (200, "replay"));
    Ok(())
}

#[tokio::test]
async fn a_failure_passes_unchanged_where_the_fallback_fails() -> Result<()> {
    let nobody = Refusing::bind()?;
    let hanging = Upstream::start(|_| std::future::pending()).await?;
    let closing = RawUpstream::answering("").await?;
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let cutting = RawUpstream::answering(cut).await?;
    let mut empty = cluster("empty", nobody.address());
    empty["load_assignment"]["endpoints"] = json!([]);
    let fallbacks = ["fallback", "nobody", "hanging", "closing", "cutting", "empty", "unknown"];
    let services = fallbacks.map(|name| {
        let timeout = if name == "hanging" { "500ms" } else { "2m" };
        let fallback = json!({ "cluster": name, "timeout": timeout });
        let prefix = format!("/{name}");
        json!({ "name": name, "match": { "path_prefixes": [prefix] }, "fallback": fallback })
    });
    let edge = Edge::setup(json!({ "services": services }))
        .cluster(cluster("nobody", nobody.address()))
        .cluster(cluster("hanging", hanging.address()))
        .cluster(cluster("closing", closing.address()))
        .cluster(cluster("cutting", cutting.address()))
        .cluster(empty)
        .start()
        .await?;
    edge.services.set_fallback_status(500);
    for name in fallbacks {
        edge.services.service(name).set_mode(Mode::Status(502));
        let response = edge.post(&format!("/{name}/call"), "amount=1").await?;
        assert_unchanged(&response, 502).with_context(|| format!("fallback: {name}"))?;
        // The fallback's failure is not the service's: only its own counts.
        assert_eq!(edge.breaker(name).await?.failure_count, 1, "fallback: {name}");
        let failed = Outcomes { failure: 1, ..Outcomes::default() };
        edge.wait_for_outcomes(name, failed).await?;
        let replayed = edge.metric(name, "cb_kind=.=replay;.;", "fallback_total").await?;
        assert_eq!(replayed, 0, "fallback: {name}");
    }
    assert_eq!(edge.services.fallback_calls(), 1);
    assert_eq!((hanging.calls().len(), closing.heads().len(), cutting.heads().len()), (1, 1, 1));
    Ok(())
}

#[tokio::test]
async fn a_long_failure_that_was_held_back_passes_whole() -> Result<()> {
    let nobody = Refusing::bind()?;
    let long = Bytes::from(vec![b'x'; 3 * 1024 * 1024]);
    let body = long.clone();
    let service = Upstream::start(move |_| {
        let response = http::Response::builder().status(500).body(upstream::full(body.clone()));
        async { Ok(response?) }
    })
    .await?;
    let edge = Edge::setup(plugin(&json!({ "cluster": "nobody" })))
        .upstream(cluster("long", service.address()))
        .cluster(cluster("nobody", nobody.address()))
        .start()
        .await?;
    for client in [Client::new(), Client::http2()] {
        // With a body, which this proxy keeps for nobody.
        let response = client.send(edge.request("POST", PATH, full("body"))?).await?;
        assert_eq!((response.status.as_u16(), answered_by(&response)), (500, "downstream"));
        ensure!(response.body == long, "{} bytes", response.body.len());
    }
    Ok(())
}

#[tokio::test]
async fn a_request_with_trailers_is_not_replayed() -> Result<()> {
    let (service, _came) = telling().await?;
    let edge = Edge::setup(plugin(&json!({ "cluster": "fallback" })))
        .upstream(http2_cluster("telling", service.address()))
        .start()
        .await?;
    let trailers = http::HeaderMap::from_iter([("x-sum".parse()?, "1".parse()?)]);
    let body = full("body").with_trailers(async { Some(Ok(trailers)) }).boxed_unsync();
    let response = Client::http2().send(edge.request("POST", PATH, body)?).await?;
    assert_eq!((response.status.as_u16(), response.text().as_str()), (500, "failed"));
    assert_eq!(edge.services.fallback_calls(), 0);
    Ok(())
}

#[tokio::test]
async fn a_client_that_does_not_wait_for_the_fallback_harms_nobody() -> Result<()> {
    let hanging = Upstream::start(|_| std::future::pending()).await?;
    let edge = Edge::setup(plugin(&json!({ "cluster": "hanging", "timeout": "2s" })))
        .cluster(cluster("hanging", hanging.address()))
        .start()
        .await?;
    edge.services.service(PAYMENT).set_mode(Mode::Status(500));
    let (client, request) = (edge.client.clone(), edge.request("GET", PATH, empty())?);
    let call = tokio::spawn(async move { client.open(request).await });
    let called = async {
        while hanging.calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, called).await.context("no replay")?;
    call.abort();
    // The fallback's answer, which will be a time-out, finds nobody.
    if !is_left_to_wasm("a call of a dynamic module ends with the stream that it is made for") {
        let timed_out = "cluster.hanging.upstream_rq_timeout";
        edge.envoy.wait_for_counter(timed_out, 1, PATIENCE).await?;
    }
    edge.services.service(PAYMENT).set_mode(Mode::Normal);
    assert_eq!(edge.get(PATH).await?.status, 200);
    let outcomes = Outcomes { success: 1, failure: 1, ..Outcomes::default() };
    edge.wait_for_outcomes(PAYMENT, outcomes).await?;
    Ok(())
}

#[tokio::test]
async fn a_head_request_is_replayed_as_such() -> Result<()> {
    let edge = failing(&json!({ "cluster": "fallback" })).await?;
    for client in [Client::new(), Client::http2()] {
        let response = client.send(edge.request("HEAD", PATH, empty())?).await?;
        assert_eq!((response.status.as_u16(), answered_by(&response)), (200, "replay"));
        assert_eq!(response.body.len(), 0);
    }
    // The connection is still good for more.
    assert_eq!(edge.get(PATH).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_long_answer_of_the_fallback_is_sent_whole() -> Result<()> {
    const MIB: usize = 1024 * 1024;
    for bytes in [MIB, 4 * MIB] {
        let pattern: Bytes = (0..bytes).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
        let body = pattern.clone();
        let fallback = Upstream::start(move |_| {
            let response = http::Response::builder().header("content-type", "x/long");
            let response = response.header("etag", "x").body(upstream::full(body.clone()));
            async { Ok(response?) }
        })
        .await?;
        let edge = Edge::setup(plugin(&json!({ "cluster": "long" })))
            .cluster(cluster("long", fallback.address()))
            .start()
            .await?;
        edge.services.service(PAYMENT).set_mode(Mode::Status(500));
        for client in [Client::new(), Client::http2()] {
            let response = client.get(&edge.url(PATH)).await?;
            assert_eq!((response.status.as_u16(), answered_by(&response)), (200, "replay"));
            ensure!(response.body == pattern, "{} bytes, of {bytes}", response.body.len());
            assert_eq!(values(&response, "content-length"), [bytes.to_string().as_bytes()]);
            assert_eq!(values(&response, "etag"), [b"x"]);
            assert_eq!(values(&response, "content-type"), [b"x/long"]);
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_fallback_gets_the_original_request() -> Result<()> {
    let fallback = Upstream::echo().await?;
    let echo = json!({ "cluster": "echo", "host": "fallback.internal" });
    let edge =
        Edge::setup(plugin(&echo)).cluster(cluster("echo", fallback.address())).start().await?;
    edge.services.service(PAYMENT).set_mode(Mode::Status(500));
    let mut request = edge.request("PATCH", "/payment-service/charge?x=%20y", full("body"))?;
    for (name, value) in [("cookie", "a=b"), ("x-two", "1"), ("x-two", "2"), ("x-empty", "")] {
        request.headers_mut().append(name, value.parse()?);
    }
    let response = edge.client.send(request).await?;
    assert_eq!((response.text().as_str(), answered_by(&response)), ("body", "replay"));
    let calls = fallback.calls();
    let [call] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!(call.method, "PATCH");
    assert_eq!(call.uri, "/payment-service/charge?x=%20y");
    let all = |name| {
        let values = call.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(all("host"), ["fallback.internal"]);
    assert_eq!(all("cookie"), ["a=b"]);
    assert_eq!(all("x-two").join(","), "1,2");
    assert_eq!(all("x-empty"), [""]);
    assert_eq!(all("content-length"), ["4"]);
    assert_eq!(all("x-circuit-breaker-cluster"), ["echo"]);
    assert_eq!(all("x-circuit-breaker-service"), [PAYMENT]);
    assert_eq!(all("x-circuit-breaker-state"), ["CLOSED"]);
    assert_eq!(all("x-circuit-breaker-reason"), ["failure"]);
    Ok(())
}

#[tokio::test]
async fn a_static_response_answers_a_failed_call_too() -> Result<()> {
    let response = json!({
        "status": 203,
        "headers": { "content-type": "text/x-later", "x-reason": "later" },
        "body": "try later",
    });
    let edge = failing(&json!({ "response": response })).await?;
    for client in [Client::new(), Client::http2()] {
        // More than could be replayed, but nothing is.
        let request = edge.request("POST", PATH, full(vec![b'x'; 100_000]))?;
        let response = client.send(request).await?;
        assert_eq!((response.status.as_u16(), response.text().as_str()), (203, "try later"));
        assert_eq!(values(&response, "content-type"), [b"text/x-later"]);
        assert_eq!(values(&response, "content-length"), [b"9"]);
        assert_eq!(values(&response, "x-reason"), [b"later"]);
        assert_eq!(values(&response, "x-circuit-breaker-fallback"), [b"response"]);
        assert_eq!(values(&response, "x-circuit-breaker-state"), [b"CLOSED"]);
    }
    assert_eq!(edge.breaker(PAYMENT).await?.failure_count, 2);
    Ok(())
}

#[tokio::test]
async fn a_failed_call_passes_where_the_fallback_is_for_an_open_breaker_only() -> Result<()> {
    for fallback in [
        json!({ "cluster": "fallback", "on_failure": false }),
        json!({ "response": { "body": "try later" }, "on_failure": false }),
        json!({}),
    ] {
        let edge = failing(&fallback).await?;
        assert_unchanged(&edge.post(PATH, "amount=1").await?, 500)?;
        assert_eq!(edge.services.fallback_calls(), 0);
    }
    Ok(())
}

#[tokio::test]
async fn the_call_that_trips_is_answered_by_the_fallback_as_of_an_open_breaker() -> Result<()> {
    for (exposed, states) in [
        ("always", [Some("CLOSED"), Some("CLOSED"), Some("OPEN"), Some("OPEN")]),
        ("fallback", [Some("CLOSED"), Some("CLOSED"), Some("OPEN"), Some("OPEN")]),
        ("never", [None; 4]),
    ] {
        let mut plugin = plugin(&json!({ "cluster": "fallback" }));
        plugin["expose_state"] = json!(exposed);
        let edge = Edge::start(plugin, 1).await?;
        edge.services.service(PAYMENT).set_mode(Mode::Status(500));
        for (state, kind) in states.into_iter().zip(["replay", "replay", "replay", "cluster"]) {
            let response = edge.get(PATH).await?;
            assert_eq!(response.status, 200);
            assert_eq!(response.json()?["source"], "fallback-service");
            assert_eq!(response.header("x-circuit-breaker-state"), state, "{exposed}");
            let told = state.is_some().then_some(kind);
            assert_eq!(response.header("x-circuit-breaker-fallback"), told, "{exposed}");
        }
        assert_eq!(edge.services.service(PAYMENT).calls(), 3);
        assert_eq!(edge.services.fallback_calls(), 4);
    }
    Ok(())
}
