//! Who answers while the service is left in peace, and what the answer tells.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{By, Gauges, PAYMENT, World, recipe, service};

const STATIC: &str = r#"{"message":"try later"}"#;

fn with_response() -> Value {
    json!({
        "fallback": {"response": {
            "status": 429, "headers": {"Content-Type": "application/json", "x-Extra": "1"},
            "body": STATIC
        }},
        "open": {"wait_duration": "10s", "jitter": 0}
    })
}

fn exposing(expose: &str, fields: &Value) -> World {
    let config = json!({"expose_state": expose, "services": [service(PAYMENT, fields)]});
    World::configured(1, &config)
}

#[test]
fn a_diverted_request_says_where_to_and_why() {
    let world = World::with(&recipe());
    world.trip();
    let call = world.call();
    let headers: Vec<_> = call.diversion().iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(
        headers,
        [
            ("x-circuit-breaker-cluster", "payment-fallback"),
            ("x-circuit-breaker-service", PAYMENT),
            ("x-circuit-breaker-state", "OPEN"),
            ("x-circuit-breaker-reason", "open"),
        ]
    );
}

#[test]
fn a_request_diverted_from_a_half_open_breaker_says_so() {
    let world = World::with(&json!({
        "fallback": {"cluster": "payment-fallback"}, "open": {"wait_duration": "10s", "jitter": 0}
    }));
    world.await_trials();
    let _trial = world.call();
    let call = world.call();
    assert_eq!(call.diversion()[2], ("x-circuit-breaker-state", "HALF_OPEN".to_owned()));
    assert_eq!(call.diversion()[3], ("x-circuit-breaker-reason", "half_open".to_owned()));
    drop(call);
    assert_eq!(world.of("not_permitted_total", &["reason=half_open"]), 1);
    assert_eq!(world.of("fallback_total", &["kind=cluster"]), 1);
}

/// Row 20: the fallback's own failure never counts against the service.
#[test]
fn a_failing_fallback_counts_for_nothing() {
    let world = World::with(&recipe());
    world.trip();
    let before = world.status();
    for _ in 0..10 {
        let mut call = world.call();
        call.facts.cluster = Some(b"payment-fallback".to_vec());
        call.begin(503);
        call.over();
    }
    world.call().reset_mid_body();
    assert_eq!(world.status(), before);
    assert_eq!(world.outcomes(), [0, 3, 0, 0]);
}

#[test]
fn a_static_response_is_what_was_configured() {
    let world = World::with(&with_response());
    world.trip();
    let reply = world.call().reply();
    assert_eq!((reply.status, reply.body), (429, STATIC.as_bytes().to_vec()));
    let headers: Vec<_> = reply.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(
        headers,
        [
            ("content-type", "application/json"),
            ("x-extra", "1"),
            ("x-circuit-breaker-state", "OPEN"),
            ("x-circuit-breaker-fallback", "response"),
        ]
    );
    assert_eq!(world.of("fallback_total", &["kind=response"]), 4, "three failed calls and this");
}

#[test]
fn a_static_response_answers_failed_calls_as_well() {
    let world = World::with(&with_response());
    let answer = world.call().respond(503);
    assert_eq!((answer.by, answer.status), (By::Response, 429));
    assert_eq!(answer.told(), (Some("CLOSED"), Some("response")));
    let mut fields = with_response();
    fields["fallback"]["on_failure"] = json!(false);
    let world = World::with(&fields);
    let answer = world.call().respond(503);
    assert_eq!((answer.by, answer.status), (By::Service, 503));
}

#[test]
fn the_fallback_cluster_comes_before_a_static_response() {
    let mut fields = with_response();
    fields["fallback"]["cluster"] = json!("payment-fallback");
    let world = World::with(&fields);
    world.trip();
    assert!(world.call().is_diverted());
}

#[test]
fn without_a_fallback_a_failed_call_passes_as_it_is() {
    let world = World::with(&json!({}));
    let answer = world.call().respond(503);
    assert_eq!((answer.by, answer.status, answer.headers), (By::Service, 503, vec![]));
}

#[test]
fn without_a_fallback_a_diverted_call_gets_503_with_the_recipes_fields() {
    let world = World::with(&json!({"open": {"wait_duration": "10s", "jitter": 0}}));
    world.trip();
    world.advance(Duration::from_millis(2_500));
    let reply = world.call().reply();
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("retry-after"), Some("8"), "7.5 s, rounded up");
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        body,
        json!({
            "message": "Service temporarily unavailable",
            "source": "edge-breaker",
            "fallback_reason": "Circuit breaker is open",
            "timestamp": "2024-05-01T12:00:02.500Z"
        })
    );
}

#[test]
fn retry_after_is_never_less_than_a_second() {
    let world = World::with(&json!({
        "health_check": {"cluster": "payment", "path": "/health"},
        "open": {"wait_duration": "0s"}
    }));
    world.trip();
    assert_eq!(world.call().reply().header("retry-after"), Some("1"));
    let world = World::with(&json!({"open": {"wait_duration": "10s", "jitter": 0}}));
    world.await_trials();
    let _trial = world.call();
    let reply = world.call().reply();
    assert_eq!(reply.header("retry-after"), Some("1"));
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["fallback_reason"], "Circuit breaker is half-open");
}

/// The state that is told is the breaker's own, as it is after the answer was judged.
#[test]
fn the_state_in_answers_is_configured() {
    for (expose, plain, fallback) in
        [("always", true, true), ("fallback", false, true), ("never", false, false)]
    {
        let told = |state, kind, told: bool| if told { (Some(state), kind) } else { (None, None) };
        let world = exposing(expose, &recipe());
        assert_eq!(world.call().respond(200).told(), told("CLOSED", None, plain));
        assert_eq!(world.call().respond(404).told(), told("CLOSED", None, plain));
        let replayed = world.call().respond(503);
        assert_eq!(replayed.told(), told("CLOSED", Some("replay"), fallback));
        world.fail(1);
        assert_eq!(world.call().respond(503).told(), told("OPEN", Some("replay"), fallback));
        let diverted = world.call().respond(200);
        assert_eq!(diverted.by, By::Cluster);
        assert_eq!(diverted.told(), told("OPEN", Some("cluster"), fallback));

        let world = exposing(expose, &with_response());
        world.trip();
        let reply = world.call().reply();
        assert_eq!(reply.told(), told("OPEN", Some("response"), fallback));

        let world = exposing(expose, &json!({"open": {"wait_duration": "10s", "jitter": 0}}));
        assert_eq!(world.call().respond(503).told(), told("CLOSED", None, plain));
        world.fail(2);
        assert_eq!(world.call().reply().told(), told("OPEN", Some("response"), fallback));
        world.advance(world.wait());
        let trial = world.call();
        assert_eq!(world.call().reply().told(), told("HALF_OPEN", Some("response"), fallback));
        // The end of a trial's answer decides, and that is after its head.
        assert_eq!(trial.respond(200).told(), told("HALF_OPEN", None, plain));
        assert_eq!(world.call().respond(204).told(), told("CLOSED", None, plain));
    }
}

#[test]
fn an_ignored_answer_shows_the_state_too() {
    let fields = json!({"classify": {"ignore_status": ["404"]}});
    let world = exposing("always", &fields);
    assert_eq!(world.call().respond(404).told(), (Some("CLOSED"), None));
}

#[test]
fn a_state_that_cannot_be_read_is_not_shown() {
    let config = json!({"expose_state": "always", "services": [service(PAYMENT, &json!({}))]});
    let world = World::with_gauges(Gauges::None, 1, &config);
    let call = world.call();
    world.store().reads_fail.set(true);
    assert_eq!(call.respond(200).told(), (None, None));
}

/// Row 20: if no route matches on the header, the failing service gets the traffic all the same.
#[test]
fn a_diverted_call_that_went_to_the_service_is_logged_and_counted() {
    let misrouted = "cb_reason=.=fallback_route;.;edge_breaker_unprotected_total";
    let world = World::with(&recipe());
    world.trip();
    let mut call = world.call();
    call.facts.cluster = Some(b"payment".to_vec());
    call.begin(200);
    assert_eq!(world.metric(misrouted), 1);
    let said = world.logged("event=misrouted");
    assert!(said[0].contains("x-circuit-breaker-cluster"), "{said:?}");
    world.call().respond(200);
    let mut untold = world.call();
    untold.begin(200);
    assert_eq!(world.metric(misrouted), 1, "nothing is said where all is well, or not known");
}

/// Counted each time, and said often enough: a log line with each request would be an outage of
/// its own.
#[test]
fn calls_that_keep_going_to_the_service_are_logged_once_between_ticks() {
    let world = World::with(&recipe());
    world.trip();
    let misrouted = |calls: usize| {
        for _ in 0..calls {
            let mut call = world.call();
            call.facts.cluster = Some(b"payment".to_vec());
            call.begin(200);
        }
    };
    misrouted(100);
    assert_eq!(world.logged("event=misrouted").len(), 1);
    world.tick_all();
    misrouted(100);
    assert_eq!(world.logged("event=misrouted").len(), 2);
    assert_eq!(world.metric("cb_reason=.=fallback_route;.;edge_breaker_unprotected_total"), 200);
}
