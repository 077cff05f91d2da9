//! Health checks of open services: one at a time for all threads, whatever becomes of them.

use std::time::Duration;

use filter::{CalloutAnswer, Headers};
use serde_json::{Value, json};

use crate::world::{PAYMENT, World, service};

const SECOND: Duration = Duration::from_secs(1);

fn checked(check: &Value) -> Value {
    let mut fields = json!({
        "health_check": {"cluster": "payment", "path": "/health", "interval": "5s", "timeout": "1s"}
    });
    for (field, value) in check.as_object().unwrap() {
        fields["health_check"][field] = value.clone();
    }
    fields
}

fn path(world: &World) -> String {
    let headers = world.check_callout().headers;
    headers.into_iter().find(|(name, _)| name == ":path").expect("a path").1
}

#[test]
fn a_closed_service_is_not_checked() {
    let world = World::with_workers(4, &checked(&json!({})));
    world.run(60 * SECOND);
    assert_eq!(world.pending_checks(), 0);
}

#[test]
fn an_open_service_is_checked_by_one_thread_whatever_their_number() {
    for workers in [1, 4, 32] {
        let world = World::with_workers(workers, &checked(&json!({})));
        world.trip();
        world.tick_all();
        world.tick_all();
        assert_eq!(world.pending_checks(), 1, "{workers} workers and the main thread");
    }
}

#[test]
fn a_check_taken_by_two_threads_at_once_is_made_by_one() {
    let world = World::with_workers(2, &checked(&json!({})));
    world.trip();
    let rival = world.clone();
    world.store().before_next_write(move || rival.tick(1));
    world.tick(0);
    assert_eq!(world.pending_checks(), 1);
}

#[test]
fn the_check_is_the_call_that_was_configured() {
    let world = World::with(&checked(&json!({
        "host": "payments.example.com", "method": "HEAD", "path": "/health?deep=1",
        "headers": {"X-Probe": "yes", "accept": "text/plain"}, "timeout": "750ms"
    })));
    world.trip();
    world.tick_all();
    let callout = world.check_callout();
    assert_eq!(
        (callout.cluster.as_str(), callout.timeout),
        ("payment", Duration::from_millis(750))
    );
    let headers: Vec<_> = callout.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(
        headers,
        [
            (":method", "HEAD"),
            (":path", "/health?deep=1"),
            (":authority", "payments.example.com"),
            ("x-probe", "yes"),
            ("accept", "text/plain"),
        ]
    );
    assert_eq!(callout.body, b"");
}

#[test]
fn a_check_without_a_host_names_its_cluster() {
    let world = World::with(&checked(&json!({})));
    world.trip();
    world.tick_all();
    let callout = world.check_callout();
    let authority = (":authority".to_owned(), "payment".to_owned());
    assert!(callout.headers.contains(&authority) && callout.timeout == SECOND);
}

#[test]
fn the_first_check_is_made_at_the_end_of_the_wait() {
    let mut fields = checked(&json!({}));
    fields["open"] = json!({"wait_duration": "20s", "jitter": 0});
    let world = World::with(&fields);
    world.trip();
    assert_eq!(world.until_next_check(), 20 * SECOND);
    assert!(!world.call().is_admitted());
}

#[test]
fn without_a_wait_the_first_check_is_made_at_once() {
    let world = World::with(&checked(&json!({})));
    world.trip();
    assert_eq!(world.until_next_check(), Duration::ZERO);
}

/// A passed wait alone does not end the open state of a service that is checked.
#[test]
fn a_service_that_fails_its_checks_stays_open_for_good() {
    let world = World::with_workers(2, &checked(&json!({})));
    world.trip();
    for _ in 0..100 {
        world.until_next_check();
        world.answer_check(503);
        assert!(!world.call().is_admitted());
    }
    assert_eq!(world.state(), "OPEN");
    assert_eq!(world.of("health_checks_total", &["result=unhealthy"]), 100);
}

/// Row 19: a passed check leads to trials, unless it is configured to close.
#[test]
fn a_passed_check_leads_to_trials_or_closes() {
    for (then, state, to) in
        [("half_open", "HALF_OPEN", "to=half_open"), ("close", "CLOSED", "to=closed")]
    {
        let world = World::with(&checked(&json!({"then": then})));
        world.trip();
        world.tick_all();
        world.answer_check(200);
        assert_eq!(world.state(), state);
        assert_eq!(world.of("transitions_total", &[to, "reason=health_check"]), 1);
        assert_eq!(world.of("health_checks_total", &["result=healthy"]), 1);
        world.call().respond(200);
        assert_eq!(world.state(), "CLOSED");
    }
    let world = World::with(&checked(&json!({})));
    world.trip();
    world.tick_all();
    world.answer_check(200);
    assert_eq!(world.state(), "HALF_OPEN", "the default");
}

/// Row 19: a check that passes while real calls still fail closes nothing.
#[test]
fn a_trial_that_fails_after_a_passed_check_opens_again_and_waits_longer() {
    let mut fields = checked(&json!({}));
    fields["open"] = json!({"wait_duration": "10s", "jitter": 0});
    let world = World::with(&fields);
    world.trip();
    assert_eq!(world.until_next_check(), 10 * SECOND);
    world.answer_check(200);
    world.call().respond(503);
    assert_eq!(world.state(), "OPEN");
    assert_eq!(world.until_next_check(), 20 * SECOND);
}

/// The recipe closes on a passed check. If calls still fail, the waits must grow all the same.
#[test]
fn a_service_that_is_closed_by_checks_and_trips_again_waits_longer() {
    let mut fields = checked(&json!({"then": "close"}));
    fields["open"] = json!({"wait_duration": "10s", "jitter": 0});
    let world = World::with(&fields);
    let mut waits = Vec::new();
    for _ in 0..3 {
        world.trip();
        waits.push(world.wait().as_secs());
        world.until_next_check();
        world.answer_check(200);
        assert_eq!(world.state(), "CLOSED");
    }
    assert_eq!(waits, [10, 20, 40]);
    world.call().respond(200);
    world.trip();
    assert_eq!(world.wait().as_secs(), 10);
}

#[test]
fn as_many_checks_in_a_row_must_pass_as_configured() {
    let world = World::with(&checked(&json!({"healthy_threshold": 3})));
    world.trip();
    let mut waits = Vec::new();
    for status in [200, 200, 503, 200, 200, 200] {
        assert_eq!(world.state(), "OPEN");
        waits.push(world.until_next_check().as_secs());
        world.answer_check(status);
    }
    assert_eq!(world.state(), "HALF_OPEN");
    assert_eq!(waits, [0, 5, 5, 5, 5, 5]);
}

#[test]
fn a_failed_check_is_tried_again_on_the_recipes_schedule() {
    let world = World::with(&checked(&json!({
        "retry": {"num_retries": 3, "interval": "2s", "backoff_rate": 2.0}
    })));
    world.trip();
    let waits: Vec<_> = (0..9)
        .map(|_| {
            let wait = world.until_next_check().as_secs();
            world.answer_check(500);
            wait
        })
        .collect();
    assert_eq!(waits, [0, 2, 4, 8, 5, 2, 4, 8, 5]);
}

#[test]
fn a_check_that_passes_at_a_retry_has_passed() {
    let world = World::with(&checked(&json!({"retry": {}, "healthy_threshold": 2})));
    world.trip();
    for status in [200, 500, 500, 200] {
        world.until_next_check();
        world.answer_check(status);
    }
    assert_eq!(world.state(), "HALF_OPEN", "two in a row: the retries belong to the second");
}

#[test]
fn the_statuses_that_pass_are_configured() {
    for (status, expected, passes) in [
        (204, None, true),
        (299, None, true),
        (301, None, false),
        (404, None, false),
        (200, Some(json!(["404"])), false),
        (404, Some(json!(["404"])), true),
    ] {
        let mut check = json!({});
        if let Some(expected) = expected {
            check["expected_status"] = expected;
        }
        let world = World::with(&checked(&check));
        world.trip();
        world.tick_all();
        world.answer_check(status);
        let state = if passes { "HALF_OPEN" } else { "OPEN" };
        assert_eq!(world.state(), state, "{status}");
    }
}

#[test]
fn a_check_without_a_sensible_answer_has_failed() {
    let world = World::with(&checked(&json!({"interval": "10ms", "timeout": "5ms"})));
    world.trip();
    world.tick_all();
    world.fail_check();
    for status in [&b""[..], b"OK", b"\xff\xff", b"99999", b"-200"] {
        world.until_next_check();
        let headers = Headers::from_pairs(&[(":status", status)]);
        world.finish_check(&CalloutAnswer::Answered(headers, Vec::new()));
    }
    world.until_next_check();
    world.finish_check(&CalloutAnswer::Answered(
        Headers::from_serialized(vec![0xff; 9]),
        Vec::new(),
    ));
    assert_eq!(world.of("health_checks_total", &["result=unhealthy"]), 7);
    assert_eq!(world.state(), "OPEN");
}

#[test]
fn a_holder_that_vanished_is_replaced_within_two_intervals() {
    for interval in ["5s", "500ms", "10ms", "1h"] {
        let world = World::with_workers(
            4,
            &checked(&json!({
                "interval": interval, "timeout": "10ms"
            })),
        );
        world.trip();
        world.tick_all();
        world.lose_check();
        let interval = match interval {
            "5s" => 5 * SECOND,
            "500ms" => SECOND / 2,
            "10ms" => SECOND / 100,
            _ => 3600 * SECOND,
        };
        let mut waited = Duration::ZERO;
        while world.pending_checks() == 0 {
            world.run(world.tick_period());
            waited += world.tick_period();
            assert!(waited <= 2 * interval, "{waited:?} of {interval:?}");
        }
        assert!(waited >= Duration::from_millis(10), "its time was not over");
        assert_eq!(world.pending_checks(), 1);
    }
}

#[test]
fn a_holder_that_answers_too_late_has_no_say() {
    let world = World::with_workers(2, &checked(&json!({"then": "close"})));
    world.trip();
    world.tick(0);
    world.advance(10 * SECOND);
    world.tick(1);
    assert_eq!(world.pending_checks(), 2, "the first was given up");
    world.answer_check(200);
    assert_eq!(world.state(), "OPEN");
    world.answer_check(200);
    assert_eq!(world.state(), "CLOSED");
}

#[test]
fn a_check_that_slept_through_a_whole_outage_has_no_say_in_the_next() {
    let world = World::with_workers(2, &checked(&json!({"then": "close"})));
    world.trip();
    world.tick(0);
    world.advance(10 * SECOND);
    world.tick(1);
    // The second holder answers first, and the service closes and trips again.
    let slow = world.take_check();
    world.answer_check(200);
    world.trip();
    world.put_check(slow);
    world.answer_check(200);
    assert_eq!(world.state(), "OPEN");
}

#[test]
fn a_check_that_cannot_be_written_down_is_made_again() {
    let world = World::with(&checked(&json!({})));
    world.trip();
    world.tick_all();
    world.store().conflict_next(64);
    world.answer_check(200);
    assert_eq!(world.state(), "OPEN");
    assert_eq!(world.metric("edge_breaker_lost_updates_total"), 1);
    world.until_next_check();
    world.answer_check(200);
    assert_eq!(world.state(), "HALF_OPEN");
}

#[test]
fn a_check_added_to_an_open_service_takes_over() {
    let wait = json!({"open": {"wait_duration": "10s", "jitter": 0}});
    let world = World::with(&wait);
    world.trip();
    let mut fields = checked(&json!({}));
    fields["open"] = wait["open"].clone();
    world.configure(1, &json!({"services": [service(PAYMENT, &fields)]}));
    assert_eq!(world.until_next_check(), 10 * SECOND);
    assert!(!world.call().is_admitted());
}

#[test]
fn a_check_taken_from_an_open_service_leaves_the_wait_to_end_it() {
    let world = World::with(&checked(&json!({})));
    world.trip();
    world.tick_all();
    world.configure(1, &json!({"services": [service(PAYMENT, &json!({}))]}));
    assert!(world.call().is_admitted());
    assert_eq!(world.state(), "HALF_OPEN");
}

/// A replaced configuration stays at work, ticks included, until its last stream has ended.
#[test]
fn a_replaced_health_check_is_not_made_any_more() {
    let world = World::with(&checked(&json!({})));
    world.trip();
    world.run(Duration::from_secs(1));
    let replaced = world.filters();
    world.answer_check(500);
    world.configure(
        1,
        &json!({"services": [service(PAYMENT, &checked(&json!({"path": "/ready"})))]}),
    );
    let mut paths = Vec::new();
    for _ in 0..60 {
        world.tick_replaced(&replaced);
        world.run(Duration::from_secs(1));
        while world.pending_checks() > 0 {
            paths.push(path(&world));
            world.answer_check(500);
        }
    }
    assert!(paths.len() > 10, "{paths:?}");
    assert!(paths.iter().all(|path| path == "/ready"), "{paths:?}");
}

/// Whoever holds the lease of a replaced check has no say when its answer comes.
#[test]
fn a_check_that_was_replaced_while_it_was_made_changes_nothing() {
    let world = World::with(&checked(&json!({"then": "close"})));
    world.trip();
    world.run(Duration::from_secs(1));
    assert_eq!(world.pending_checks(), 1);
    world.configure(
        1,
        &json!({"services": [service(PAYMENT, &checked(&json!({"path": "/ready"})))]}),
    );
    world.answer_check(200);
    assert_eq!(world.state(), "OPEN");
}

/// A listener with other settings may be gone for good: the check of one that is left is made.
#[test]
fn a_check_that_nobody_makes_any_more_is_made_by_who_has_another() {
    let world = World::with(&checked(&json!({})));
    let left = world.filters();
    world.configure(
        1,
        &json!({"services": [service(PAYMENT, &checked(&json!({"path": "/ready"})))]}),
    );
    world.trip();
    world.leave(left);
    let waited = world.until_next_check();
    assert!(waited >= 30 * SECOND && waited <= 40 * SECOND, "{waited:?}");
    assert_eq!(path(&world), "/health");
    world.answer_check(200);
    assert_eq!(world.state(), "HALF_OPEN");
}

#[test]
fn ticks_come_often_enough_for_the_shortest_wait_and_seldom_enough_for_the_proxy() {
    for (check, millis) in [
        (json!({}), 500),
        (json!({"interval": "1s"}), 250),
        (json!({"interval": "1s", "retry": {"interval": "100ms"}}), 25),
        (json!({"interval": "10ms", "timeout": "10ms"}), 5),
    ] {
        let world = World::with(&checked(&check));
        assert_eq!(world.tick_period(), Duration::from_millis(millis), "{check}");
    }
    assert_eq!(World::with(&json!({})).tick_period(), Duration::from_millis(500));
}

/// Its service is checked at this path.
fn checked_at(path: &str) -> Value {
    json!({"services": [service(PAYMENT, &checked(&json!({"path": path})))]})
}

/// Envoy does not start a plugin for it: the one that is left of it serves on.
#[test]
fn a_configuration_that_is_put_back_without_notice_checks_the_service_that_it_trips() {
    let world = World::configured(1, &checked_at("/health"));
    let left = world.filters();
    world.configure(1, &checked_at("/wrong"));
    world.leave(left);
    world.trip();
    assert!(world.until_next_check() <= SECOND);
    assert_eq!(path(&world), "/health");
    world.answer_check(200);
    assert_eq!(world.state(), "HALF_OPEN");
}

#[test]
fn a_configuration_that_is_put_back_while_open_checks_within_an_interval_of_its_first_call() {
    let world = World::configured(1, &checked_at("/health"));
    let left = world.filters();
    world.configure(1, &checked_at("/wrong"));
    for _ in 0..3 {
        world.request(PAYMENT).connection(7).send().respond(503);
    }
    assert!(world.until_next_check() <= SECOND);
    assert_eq!(path(&world), "/wrong");
    world.answer_check(404);
    let wrong = world.filters();
    world.leave(left);
    assert!(!world.request(PAYMENT).connection(8).send().is_admitted());
    world.tick_replaced(&wrong);
    assert_eq!(world.pending_checks(), 0);
    let waited = world.until_next_check();
    assert!(waited <= 5 * SECOND, "{waited:?}");
    assert_eq!(path(&world), "/health");
    world.answer_check(200);
    assert_eq!(world.state(), "HALF_OPEN");
}

/// Its clients hold their connections, and call on while it drains.
#[test]
fn calls_of_a_replaced_configuration_that_drains_put_its_check_in_force_no_more() {
    let world = World::configured(1, &checked_at("/wrong"));
    let replaced = world.filters();
    world.configure(1, &checked_at("/health"));
    let in_force = world.filters();
    for _ in 0..3 {
        world.request(PAYMENT).connection(9).send().respond(503);
    }
    for _ in 0..60 {
        world.leave(replaced.clone());
        assert!(!world.request(PAYMENT).connection(3).send().is_admitted());
        world.tick_all();
        world.leave(in_force.clone());
        world.run(SECOND);
        while world.pending_checks() > 0 {
            assert_eq!(path(&world), "/health");
            world.answer_check(500);
        }
    }
}

/// QUIC has hashes for numbers, which say nothing of an order.
#[test]
fn a_connection_without_a_number_puts_no_check_in_force() {
    let world = World::configured(1, &checked_at("/health"));
    let left = world.filters();
    world.configure(1, &checked_at("/wrong"));
    world.trip();
    world.leave(left);
    for number in [u64::MAX, 1 << 48] {
        assert!(!world.request(PAYMENT).connection(number).send().is_admitted());
        world.run(SECOND);
        assert_eq!(world.pending_checks(), 0);
    }
}
