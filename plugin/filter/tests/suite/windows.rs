//! Rates over the latest calls: what is counted, what is written down when, and what is shown.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{PAYMENT, World, service};

const SECOND: Duration = Duration::from_secs(1);

/// Opens when half of at least four calls failed.
fn halves(more: &Value) -> Value {
    let mut trip = json!({"failure_rate_threshold": 50, "minimum_number_of_calls": 4});
    for (field, value) in more.as_object().unwrap() {
        trip[field] = value.clone();
    }
    json!({"trip": trip, "open": {"wait_duration": "10s", "jitter": 0}})
}

fn slow_halves() -> Value {
    json!({
        "trip": {
            "slow_call_rate_threshold": 50, "slow_call_duration_threshold": "2s",
            "minimum_number_of_calls": 4
        },
        "open": {"wait_duration": "10s", "jitter": 0}
    })
}

/// Some workers, one service with these fields, and an admin API.
fn world_of(workers: usize, fields: &Value) -> World {
    World::configured(workers, &config(fields))
}

fn config(fields: &Value) -> Value {
    json!({"services": [service(PAYMENT, fields)], "admin": {}})
}

/// A field of the service as the admin API shows it.
fn shown(world: &World, field: &str) -> Value {
    let path = format!("/circuit-breaker/services/{PAYMENT}");
    let reply = world.request("localhost").path(&path).send().reply();
    assert_eq!(reply.status, 200);
    serde_json::from_slice::<Value>(&reply.body).unwrap()[field].clone()
}

fn respond(world: &World, worker: usize, statuses: &[u16]) {
    for status in statuses {
        world.request(PAYMENT).on(worker).send().respond(*status);
    }
}

#[test]
fn half_of_the_calls_fail_and_the_breaker_opens() {
    for window in [json!({}), json!({"sliding_window_size": 4})] {
        let world = world_of(1, &halves(&window));
        respond(&world, 0, &[200, 503, 200]);
        assert_eq!(world.state(), "CLOSED");
        respond(&world, 0, &[503]);
        assert_eq!(world.state(), "OPEN");
        assert_eq!(world.of("transitions_total", &["to=open", "reason=failure_rate"]), 1);
        assert_eq!(world.logged("to=OPEN reason=failure_rate").len(), 1);
    }
}

#[test]
fn good_calls_of_all_workers_count() {
    let world = world_of(4, &halves(&json!({})));
    for worker in 0..4 {
        respond(&world, worker, &[200, 200]);
    }
    world.run(SECOND);
    respond(&world, 0, &[503, 503, 503, 503]);
    assert_eq!(world.state(), "CLOSED", "4 of 12");
    respond(&world, 1, &[503, 503, 503, 503]);
    assert_eq!(world.state(), "OPEN", "8 of 16");
}

/// A worker that learns of a failure writes down what it has kept to itself, so that the next
/// failure is not taken for a larger share than it is.
#[test]
fn good_calls_are_written_down_once_another_worker_has_failed() {
    let world = world_of(2, &halves(&json!({})));
    respond(&world, 0, &[200; 10]);
    respond(&world, 1, &[503]);
    respond(&world, 0, &[200]);
    respond(&world, 1, &[503; 8]);
    assert_eq!(world.state(), "CLOSED", "9 of 20");
    respond(&world, 1, &[503, 503]);
    assert_eq!(world.state(), "OPEN", "11 of 22");
}

#[test]
fn good_calls_are_written_down_by_the_next_tick() {
    let world = world_of(1, &halves(&json!({})));
    respond(&world, 0, &[200; 7]);
    assert_eq!(shown(&world, "buffered_calls"), json!(0));
    world.run(world.tick_period());
    assert_eq!(shown(&world, "buffered_calls"), json!(7));
    assert!(world.tick_period() <= SECOND);
}

/// A pinned budget: a window asks for the time, and no more than that.
#[test]
fn a_good_call_costs_no_write() {
    for (window, clock) in [(json!({}), true), (json!({"sliding_window_size": 100}), false)] {
        let world = world_of(1, &halves(&window));
        respond(&world, 0, &[200]);
        let asked = world.asked(|| respond(&world, 0, &[200]));
        let expected = [("adjust", 1), ("gauge", 2), ("now", usize::from(clock))];
        let expected = expected.into_iter().filter(|(_, times)| *times > 0).collect();
        assert_eq!(asked, expected);
    }
}

/// After each failure a worker writes once, and goes on without.
#[test]
fn a_service_with_a_few_failures_costs_a_write_for_each_failure_and_worker() {
    let world = world_of(4, &halves(&json!({"minimum_number_of_calls": 20})));
    for worker in 0..4 {
        respond(&world, worker, &[200; 10]);
    }
    respond(&world, 0, &[503]);
    let asked = world.asked(|| {
        for _ in 0..100 {
            (0..4).for_each(|worker| respond(&world, worker, &[200]));
        }
    });
    assert_eq!(asked["swap"], 4, "{asked:?}");
}

#[test]
fn a_good_call_that_makes_the_calls_enough_opens_the_breaker() {
    let world = world_of(2, &halves(&json!({})));
    respond(&world, 0, &[503, 503, 503]);
    respond(&world, 1, &[200]);
    assert_eq!(world.state(), "OPEN");
}

/// What the route waits for is the beginning of the answer.
#[test]
fn a_call_is_slow_when_its_answer_was_long_in_coming() {
    let world = world_of(1, &slow_halves());
    for wait in [2_000, 1_999, 2_001, 0] {
        let call = world.call();
        world.advance(Duration::from_millis(wait));
        call.respond(200);
    }
    assert_eq!(world.of("slow_calls_total", &[]), 2);
    assert_eq!(world.state(), "OPEN");
    assert_eq!(world.of("transitions_total", &["to=open", "reason=slow_call_rate"]), 1);
    assert_eq!(world.calls("success"), 4);
}

#[test]
fn a_stream_is_not_slow_for_living_long() {
    let world = world_of(1, &slow_halves());
    for _ in 0..4 {
        let mut call = world.call();
        call.begin(200);
        world.advance(60 * SECOND);
        call.over();
    }
    assert_eq!((world.state(), world.of("slow_calls_total", &[])), ("CLOSED", 0));
}

#[test]
fn a_call_without_an_answer_took_until_it_ended() {
    let world = world_of(1, &slow_halves());
    let mut call = world.call();
    world.advance(2 * SECOND);
    call.came_by("upstream_reset_before_response_started", b"");
    call.over();
    assert_eq!(world.of("slow_calls_total", &[]), 1);
}

#[test]
fn a_slow_trial_opens_the_breaker_again() {
    let world = world_of(1, &slow_halves());
    for _ in 0..4 {
        let call = world.call();
        world.advance(2 * SECOND);
        call.respond(200);
    }
    world.advance(10 * SECOND);
    let trial = world.call();
    world.advance(2 * SECOND);
    trial.respond(200);
    assert_eq!(world.state(), "OPEN");
    assert_eq!(world.of("transitions_total", &["to=open", "reason=trial_failed"]), 1);
}

#[test]
fn rates_are_shown_by_metrics_and_by_the_admin_api() {
    let world = world_of(1, &halves(&json!({"minimum_number_of_calls": 20})));
    respond(&world, 0, &[200, 200, 503]);
    assert_eq!(world.of("failure_rate", &[]), 33);
    assert_eq!(world.of("slow_call_rate", &[]), 0);
    assert_eq!(shown(&world, "buffered_calls"), json!(3));
    let rate = shown(&world, "failure_rate").as_f64().unwrap();
    assert!((rate - 100.0 / 3.0).abs() < 1e-9, "{rate}");
    assert_eq!(shown(&world, "slow_call_rate"), json!(0.0));
    // What has slid out is not shown any more.
    world.run(10 * SECOND);
    assert_eq!(world.of("failure_rate", &[]), 0);
    assert_eq!(shown(&world, "failure_rate"), json!(null));
    assert_eq!(shown(&world, "buffered_calls"), json!(0));
}

#[test]
fn without_a_rate_nothing_of_the_kind_is_shown() {
    let world = world_of(1, &json!({}));
    respond(&world, 0, &[200, 503]);
    for field in ["failure_rate", "slow_call_rate", "buffered_calls"] {
        assert_eq!(shown(&world, field), json!(null));
    }
}

/// A configuration update keeps the calls that fit into the new window.
#[test]
fn another_window_keeps_the_calls_that_fit() {
    let config = |size: Value| {
        config(&halves(&json!({"minimum_number_of_calls": 20, "sliding_window_size": size})))
    };
    let world = World::configured(2, &config(json!("10s")));
    respond(&world, 0, &[503; 5]);
    world.configure(2, &config(json!("30s")));
    assert_eq!(shown(&world, "buffered_calls"), json!(5));
    world.configure(2, &config(json!(50)));
    assert_eq!(shown(&world, "buffered_calls"), json!(0));
    respond(&world, 0, &[503; 5]);
    assert_eq!(shown(&world, "buffered_calls"), json!(5));
}

/// An update that was given up loses no good call.
#[test]
fn good_calls_of_an_update_that_was_given_up_are_written_down_later() {
    let world = world_of(1, &halves(&json!({"minimum_number_of_calls": 20})));
    respond(&world, 0, &[503]);
    let call = world.call();
    world.store().conflict_next(usize::MAX);
    call.respond(200);
    world.store().conflict_next(0);
    world.run(world.tick_period());
    assert_eq!(shown(&world, "buffered_calls"), json!(2));
}
