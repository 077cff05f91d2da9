//! Timers of the proxy, streams that go on, and redirects that it follows: what they say of a service.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use envoy_harness::client::{Client, chunks, empty, full};
use envoy_harness::config::{cluster, http2_cluster};
use http::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tests::{Edge, Outcomes, PAYMENT, Setup, primary_route};
use tokio::time::sleep;

use super::{assert_shown, path, plugin};
use crate::upstream::{self, Body, Upstream};

/// What becomes of three calls.
const ABORTED: Outcomes = Outcomes { success: 0, failure: 0, ignored: 0, aborted: 3 };
const FAILED: Outcomes = Outcomes { success: 0, failure: 3, ignored: 0, aborted: 0 };

/// The timers of a listener that may end a call, and the flags that tell of them.
fn timers() -> [(&'static str, Value); 2] {
    let short = json!("0.4s");
    [
        ("stream_idle_timeout", short.clone()),
        ("common_http_protocol_options", json!({ "max_stream_duration": short })),
    ]
}

/// A service's answer with this type, of which a piece comes so often; `None`: one, and then silence.
fn stream(content_type: &str, every: Option<Duration>) -> Result<Response<Body>> {
    let (sender, body) = chunks();
    tokio::spawn(async move {
        while sender.send(Bytes::from_static(b"data: 1\n\n")).await.is_ok() {
            match every {
                Some(every) => sleep(every).await,
                None => sender.closed().await,
            }
        }
    });
    let body = body.map_err(|never| match never {}).boxed_unsync();
    Ok(Response::builder().header("content-type", content_type).body(body)?)
}

/// An edge whose route to this service has no timeout of its own.
fn untimed(plugin: Value, service: Value) -> Setup {
    let name = service["name"].as_str().unwrap_or_default().to_owned();
    Edge::setup(plugin)
        .cluster(service)
        .route(primary_route().cluster(&name).timeout(Duration::ZERO))
}

#[tokio::test]
async fn a_hung_call_that_a_timer_ends_is_answered_by_the_fallback() -> Result<()> {
    let silent = Upstream::start(|_| std::future::pending()).await?;
    for (field, value) in timers() {
        for (fallback, kind) in [
            (json!({ "cluster": "fallback" }), "replay"),
            (json!({ "response": { "status": 202 } }), "response"),
        ] {
            let mut plugin = plugin();
            plugin["services"][0]["fallback"] = fallback;
            let edge = untimed(plugin, cluster("silent", silent.address()))
                .option(field, value.clone())
                .start()
                .await?;
            for _ in 0..3 {
                let response = edge.get(&path(PAYMENT)).await?;
                assert!(response.status.is_success(), "{field}: {response:?}");
                let by = response.header("x-circuit-breaker-fallback");
                assert_eq!(by, Some(kind), "{field}: {response:?}");
            }
            assert_shown(&edge, PAYMENT, ("OPEN", 3), FAILED).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_that_falls_silent_until_an_idle_timer_ends_it_is_a_failure() -> Result<()> {
    for content_type in ["application/json", "text/event-stream"] {
        let stalling = Upstream::start(move |_| async move { stream(content_type, None) }).await?;
        let [(idle, value), _] = timers();
        let edge = untimed(plugin(), cluster("stalling", stalling.address()))
            .option(idle, value)
            .start()
            .await?;
        for _ in 0..3 {
            assert!(edge.get(&path(PAYMENT)).await.is_err(), "{content_type}: a whole answer");
        }
        assert_shown(&edge, PAYMENT, ("OPEN", 3), FAILED).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_that_flows_until_it_has_taken_too_long_is_ignored() -> Result<()> {
    let flowing =
        Upstream::start(|_| async { stream("text/event-stream", Some(Duration::from_millis(20))) })
            .await?;
    let [_, (longest, value)] = timers();
    let edge = untimed(plugin(), cluster("flowing", flowing.address()))
        .option(longest, value)
        .start()
        .await?;
    for _ in 0..3 {
        assert!(edge.get(&path(PAYMENT)).await.is_err());
    }
    let ignored = Outcomes { ignored: 3, ..Outcomes::default() };
    assert_shown(&edge, PAYMENT, ("CLOSED", 0), ignored).await
}

#[tokio::test]
async fn event_streams_that_clients_leave_come_between_failures() -> Result<()> {
    let service = Upstream::start(|request| async move {
        if request.uri().path().ends_with("/fails") {
            return Ok(Response::builder().status(503).body(upstream::empty())?);
        }
        stream("text/event-stream", Some(Duration::from_millis(20)))
    })
    .await?;
    let edge = untimed(plugin(), cluster("events", service.address())).start().await?;
    let mut outcomes = Outcomes::default();
    for number in 1..=18 {
        if number % 6 == 0 {
            assert_eq!(edge.get("/payment-service/fails").await?.status, 503);
            outcomes.failure += 1;
        } else {
            let request = edge.request("GET", "/payment-service/events", empty())?;
            let mut answer = Client::new().open(request).await?;
            assert!(answer.body_mut().frame().await.is_some(), "an event");
            drop(answer);
            outcomes.success += 1;
        }
        edge.wait_for_outcomes(PAYMENT, outcomes).await?;
    }
    let all = Outcomes { success: 15, failure: 3, ..Outcomes::default() };
    assert_shown(&edge, PAYMENT, ("CLOSED", 1), all).await
}

/// By a deadline that the route shortens, by the route's longest duration, and by the listener's. A
/// route's is written into `grpc-timeout` before any filter sees it, so it is no shorter than what
/// counts; the client's own is.
#[tokio::test]
async fn a_grpc_service_that_is_silent_until_a_timer_ends_the_call_has_failed() -> Result<()> {
    let silent = Upstream::start(|_| std::future::pending()).await?;
    let [idle, longest] = timers();
    let route = |longest: Value| {
        json!({ "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [{
            "match": { "prefix": "/" },
            "route": { "cluster": "silent", "timeout": "0s", "max_stream_duration": longest },
        }] }] })
    };
    let by_header = route(json!({ "grpc_timeout_header_max": "0.4s" }));
    let by_route = route(json!({ "max_stream_duration": "0.4s" }));
    for (field, value, deadline) in [
        ("route_config", by_header.clone(), Some("100S")),
        ("route_config", by_header, Some("100m")),
        ("route_config", by_route.clone(), None),
        ("route_config", by_route, Some("100S")),
        (idle.0, idle.1, None),
        (longest.0, longest.1, None),
    ] {
        let mut plugin = plugin();
        plugin["services"][0]["classify"] = json!({ "min_client_deadline": "400ms" });
        let edge = untimed(plugin, http2_cluster("silent", silent.address()))
            .option(field, value.clone())
            .start()
            .await?;
        let client = Client::http2();
        for _ in 0..3 {
            let mut request = edge.request("POST", &path(PAYMENT), full(&[0; 5][..]))?;
            request.headers_mut().insert("content-type", "application/grpc".parse()?);
            if let Some(deadline) = deadline {
                request.headers_mut().insert("grpc-timeout", deadline.parse()?);
            }
            let response = client.send(request).await?;
            assert!(response.header("grpc-status").is_some(), "{value}: {response:?}");
        }
        let shown = match deadline {
            Some("100m") => assert_shown(&edge, PAYMENT, ("CLOSED", 0), ABORTED).await,
            _ => assert_shown(&edge, PAYMENT, ("OPEN", 3), FAILED).await,
        };
        shown.with_context(|| format!("{field}: {value}, deadline {deadline:?}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_redirect_that_the_proxy_follows_itself_is_a_success() -> Result<()> {
    let service = Upstream::start(|request| async move {
        let answer = Response::builder();
        Ok(match request.uri().path() {
            "/payment-service/moved" => answer
                .status(302)
                .header("location", "http://payment/elsewhere")
                .body(upstream::empty())?,
            "/elsewhere" => answer.body(upstream::full("here"))?,
            _ => answer.status(503).body(upstream::empty())?,
        })
    })
    .await?;
    let routes = json!({ "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [{
        "match": { "prefix": "/" },
        "route": { "cluster": "moving", "internal_redirect_policy": {} },
    }] }] });
    let edge = Edge::setup(plugin())
        .cluster(cluster("moving", service.address()))
        .option("route_config", routes)
        .start()
        .await?;
    for calls in 1..=3 {
        for _ in 0..2 {
            assert_eq!(edge.get("/payment-service/fails").await?.status, 503);
        }
        let mut request = edge.request("GET", "/payment-service/moved", empty())?;
        request.headers_mut().insert("host", "payment".parse()?);
        let response = edge.client.send(request).await?;
        assert_eq!((response.status.as_u16(), response.text().as_str()), (200, "here"));
        let outcomes = Outcomes { success: calls, failure: 2 * calls, ..Outcomes::default() };
        assert_shown(&edge, PAYMENT, ("CLOSED", 0), outcomes).await?;
    }
    Ok(())
}
