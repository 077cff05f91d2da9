//! Whoever looks at a breaker learns what last happened to it, and by which rules.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Gauges, PAYMENT, World, recipe, service};

fn fields() -> Value {
    json!({"open": {"wait_duration": "10s", "jitter": 0}, "fallback": {"cluster": "fallback"}})
}

fn config(fields: &Value) -> Value {
    json!({"services": [service(PAYMENT, fields), service("other", &json!({}))], "admin": {}})
}

fn get(world: &World, path: &str) -> Value {
    let reply = world.request("localhost").path(&format!("/circuit-breaker{path}")).send().reply();
    assert_eq!(reply.status, 200);
    serde_json::from_slice(&reply.body).unwrap()
}

fn shown(world: &World) -> Value {
    get(world, "/services/payment-service")
}

#[test]
fn the_failure_that_trips_is_shown_at_once_and_others_with_the_next_tick() {
    let world = World::configured(2, &config(&fields()));
    world.call().respond(500);
    let unwritten = json!({"time": "2024-05-01T12:00:00.000Z", "kind": null, "status": null});
    assert_eq!(shown(&world)["last_failure"], unwritten, "as far as the record tells");
    world.run(Duration::from_secs(1));
    let failure = json!({"time": "2024-05-01T12:00:00.000Z", "kind": "status", "status": 500});
    assert_eq!(shown(&world)["last_failure"], failure);
    world.call().respond(502);
    world.request(PAYMENT).on(1).send().respond(503);
    let failure = json!({"time": "2024-05-01T12:00:01.000Z", "kind": "status", "status": 503});
    assert_eq!(shown(&world)["last_failure"], failure);
    let listed = get(&world, "/services");
    assert_eq!(listed["services"][0]["last_failure"], failure, "in the list of all as well");
    assert_eq!(listed["services"][1]["last_failure"], Value::Null);
}

#[test]
fn failures_are_distinguished_by_how_they_came_about() {
    let world = World::configured(1, &config(&json!({"trip": {"consecutive_failures": 100}})));
    world.call().respond(503);
    world.run(Duration::from_secs(1));
    world.call().respond_by_proxy(503, "upstream_reset_before_response_started", &[6]);
    world.run(Duration::from_secs(1));
    world.call().respond_by_proxy(504, "response_timeout", &[2]);
    world.run(Duration::from_secs(1));
    world.call().respond_by_proxy(503, "no_healthy_upstream", &[1]);
    world.run(Duration::from_secs(1));
    world.request(PAYMENT).grpc().send().in_grpc().respond_grpc(Some("14"));
    world.run(Duration::from_secs(1));
    world.call().respond(502);
    world.run(Duration::from_secs(1));
    let failures = shown(&world)["last_failures"].as_array().unwrap().clone();
    let kinds: Vec<_> = failures.iter().map(|it| json!([it["kind"], it["status"]])).collect();
    assert_eq!(
        kinds,
        [
            json!(["status", 502]),
            json!(["grpc_status", 14]),
            json!(["unreachable", null]),
            json!(["timeout", null]),
            json!(["reset", null]),
        ],
        "the last of each kind, the latest first"
    );
    assert_eq!(shown(&world)["last_failure"], failures[0]);
}

/// However many calls fail, shared state is written by ticks.
#[test]
fn a_storm_of_failures_writes_once_in_a_tick() {
    let world = World::configured(1, &config(&json!({"trip": {"consecutive_failures": 1000}})));
    let silent = {
        let mut config = config(&json!({"trip": {"consecutive_failures": 1000}}));
        config.as_object_mut().unwrap().remove("admin");
        World::configured(1, &config)
    };
    let swaps = |world: &World| {
        let asked = world.asked(|| world.fail(100));
        asked.get("swap").copied().unwrap_or_default()
    };
    assert_eq!(swaps(&world), swaps(&silent));
    let writes = |world: &World| {
        let asked = world.asked(|| world.run(Duration::from_millis(500)));
        asked.get("swap").copied().unwrap_or_default()
    };
    assert!(writes(&world) <= writes(&silent) + 2, "the notes, and the lease on histories");
    let kept = |world: &World| world.store().keys().iter().any(|key| key.ends_with("/recent"));
    assert!(kept(&world));
    assert!(!kept(&silent), "nobody could look");
}

/// The configuration that has the calls is mostly another than the one that has the admin API.
#[test]
fn it_is_kept_as_soon_as_any_configuration_has_an_admin_api() {
    let mut silent = config(&fields());
    silent.as_object_mut().unwrap().remove("admin");
    let world = World::configured(1, &silent);
    world.trip();
    let kept = || world.store().keys().iter().any(|key| key.ends_with("/recent"));
    assert!(!kept());
    let calls = world.filters();
    world.configure(1, &config(&fields()));
    let admin = world.filters();
    world.leave(calls);
    world.run(Duration::from_secs(5));
    world.advance(world.wait());
    world.call().respond(502);
    world.tick_all();
    world.leave(admin);
    assert_eq!(shown(&world)["last_failure"]["status"], 502);
}

#[test]
fn an_open_breaker_says_what_its_clients_got_since_it_left_the_closed_state() {
    let world = World::configured(2, &config(&fields()));
    assert_eq!(shown(&world)["answered_since_open"], Value::Null);
    world.trip();
    for worker in [0, 1, 0] {
        assert!(world.request(PAYMENT).on(worker).send().is_diverted());
    }
    // The call that tripped it was answered by the fallback, too.
    let answered = json!({"cluster": 3, "replay": 1, "response": 0, "stale": 0});
    assert_eq!(shown(&world)["answered_since_open"], answered);
    // A trial that fails opens it again: the outage goes on.
    world.advance(world.wait());
    world.call().respond(503);
    assert_eq!(world.state(), "OPEN");
    assert!(world.call().is_diverted());
    let open = shown(&world);
    assert_eq!(open["answered_since_open"]["cluster"], 4);
    assert_eq!(open["diverted_since_open"], 4);
    assert_eq!(open["not_closed_since"], "2024-05-01T12:00:00.000Z");
    assert_eq!(open["opened_at"], "2024-05-01T12:00:10.000Z");
    world.advance(world.wait());
    world.call().respond(200);
    let closed = shown(&world);
    assert_eq!(
        (&closed["answered_since_open"], &closed["not_closed_since"]),
        (&Value::Null, &Value::Null)
    );
    // The next outage is counted by itself.
    world.trip();
    assert!(world.call().is_diverted());
    assert_eq!(shown(&world)["answered_since_open"]["cluster"], 1);
}

#[test]
fn what_cannot_be_counted_is_null() {
    let world = World::with_gauges(Gauges::None, 1, &config(&fields()));
    world.trip();
    assert!(world.call().is_diverted());
    let open = shown(&world);
    assert_eq!(
        (&open["answered_since_open"], &open["diverted_since_open"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(open["not_closed_since"], "2024-05-01T12:00:00.000Z");
}

#[test]
fn a_breaker_that_is_forced_open_counts_from_then_on() {
    let world = World::configured(1, &config(&fields()));
    world.trip();
    assert!(world.call().is_diverted());
    let steer = |command: &str| {
        let path = format!("/circuit-breaker/services/payment-service/{command}");
        let request = world.request("localhost").method("POST").path(&path);
        assert_eq!(request.header("content-type", "application/json").send().reply().status, 200);
    };
    steer("close");
    steer("force-open");
    assert!(world.call().is_diverted());
    assert_eq!(shown(&world)["answered_since_open"]["cluster"], 1);
}

#[test]
fn health_checks_are_shown_with_the_next_that_is_due() {
    let world = World::configured(1, &config(&recipe()));
    assert_eq!(shown(&world)["next_check_at"], Value::Null);
    world.trip();
    world.tick_all();
    world.answer_check(503);
    let open = shown(&world);
    let check = json!({"time": "2024-05-01T12:00:00.000Z", "result": "unhealthy", "status": 503});
    assert_eq!(open["last_checks"], json!([check]));
    assert_eq!(open["next_check_at"], "2024-05-01T12:00:02.000Z");
    world.advance(Duration::from_secs(2));
    world.tick_all();
    world.fail_check();
    let checks = &shown(&world)["last_checks"];
    let check = json!({"time": "2024-05-01T12:00:02.000Z", "result": "unhealthy", "status": null});
    assert_eq!((checks.as_array().unwrap().len(), &checks[0]), (2, &check), "the latest first");
    for _ in 0..20 {
        world.advance(world.until_next_check());
        world.tick_all();
        world.answer_check(500);
    }
    assert_eq!(shown(&world)["last_checks"].as_array().unwrap().len(), 10);
    world.advance(world.until_next_check());
    world.tick_all();
    world.answer_check(200);
    let closed = shown(&world);
    assert_eq!((&closed["state"], &closed["next_check_at"]), (&json!("CLOSED"), &Value::Null));
    assert_eq!(closed["last_checks"][0]["result"], "healthy");
}

#[test]
fn the_rules_in_force_are_shown_with_their_values_and_without_secrets() {
    let fields = json!({
        "trip": {
            "consecutive_failures": 5, "failure_rate_threshold": 12.5,
            "slow_call_rate_threshold": 80, "slow_call_duration_threshold": "2s",
            "sliding_window_size": 50, "adaptive": {"tolerate": 2}
        },
        "health_check": {
            "cluster": "payment", "path": "/health?key=s3cret", "headers": {"x-key": "s3cret"}
        },
        "fallback": {
            "stale": {"max_age": "90s"},
            "response": {"status": 200, "headers": {"x-key": "s3cret"}, "body": "s3cret"}
        },
        "bulkhead": {"max_concurrent_calls": 7}
    });
    let rules = shown(&World::configured(1, &config(&fields)))["rules"].clone();
    assert_eq!(
        rules["trip"],
        json!({
            "consecutive_failures": 5, "failure_rate_threshold": 12.5,
            "slow_call_rate_threshold": 80, "slow_call_duration_threshold": "2s",
            "count_overdue": true, "minimum_number_of_calls": 20, "sliding_window_size": 50,
            "adaptive": {
                "tolerate": 2, "false_trips": "720h", "shed": true, "latency": true,
                "latency_floor": "1s"
            }
        })
    );
    assert_eq!(
        rules["open"],
        json!({
            "wait_duration": "0s", "backoff_rate": 2, "max_wait_duration": "5m", "jitter": 20,
            "honor_retry_after": true, "on_retry_after": false
        })
    );
    assert_eq!(
        rules["health_check"],
        json!({
            "cluster": "payment", "path": "/health", "interval": "5s", "timeout": "1s",
            "healthy_threshold": 1, "expected_status": ["200-299"], "then": "half_open",
            "num_retries": 0
        })
    );
    let failures = json!(["500", "502-504", "506-599"]);
    assert_eq!(rules["classify"]["ignore_status"], json!(["501", "505"]));
    assert_ne!(rules["classify"]["failure_status"], failures, "what is ignored may be listed too");
    assert_eq!(rules["classify"]["failure_grpc_status"], json!(["2", "4", "13-15"]));
    assert_eq!(rules["fallback"]["response"], json!({"status": 200}));
    assert_eq!(rules["fallback"]["stale"], json!({"max_age": "1m30s"}));
    assert_eq!(rules["bulkhead"]["max_concurrent_calls"], 7);
    assert!(!rules.to_string().contains("s3cret"), "{rules}");
    let plain = shown(&World::configured(1, &config(&json!({}))))["rules"].clone();
    assert_eq!(plain["trip"], json!({"consecutive_failures": 3}));
    assert_eq!((&plain["health_check"], &plain["bulkhead"]), (&Value::Null, &Value::Null));
    assert_eq!(plain["open"]["wait_duration"], "30s");
}

#[test]
fn damaged_notes_begin_anew() {
    let world = World::configured(1, &config(&fields()));
    world.store().put("edge-breaker/v1/payment-service/recent", vec![1, 77]);
    world.trip();
    assert_eq!(shown(&world)["last_failure"]["status"], 503);
    assert_eq!(world.metric("edge_breaker_unreadable_records_total"), 1);
}
