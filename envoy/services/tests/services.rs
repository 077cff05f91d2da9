//! The services as their callers see them, over real connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use services::{Health, Initial, Mode, Ports, Services};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

async fn start() -> Services {
    Services::start(Ports::default()).await.unwrap()
}

/// Sends a request on a connection of its own.
async fn send(
    method: &str,
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response<Bytes>> {
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned())))?;
    // A kept connection that is closed would be tried again behind our back.
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    let (head, body) = client.request(request).await?.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}

async fn get(address: SocketAddr, path: &str) -> (u16, Value) {
    json_of(&send("GET", address, path, &[], "").await.unwrap())
}

async fn put(address: SocketAddr, path: &str, body: Value) -> (u16, Value) {
    json_of(&send("PUT", address, path, &[], &body.to_string()).await.unwrap())
}

fn json_of(response: &Response<Bytes>) -> (u16, Value) {
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}

fn is_rfc3339(value: &Value) -> bool {
    value.as_str().is_some_and(|text| humantime::parse_rfc3339(text).is_ok())
}

#[tokio::test]
async fn a_call_that_succeeds_is_answered_as_in_the_recipe() {
    let services = start().await;
    let (status, body) = get(services.downstream(), "/payment-service/charge").await;
    assert_eq!(status, 200);
    assert_eq!(body["message"], "Service response successful");
    assert!(is_rfc3339(&body["timestamp"]));
}

#[tokio::test]
async fn nine_of_ten_calls_fail_at_a_failure_rate_of_nine_tenths() {
    let services = start().await;
    services.service("payment-service").set_failure_rate(0.9);
    for round in 0..2 {
        for call in 1..=10 {
            let (status, body) = get(services.downstream(), "/payment-service").await;
            let expected = if call == 10 {
                (200, "Service response successful")
            } else {
                (500, "Service temporarily unavailable")
            };
            assert_eq!((status, body["message"].as_str().unwrap()), expected, "{round}/{call}");
        }
    }
}

#[tokio::test]
async fn a_call_takes_as_long_as_it_was_told_to() {
    let services = start().await;
    services.service("payment-service").set_latency(Duration::from_millis(80));
    let start = Instant::now();
    get(services.downstream(), "/payment-service").await;
    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn services_are_distinguished_by_the_first_segment_of_the_path() {
    let services = start().await;
    services.service("payment-service").set_mode(Mode::Status(503));
    assert_eq!(get(services.downstream(), "/payment-service/a/b?c").await.0, 503);
    assert_eq!(get(services.downstream(), "/inventory-service").await.0, 200);
    assert_eq!(services.service("payment-service").calls(), 1);
    assert_eq!(services.service("inventory-service").calls(), 1);
    assert_eq!(get(services.downstream(), "/").await.0, 404);
}

#[tokio::test]
async fn a_hanging_call_is_in_flight_until_its_caller_goes_away() {
    let services = start().await;
    let downstream = services.service("payment-service");
    downstream.set_mode(Mode::Hang);
    let address = services.downstream();
    let callers: Vec<_> = (0..3)
        .map(|_| {
            tokio::spawn(async move { send("POST", address, "/payment-service", &[], "x").await })
        })
        .collect();
    downstream.until(|counts| counts.in_flight == 3).await;
    callers.iter().for_each(tokio::task::JoinHandle::abort);
    let counts = downstream.until(|counts| counts.in_flight == 0).await;
    assert_eq!((counts.calls, counts.max_in_flight), (3, 3));
}

#[tokio::test]
async fn a_cut_body_begins_with_success_and_does_not_end() {
    let services = start().await;
    services.service("payment-service").set_mode(Mode::CutBody);
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let uri = format!("http://{}/payment-service", services.downstream()).parse().unwrap();
    let mut response = client.get(uri).await.unwrap();
    assert_eq!(response.status(), 200);
    let announced: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let data = response.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(data.len(), announced / 2);
    assert!(response.frame().await.unwrap().is_err());
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_is_still_a_call() {
    let services = start().await;
    let downstream = services.service("payment-service");
    downstream.set_mode(Mode::CloseBeforeAnswer);
    assert!(send("POST", services.downstream(), "/payment-service", &[], "x").await.is_err());
    assert_eq!(downstream.calls(), 1);
    downstream.reset_calls();
    assert_eq!(downstream.calls(), 0);
}

#[tokio::test]
async fn health_follows_the_failure_rate_unless_told_otherwise_and_is_no_call() {
    let services = start().await;
    let downstream = services.service("payment-service");
    let (status, body) = get(services.health(), "/payment-service").await;
    let healthy = json!({"service_name": "payment-service", "health_status": "healthy"});
    assert_eq!((status, body), (200, healthy));

    downstream.set_failure_rate(0.5);
    let (status, body) = get(services.health(), "/payment-service").await;
    let unhealthy = json!({"service_name": "payment-service", "health_status": "unhealthy"});
    assert_eq!((status, body), (503, unhealthy));

    downstream.set_failure_rate(0.49);
    assert_eq!(get(services.health(), "/payment-service").await.0, 200);
    downstream.set_health(Health::Sick);
    assert_eq!(get(services.health(), "/payment-service").await.0, 503);
    downstream.set_failure_rate(1.0);
    downstream.set_health(Health::Healthy);
    assert_eq!(get(services.health(), "/payment-service").await.0, 200);

    assert_eq!((downstream.health_calls(), downstream.calls()), (5, 0));
    assert_eq!(get(services.health(), "/").await.0, 404);
    assert_eq!(put(services.health(), "/payment-service", json!({})).await.0, 405);
}

#[tokio::test]
async fn the_fallback_gives_back_the_request_and_says_why_it_answers() {
    let services = start().await;
    let headers = [
        ("x-circuit-breaker-service", "payment-service"),
        ("x-circuit-breaker-state", "CLOSED"),
        ("x-circuit-breaker-reason", "failure"),
    ];
    let body = r#"{"amount": 100.5, "currency": "USD"}"#;
    let path = "/payment-service/charge?dry=1";
    let answer = send("POST", services.fallback(), path, &headers, body).await.unwrap();
    let (status, mut body) = json_of(&answer);
    assert_eq!(status, 200);
    assert!(is_rfc3339(&body["timestamp"]));
    body["timestamp"].take();
    let expected = json!({
        "message": "Fallback service response",
        "timestamp": null,
        "source": "fallback-service",
        "original_request": {
            "method": "POST",
            "path": "/payment-service/charge?dry=1",
            "body": {"amount": 100.5, "currency": "USD"},
        },
        "fallback_reason": "The call to the service failed",
        "service_name": "payment-service",
        "circuit_breaker_state": "CLOSED",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn the_fallback_counts_its_calls_and_can_fail() {
    let services = start().await;
    assert_eq!(services.fallback_calls(), 0);
    let (status, body) = get(services.fallback(), "/payment-service").await;
    assert_eq!((status, &body["circuit_breaker_state"]), (200, &Value::Null));
    services.set_fallback_status(503);
    assert_eq!(get(services.fallback(), "/payment-service").await.0, 503);
    assert_eq!(services.fallback_calls(), 2);
    assert_eq!(put(services.control(), "/fallback", json!({"status": 200})).await.0, 200);
    let shown = get(services.control(), "/fallback").await;
    assert_eq!(shown, (200, json!({"status": 200, "calls": 2})));
    assert_eq!(services.service("payment-service").calls(), 0);
}

#[tokio::test]
async fn a_service_can_be_changed_and_seen_while_it_runs() {
    let services = start().await;
    let change = json!({"failure_rate": 0.9, "latency_ms": 3, "health": "sick"});
    let (status, shown) = put(services.control(), "/services/payment-service", change).await;
    let expected = json!({
        "service_name": "payment-service", "failure_rate": 0.9, "latency_ms": 3,
        "health": "sick", "mode": "normal",
        "calls": 0, "in_flight": 0, "max_in_flight": 0, "health_calls": 0,
    });
    assert_eq!((status, shown), (200, expected));
    assert_eq!(get(services.downstream(), "/payment-service").await.0, 500);
    let (_, shown) = get(services.control(), "/services/payment-service").await;
    assert_eq!(shown["calls"], 1);

    let change = json!({"mode": {"status": 418}});
    let (_, shown) = put(services.control(), "/services/payment-service", change).await;
    assert_eq!((&shown["mode"]["status"], &shown["latency_ms"]), (&json!(418), &json!(3)));
    assert_eq!(get(services.downstream(), "/payment-service").await.0, 418);
    let (_, all) = get(services.control(), "/services").await;
    assert_eq!(all.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_change_that_is_wrong_in_part_changes_nothing() {
    let services = start().await;
    let downstream = services.service("payment-service");
    for wrong in [
        json!({"latency_ms": 9, "failure_rate": 1.5}),
        json!({"latency_ms": 9, "failure_rate": -0.1}),
        json!({"latency_ms": 9, "failrate": 0.5}),
        json!({"latency_ms": 9, "health": "unwell"}),
        json!({"latency_ms": 9, "mode": {"status": 100}}),
        json!([]),
    ] {
        let (status, body) =
            put(services.control(), "/services/payment-service", wrong.clone()).await;
        assert_eq!(status, 400, "{wrong}");
        assert!(!body["error"].as_str().unwrap().is_empty(), "{wrong}");
        assert_eq!(downstream.latency(), Duration::ZERO, "{wrong}");
    }
    assert_eq!(get(services.control(), "/other").await.0, 404);
}

#[tokio::test]
async fn calls_may_come_by_http_2_and_be_given_up_there_too() {
    let services = start().await;
    let downstream = services.service("payment-service");
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let uri = format!("http://{}/payment-service", services.downstream());
    let request = || Request::post(&uri).body(Full::new(Bytes::from("x"))).unwrap();
    assert_eq!(client.request(request()).await.unwrap().status(), 200);

    downstream.set_mode(Mode::Hang);
    let caller = tokio::spawn(client.request(request()));
    downstream.until(|counts| counts.in_flight == 1).await;
    caller.abort();
    downstream.until(|counts| counts.in_flight == 0).await;
}

#[tokio::test]
async fn services_begin_as_they_are_told_to() {
    let initial = Initial { failure_rate: 1.0, latency: Duration::from_millis(1) };
    let services = Services::start_with(Ports::default(), initial).await.unwrap();
    assert_eq!(get(services.downstream(), "/anything").await.0, 500);
    assert_eq!(services.service("anything").latency(), Duration::from_millis(1));
}

#[tokio::test]
async fn stopped_services_are_gone_and_their_connections_with_them() {
    let services = start().await;
    let downstream = services.service("payment-service");
    downstream.set_mode(Mode::Hang);
    let address = services.downstream();
    let caller =
        tokio::spawn(async move { send("GET", address, "/payment-service", &[], "").await });
    downstream.until(|counts| counts.in_flight == 1).await;
    services.stop().await;
    assert!(caller.await.unwrap().is_err());
    assert!(send("GET", address, "/payment-service", &[], "").await.is_err());
    assert_eq!(downstream.in_flight(), 0);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let services = start().await;
    let ports = Ports { health: services.health().port(), ..Ports::default() };
    let error = Services::start(ports).await.unwrap_err().to_string();
    assert!(error.contains("health") && error.contains(&services.health().to_string()), "{error}");
}
