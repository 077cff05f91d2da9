//! Transitions are posted to an operator's endpoint, by a real proxy to a real server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use envoy_harness::config::cluster;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::{Value, json};
use tests::{Edge, PATIENCE, PAYMENT};

use crate::upstream::{self, Upstream};

/// What was posted: path, headers of interest, and event.
type Posted = Arc<Mutex<Vec<(String, BTreeMap<String, String>, Value)>>>;

/// An endpoint that refuses the first posts, and takes all others.
async fn endpoint(refuses: usize) -> Result<(Upstream, Posted)> {
    let posted = Posted::default();
    let seen = posted.clone();
    let answer = move |request| {
        let seen = seen.clone();
        async move {
            let mut response = Response::new(upstream::empty());
            *response.status_mut() = take(request, &seen, refuses).await;
            Ok(response)
        }
    };
    Ok((Upstream::start(answer).await?, posted))
}

async fn take(request: Request<Incoming>, seen: &Posted, refuses: usize) -> http::StatusCode {
    let (head, body) = request.into_parts();
    let text = |name: &str| {
        head.headers.get(name).map_or_else(String::new, |it| it.to_str().unwrap_or("?").to_owned())
    };
    let headers = ["host", "content-type", "x-api-key"].map(|name| (name.to_owned(), text(name)));
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let event = serde_json::from_slice(&body).unwrap_or_default();
    let mut seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = format!("{} {}", head.method, head.uri);
    seen.push((place, headers.into_iter().collect(), event));
    match seen.len() <= refuses {
        true => http::StatusCode::SERVICE_UNAVAILABLE,
        false => http::StatusCode::NO_CONTENT,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_transition_is_posted_once_for_all_workers_and_again_while_it_is_refused() -> Result<()>
{
    let (ops, posted) = endpoint(2).await?;
    let plugin = json!({
        "services": [{ "name": PAYMENT, "open": { "wait_duration": "1s", "jitter": 0 } }],
        "notify": {
            "cluster": "ops", "host": "ops.internal", "path": "/hooks/breaker",
            "headers": { "x-api-key": "k3y" },
        },
        "admin": {},
    });
    let edge =
        Edge::setup(plugin).workers(4).cluster(cluster("ops", ops.address())).start().await?;
    let service = edge.services.service(PAYMENT);
    service.set_failure_rate(1.0);
    for _ in 0..3 {
        edge.get("/payment-service/charge").await?;
    }
    edge.wait_for(PAYMENT, "OPEN", PATIENCE).await?;
    service.set_failure_rate(0.0);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    edge.get("/payment-service/charge").await?;
    edge.wait_for(PAYMENT, "CLOSED", PATIENCE).await?;

    // Its first post is refused twice, by itself or with those after it; in the end each was taken once.
    let name = "wasmcustom.cb_result=.=delivered;.;edge_breaker_notifications_total";
    edge.envoy.wait_for_counter(name, 3, PATIENCE).await?;
    // And not once more.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let posted = posted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    assert_eq!(posted.len(), 5, "{posted:#?}");
    for (place, headers, event) in &posted {
        assert_eq!(place, "POST /hooks/breaker");
        assert_eq!(headers["host"], "ops.internal");
        assert_eq!(headers["content-type"], "application/cloudevents+json");
        assert_eq!(headers["x-api-key"], "k3y");
        assert_eq!((&event["specversion"], &event["subject"]), (&json!("1.0"), &json!(PAYMENT)));
    }
    let taken = &posted[2..];
    let shown = edge.get("/circuit-breaker/events").await?.json()?;
    let mut shown = shown["events"].as_array().context("no events")?.clone();
    shown.reverse();
    assert_eq!(shown.len(), 3);
    for event in &shown {
        let same = taken.iter().filter(|(_, _, posted)| posted["data"] == *event).count();
        assert_eq!(same, 1, "{event}");
    }
    let failed = "wasmcustom.cb_result=.=failed;.;edge_breaker_notifications_total";
    assert_eq!(edge.envoy.counter(failed).await?, 0);
    Ok(())
}
