//! What a configuration means: its defaults, and how a service's own fields are merged with them.

use std::time::Duration;

use filter::{Config, Effects, Filter};
use serde_json::{Value, json};

use crate::world::{By, PAYMENT, World, flag, service};

#[test]
fn a_name_is_all_that_a_service_needs() {
    let world = World::configured(1, &json!({"services": [{"name": PAYMENT}]}));
    assert!(world.request("any").path("/thing").send().is_admitted(), "it matches everything");
    world.fail(2);
    assert_eq!(world.state(), "CLOSED");
    world.fail(1);
    assert_eq!(world.state(), "OPEN", "consecutive_failures: 3");
    let wait = world.wait();
    let spread = Duration::from_secs(24)..=Duration::from_secs(36);
    assert!(spread.contains(&wait), "wait_duration: 30s, jitter: 20");
    let reply = world.call().reply();
    assert_eq!(reply.status, 503);
    assert_eq!(reply.told(), (Some("OPEN"), Some("response")), "expose_state: fallback");
    world.advance(wait);
    let trial = world.call();
    assert!(!world.call().is_admitted(), "permitted_calls: 1");
    trial.respond(200);
    assert_eq!(world.state(), "CLOSED", "success_threshold: 1");
}

/// What a breaker that has tripped waits, in seconds, under these defaults and own fields.
fn open_wait(defaults: &Value, own: &Value) -> u64 {
    let config = json!({"defaults": defaults, "services": [service(PAYMENT, own)]});
    let world = World::configured(1, &config);
    world.trip();
    world.wait().as_secs()
}

#[test]
fn most_objects_merge_with_the_defaults_field_by_field() {
    let defaults = json!({"open": {"wait_duration": "40s", "jitter": 0}});
    assert_eq!(open_wait(&defaults, &json!({})), 40);
    assert_eq!(open_wait(&defaults, &json!({"open": {}})), 40);
    assert_eq!(open_wait(&defaults, &json!({"open": {"wait_duration": "7s"}})), 7);
    assert_eq!(open_wait(&defaults, &json!({"open": {"max_wait_duration": "40s"}})), 40);
}

#[test]
fn health_checks_merge_field_by_field_and_retries_as_a_whole() {
    let config = json!({
        "defaults": {"health_check": {
            "path": "/health", "headers": {"x-default": "1"}, "timeout": "300ms",
            "retry": {"num_retries": 1, "interval": "1s"}
        }},
        "services": [service(PAYMENT, &json!({"health_check": {
            "cluster": "payment", "headers": {"x-own": "1"}, "retry": {"interval": "3s"}
        }}))]
    });
    let world = World::configured(1, &config);
    world.trip();
    world.tick_all();
    let callout = world.check_callout();
    assert_eq!(callout.timeout, Duration::from_millis(300));
    let names: Vec<_> = callout.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [":method", ":path", ":authority", "x-own"], "headers as a whole");
    world.fail_check();
    let waits: Vec<_> = (0..4)
        .map(|_| {
            let wait = world.until_next_check().as_secs();
            world.fail_check();
            wait
        })
        .collect();
    assert_eq!(waits, [3, 6, 12, 5], "three retries, not the defaults' one");
}

#[test]
fn fallbacks_merge_field_by_field_and_responses_as_a_whole() {
    let config = json!({
        "defaults": {"fallback": {
            "on_failure": false,
            "response": {"status": 418, "headers": {"x-default": "1"}, "body": "default"}
        }},
        "services": [
            service("plain", &json!({})),
            service("own", &json!({"fallback": {"response": {"body": "own"}}})),
        ]
    });
    let world = World::configured(1, &config);
    for (name, status, body) in [("plain", 418, "default"), ("own", 503, "own")] {
        for _ in 0..3 {
            let answer = world.request(name).send().respond(500);
            assert_eq!((answer.by, answer.status), (By::Service, 500), "on_failure: false");
        }
        let reply = world.request(name).send().reply();
        assert_eq!((reply.status, reply.body), (status, body.as_bytes().to_vec()));
    }
}

#[test]
fn lists_replace_the_lists_of_the_defaults() {
    let config = json!({
        "defaults": {"classify": {"failure_status": ["500"], "overflow": "failure"}},
        "services": [service(PAYMENT, &json!({"classify": {"failure_status": ["501"]}}))]
    });
    let world = World::configured(1, &config);
    world.call().respond(500);
    assert_eq!(world.outcomes(), [1, 0, 0, 0]);
    world.call().respond(501);
    world.call().respond_by_proxy(503, "overflow", &[flag::UO]);
    assert_eq!(world.outcomes(), [1, 2, 0, 0], "and the rest is merged");
}

#[test]
fn trip_rules_stand_in_for_the_defaults_as_a_whole() {
    let config = json!({
        "defaults": {"trip": {"consecutive_failures": 5}},
        "services": [
            service(PAYMENT, &json!({})),
            service("own", &json!({"trip": {"consecutive_failures": 1}})),
        ]
    });
    let world = World::configured(1, &config);
    world.fail(4);
    assert_eq!(world.state(), "CLOSED");
    world.fail(1);
    assert_eq!(world.state(), "OPEN");
    world.request("own").send().respond(503);
    assert_eq!(world.status_of("own").state.name(), "OPEN");
}

#[test]
fn a_refused_configuration_touches_nothing() {
    let world = World::with(&json!({}));
    world.trip();
    let before = world.status();
    assert!(Config::parse(br#"{"services": [{"name": "payment-service", "trip": {}}]}"#).is_err());
    assert_eq!(world.status(), before);
}

/// A proxy also configures a copy of the module that it throws away again.
#[test]
fn putting_a_configuration_to_work_twice_changes_nothing() {
    let world = World::with(&json!({}));
    world.fail(2);
    let before = world.store().get("edge-breaker/v1/payment-service");
    let config = json!({"services": [service(PAYMENT, &json!({}))]}).to_string();
    let config = Config::parse(config.as_bytes()).unwrap();
    let mut effects = Effects::default();
    world.host(|host| drop(Filter::new(config, host, &mut effects)));
    assert_eq!(world.store().get("edge-breaker/v1/payment-service"), before);
    assert_eq!(effects, Effects::default());
}
