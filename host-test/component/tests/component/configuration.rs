//! Configurations: taken, refused, replaced.

use std::collections::BTreeSet;
use std::time::Duration;

use host_test_component::types::{MetricKind, RequestVerdict, State};
use host_test_component::{Shared, WALL_START};
use serde_json::json;

use crate::world::{World, config, get, instance};

#[test]
fn a_wrong_configuration_is_refused_with_path_value_and_remedy() {
    for (config, path, value, remedy, message) in [
        (
            json!({"services": [{"name": "a", "open": {"wait_duration": "5 parsecs"}}]}),
            "services[0].open.wait_duration",
            r#""5 parsecs""#,
            r#"give a duration of at most a day, such as "250ms", "30s" or "1m30s""#,
            r#"invalid value: string "5 parsecs", expected a duration of at most a day"#,
        ),
        (
            json!({"services": [{"name": "a", "trip": {"consecutive_failures": 0}}]}),
            "services[0].trip.consecutive_failures",
            "0",
            "give at least 1",
            "0: give at least 1",
        ),
        (
            json!({"services": [{"name": "a", "trip": {"consecutive_failure": 1}}]}),
            "services[0].trip.consecutive_failure",
            r#""consecutive_failure""#,
            "give one of `consecutive_failures`, `failure_rate_threshold`, `slow_call_rate_threshold`, \
             `slow_call_duration_threshold`, `count_overdue`, `minimum_number_of_calls`, \
             `sliding_window_type`, `sliding_window_size`, `adaptive`",
            "unknown field `consecutive_failure`, expected one of `consecutive_failures`, ",
        ),
        (
            json!({"services": []}),
            "services",
            "[]",
            r#"name at least one service, such as {"name": "payment-service"}, or leave the field out: each cluster is one then"#,
            "[]: name at least one service",
        ),
    ] {
        let mut guard = instance(&Shared::new());
        let error = guard.configure(&config.to_string()).unwrap().unwrap_err();
        let told = (error.path.as_str(), error.value.as_str(), error.remedy.as_str());
        assert_eq!(told, (path, value, remedy));
        let whole = format!("{path}: {message}");
        assert!(error.message.starts_with(&whole), "{}", error.message);
    }
}

#[test]
fn a_refused_configuration_leaves_the_old_one_in_force() {
    let mut world = World::one(&json!({}));
    world.call(0, 503);
    for refused in ["{ not JSON", r#"{"services": []}"#] {
        world.workers[0].configure(refused).unwrap().unwrap_err();
    }
    world.call(0, 503);
    world.call(0, 503);
    assert_eq!(world.state(), State::Open);
}

#[test]
fn a_new_configuration_keeps_the_breakers_state() {
    let mut world = World::one(&json!({}));
    world.trip();
    let new = config(&json!({"fallback": {"cluster": "payment-fallback"}}));
    world.workers[0].configure(&new).unwrap().unwrap();
    assert_eq!(world.state(), State::Open);
    assert!(matches!(world.request(0).verdict, RequestVerdict::Divert(_)), "as now configured");
}

#[test]
fn calls_and_checks_keep_the_configuration_they_began_with() {
    let mut world = World::one(&json!({}));
    let call = world.admitted(0);
    let lenient = config(&json!({"classify": {"failure_status": ["599"]}}));
    world.workers[0].configure(&lenient).unwrap().unwrap();
    world.settle(0, call, 503);
    assert_eq!(world.failures(), 1);
    world.call(0, 503);
    assert_eq!(world.failures(), 0, "a success by the new one");

    let check = json!({"health_check": {"cluster": "payment", "path": "/health", "then": "close"}});
    let mut world = World::one(&check);
    world.trip();
    let (_, check) = world.tick_all().remove(0);
    let renamed = json!({"services": [{"name": "another"}]}).to_string();
    world.workers[0].configure(&renamed).unwrap().unwrap();
    world.workers[0].reported(check.id, Some(200)).unwrap();
    let closed = "cb_to=.=closed;.;cb_reason=.=health_check;.;edge_breaker_transitions_total";
    assert_eq!(world.metric(closed), 1);
}

#[test]
fn results_of_a_replaced_configuration_are_written_while_any_call_is_under_way() {
    let mut world = World::one(&json!({}));
    let calls = [world.admitted(0), world.admitted(0)];
    world.workers[0].configure(&config(&json!({}))).unwrap().unwrap();
    world.settle(0, calls[0], 200);
    world.shared.advance(Duration::from_secs(1));
    assert!(world.tick_all().is_empty());
    assert_eq!(world.status().last_success, Some(WALL_START + 1_000_000_000));

    // Only one configuration is at work from now on.
    world.settle(0, calls[1], 200);
    let _ = (world.tick_all(), world.shared.take_store_calls());
    assert!(world.tick_all().is_empty());
    assert_eq!(world.shared.take_store_calls(), (1, 0));
}

#[test]
fn effects_name_only_metrics_that_were_defined_in_advance() {
    let mut world = World::one(&json!({}));
    let told: BTreeSet<_> = world.configured.metrics.iter().map(|m| m.name.clone()).collect();
    assert_eq!(told.len(), world.configured.metrics.len(), "each once");
    world.call(0, 200);
    world.await_trials();
    world.call(0, 503);
    world.request(0);
    world.shared.advance(Duration::from_secs(100));
    world.call(0, 200);
    world.tick_all();
    let changed: BTreeSet<_> = world.shared.metrics().into_keys().collect();
    assert!(changed.len() >= 8, "{changed:?}");
    assert!(changed.is_subset(&told), "{:?}", changed.difference(&told));
    let gauges = world.configured.metrics.iter().filter(|m| m.kind == MetricKind::Gauge);
    assert_eq!(gauges.count(), 7);
}

#[test]
fn all_services_are_reported_and_each_has_its_own_record() {
    let shared = Shared::new();
    let mut guard = instance(&shared);
    let services = json!([
        {"name": "a", "match": {"path_prefixes": ["/a"]}},
        {"name": "b", "match": {"path_prefixes": ["/b"]}}
    ]);
    let configured = guard.configure(&json!({"services": services}).to_string()).unwrap().unwrap();
    assert_eq!(configured.services, ["a", "b"]);
    assert_eq!(shared.keys(), ["edge-breaker/v1/a", "edge-breaker/v1/b"]);
    for path in ["/a", "/b"] {
        assert!(guard.request(&get(path)).unwrap().call.is_some());
    }
    assert_eq!(guard.request(&get("/c")).unwrap().call, None);
}
