//! Who is let through: everybody, nobody, or a few.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::world::{Call, PAYMENT, World, flag, service};

#[test]
fn a_closed_breaker_lets_everything_through_untouched() {
    let world = World::with(&json!({}));
    for _ in 0..10 {
        let call = world.call();
        assert!(call.is_admitted());
        assert!(call.verdict.remove.is_empty());
        call.respond(200);
    }
    assert_eq!(world.outcomes(), [10, 0, 0, 0]);
}

#[test]
fn a_request_that_matches_no_service_is_left_alone() {
    let world = World::with(&json!({}));
    let mut call = world.request("another-service").send();
    assert!(call.is_left_alone());
    call.begin(503);
    drop(call);
    assert_eq!(world.outcomes(), [0, 0, 0, 0]);
}

#[test]
fn services_do_not_notice_each_other() {
    let config =
        json!({"services": [service(PAYMENT, &json!({})), service("inventory", &json!({}))]});
    let world = World::configured(2, &config);
    for number in 0..12 {
        world.request("inventory").on(number % 2).send().respond(200);
        world.request(PAYMENT).on(number % 2).send().respond(503);
    }
    assert_eq!(world.status_of("inventory").state.name(), "CLOSED");
    assert_eq!(world.state(), "OPEN");
    assert_eq!(
        world.store().keys(),
        [
            "edge-breaker/v1/events/list",
            "edge-breaker/v1/inventory",
            "edge-breaker/v1/payment-service"
        ]
    );
}

/// Row 13: a wall clock that jumps changes nothing.
#[test]
fn an_open_breaker_waits_by_the_monotonic_clock() {
    let wait = json!({"open": {"wait_duration": "10s", "jitter": 0}});
    for put_back in [true, false] {
        let world = World::with(&wait);
        world.trip();
        let day = Duration::from_secs(24 * 60 * 60);
        if put_back {
            world.set_wall_back(day);
        } else {
            world.set_wall_forward(day);
        }
        world.advance(Duration::from_millis(9_999));
        assert!(!world.call().is_admitted());
        world.advance(Duration::from_millis(1));
        assert!(world.call().is_admitted());
    }
}

#[test]
fn without_further_ado_a_breaker_waits_half_a_minute_more_or_less() {
    let world = World::with(&json!({}));
    world.trip();
    let wait = world.wait();
    assert!(wait >= Duration::from_secs(24) && wait <= Duration::from_secs(36), "{wait:?}");
}

#[test]
fn each_trip_in_a_row_doubles_the_wait_up_to_its_maximum() {
    let world = World::with(&json!({
        "open": {"wait_duration": "10s", "backoff_rate": 2.0, "max_wait_duration": "1m", "jitter": 0}
    }));
    world.trip();
    let mut waits = vec![world.wait().as_secs()];
    for _ in 0..4 {
        world.advance(world.wait());
        world.call().respond(503);
        waits.push(world.wait().as_secs());
    }
    assert_eq!(waits, [10, 20, 40, 60, 60]);
    world.advance(world.wait());
    world.call().respond(200);
    world.trip();
    assert_eq!(world.wait().as_secs(), 10, "a success has ended the row");
}

/// Row 14: instances do not come back in lock-step.
#[test]
fn waits_are_spread_to_both_sides() {
    let waits: BTreeSet<_> = (0..50)
        .map(|number| {
            let world = World::with(&json!({"open": {"wait_duration": "100s", "jitter": 20}}));
            world.advance(Duration::from_nanos(number));
            world.trip();
            world.wait()
        })
        .collect();
    assert!(waits.len() > 45, "{} different ones", waits.len());
    let (first, last) = (waits.first().unwrap(), waits.last().unwrap());
    assert!(*first >= Duration::from_secs(80) && *first < Duration::from_secs(90), "{first:?}");
    assert!(*last <= Duration::from_secs(120) && *last > Duration::from_secs(110), "{last:?}");
}

/// Row 4: the cap holds across all workers.
#[test]
fn no_more_trials_are_out_than_permitted_whoever_asks() {
    let world = World::with_workers(
        4,
        &json!({
            "open": {"wait_duration": "10s", "jitter": 0},
            "half_open": {"permitted_calls": 5, "success_threshold": 5}
        }),
    );
    world.await_trials();
    let calls: Vec<_> = (0..64).map(|n| world.request(PAYMENT).on(n % 4).send()).collect();
    assert_eq!(calls.iter().filter(|call| call.is_admitted()).count(), 5);
    assert_eq!(world.of("not_permitted_total", &["reason=half_open"]), 59);
    assert_eq!(world.of("transitions_total", &["to=half_open", "reason=wait_elapsed"]), 1);
}

#[test]
fn trials_in_flight_and_done_share_the_slots() {
    let world = World::with(&json!({
        "open": {"wait_duration": "10s", "jitter": 0},
        "half_open": {"permitted_calls": 3, "success_threshold": 3}
    }));
    world.await_trials();
    world.call().respond(200);
    let two: Vec<_> = (0..2).map(|_| world.call()).collect();
    assert!(two.iter().all(Call::is_admitted));
    assert!(!world.call().is_admitted(), "one is done, two are out");
    for call in two {
        call.respond(200);
    }
    assert_eq!(world.state(), "CLOSED");
    assert_eq!(world.of("transitions_total", &["to=closed", "reason=trials_succeeded"]), 1);
}

#[test]
fn one_failed_trial_opens_the_breaker_again_whatever_the_others_gave() {
    let world = World::with(&json!({
        "open": {"wait_duration": "10s", "jitter": 0},
        "half_open": {"permitted_calls": 3, "success_threshold": 3}
    }));
    world.await_trials();
    world.call().respond(200);
    let last = world.call();
    world.call().respond(503);
    assert_eq!((world.state(), world.wait().as_secs()), ("OPEN", 20));
    last.respond(200);
    assert_eq!(world.state(), "OPEN");
}

#[test]
fn a_tripping_answer_may_ask_for_a_longer_wait() {
    for (honor, max, seconds) in [(true, "5m", 120), (true, "1m", 60), (false, "5m", 10)] {
        let world = World::with(&json!({"open": {
            "wait_duration": "10s", "jitter": 0, "max_wait_duration": max,
            "honor_retry_after": honor
        }}));
        world.fail(2);
        world.call().response_header("retry-after", "120").respond(503);
        assert_eq!(world.wait().as_secs(), seconds, "{honor} {max}");
    }
}

#[test]
fn retry_after_may_be_a_date_and_never_shortens_a_wait() {
    for (value, seconds) in [
        ("Wed, 01 May 2024 12:01:00 GMT", 60),
        ("Wed, 01 May 2024 11:00:00 GMT", 10),
        ("Wednesday, 01-May-24 12:01:00 GMT", 60),
        ("5", 10),
        (" 30 ", 30),
        ("-30", 10),
        ("soon", 10),
        ("", 10),
        ("99999999999999999999999", 10),
        ("18446744073709551615", 300),
        ("\u{ff}", 10),
    ] {
        let world = World::with(&json!({"open": {"wait_duration": "10s", "jitter": 0}}));
        world.fail(2);
        world.call().response_header("retry-after", value).respond(503);
        assert_eq!(world.wait().as_secs(), seconds, "{value:?}");
    }
}

/// Row 13: every wait is bounded by its maximum, even one that a client's clock has made.
#[test]
fn a_date_years_ahead_waits_no_longer_than_the_maximum() {
    let world = World::with(&json!({"open": {"wait_duration": "10s", "max_wait_duration": "2m"}}));
    world.fail(2);
    world.call().response_header("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT").respond(503);
    assert_eq!(world.wait(), Duration::from_secs(120));
}

#[test]
fn a_grpc_service_may_push_back_for_a_number_of_milliseconds() {
    let cases = [("45000", 45), ("-1", 10), ("soon", 10), ("5", 10), ("", 10)];
    for (value, seconds) in cases {
        for in_trailers in [true, false] {
            let world = World::with(&json!({"open": {"wait_duration": "10s", "jitter": 0}}));
            world.fail(2);
            let call = world.request(PAYMENT).grpc().send();
            if in_trailers {
                call.trailer("grpc-retry-pushback-ms", value).respond_grpc(Some("14"));
            } else {
                let call = call.response_header("grpc-retry-pushback-ms", value);
                call.respond_grpc_head(200, Some("14"));
            }
            assert_eq!(world.wait().as_secs(), seconds, "{value:?}, in trailers: {in_trailers}");
        }
    }
}

#[test]
fn pushback_is_grpcs_alone_and_is_honoured_where_retry_after_is() {
    let world = World::with(&json!({"open": {"wait_duration": "10s", "jitter": 0}}));
    world.fail(2);
    world.call().response_header("grpc-retry-pushback-ms", "45000").respond(503);
    assert_eq!(world.wait().as_secs(), 10);

    let world = World::with(&json!({"open": {
        "wait_duration": "10s", "jitter": 0, "honor_retry_after": false
    }}));
    world.fail(2);
    let call = world.request(PAYMENT).grpc().send();
    call.trailer("grpc-retry-pushback-ms", "45000").respond_grpc(Some("14"));
    assert_eq!(world.wait().as_secs(), 10);
}

#[test]
fn only_the_answer_that_trips_lengthens_the_wait() {
    let world = World::with(&json!({"open": {"wait_duration": "10s", "jitter": 0}}));
    world.fail(1);
    world.call().response_header("retry-after", "120").respond(503);
    world.call().respond_by_proxy(503, "no_healthy_upstream", &[flag::UH]);
    assert_eq!(world.wait().as_secs(), 10);
}
