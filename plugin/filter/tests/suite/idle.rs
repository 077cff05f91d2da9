//! What a tick costs where there are many services, and that it misses nothing for it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{PAYMENT, World, key, service};

const SERVICES: usize = 200;

/// A round of the timer, and all rounds in which each record is read.
const ROUND: Duration = Duration::from_millis(500);
const ALL_ROUNDS: Duration = Duration::from_secs(5);

/// So many services, and one more behind them, each with these fields.
fn many(services: usize, fields: &Value) -> Value {
    let names = (0..services).map(|number| format!("s{number}"));
    let services = names.chain([PAYMENT.to_owned()]).map(|name| service(&name, fields));
    json!({"services": services.collect::<Vec<_>>()})
}

fn checked() -> Value {
    let check = json!({
        "cluster": "payment", "path": "/health", "interval": "200ms", "timeout": "100ms",
    });
    json!({"health_check": check, "open": {"wait_duration": "200ms", "jitter": 0}})
}

/// Some workers that have nothing left to do.
fn idle(workers: usize, fields: &Value) -> World {
    let world = World::configured(workers, &many(SERVICES, fields));
    world.run(2 * ALL_ROUNDS);
    world
}

/// What one worker asks for in a round and the ticks that follow it, of each kind.
fn asked_of_one_worker(world: &World) -> impl Fn(&str) -> usize {
    let ticks = ROUND.as_millis() / world.tick_period().as_millis();
    let asked = world.asked(|| (0..ticks).for_each(|_| world.tick(0)));
    move |what| asked.get(what).copied().unwrap_or_default()
}

#[test]
fn idle_services_cost_a_gauge_each_and_a_part_of_their_records_in_half_a_second() {
    for fields in [
        json!({}),
        checked(),
        json!({"bulkhead": {"max_concurrent_calls": 5}}),
        json!({"trip": {"failure_rate_threshold": 50}}),
        json!({"fallback": {"stale": {"max_entries": 1}}}),
    ] {
        let world = idle(1, &fields);
        let asked = asked_of_one_worker(&world);
        // Those that are read are asked for once, too; ticks between rounds ask for one more each.
        assert!(asked("gauge") <= SERVICES + 1 + 10, "{fields}: {}", asked("gauge"));
        assert!(asked("load") <= SERVICES / 2, "{fields}: {}", asked("load"));
        assert_eq!(asked("swap"), 0, "{fields}");
        assert_eq!(asked("adjust"), 0, "{fields}");
    }
}

#[test]
fn a_tick_between_two_rounds_asks_for_one_gauge() {
    let world = idle(1, &checked());
    while world.asked(|| world.tick(0)).values().sum::<usize>() > 1 {}
    // The last one was the first after a round; eight more come before the next.
    for _ in 0..8 {
        let asked = world.asked(|| world.tick(0));
        assert_eq!(asked.into_iter().collect::<Vec<_>>(), [("gauge", 1)]);
    }
}

#[test]
fn a_service_that_another_worker_trips_is_checked_by_the_next_tick_of_any() {
    let world = idle(2, &checked());
    for _ in 0..20 {
        // Between two rounds of the first worker, whenever that is.
        world.tick(0);
        for _ in 0..3 {
            world.request(PAYMENT).on(1).send().respond(503);
        }
        world.advance(world.wait());
        world.tick(0);
        assert_eq!(world.pending_checks(), 1);
        world.answer_check(200);
        assert_eq!(world.state(), "HALF_OPEN");
        world.request(PAYMENT).send().respond(200);
        assert_eq!(world.state(), "CLOSED");
    }
}

#[test]
fn a_check_is_made_when_it_is_due_and_its_service_is_not_read_before() {
    let world = idle(1, &checked());
    world.trip();
    world.tick(0);
    world.tick(0);
    let asked = world.asked(|| world.tick(0));
    assert_eq!(asked.get("load"), None, "{asked:?}");
    assert!(world.wait() > Duration::ZERO);
    world.advance(world.wait());
    world.tick(0);
    assert_eq!(world.pending_checks(), 1);
    // And again after an interval, and for as long as it takes.
    for _ in 0..5 {
        world.answer_check(503);
        world.tick(0);
        assert_eq!(world.pending_checks(), 0);
        world.advance(Duration::from_millis(200));
        world.tick(0);
        assert_eq!(world.pending_checks(), 1);
    }
}

#[test]
fn a_record_among_many_that_was_written_without_its_gauge_is_seen_within_five_seconds() {
    let world = idle(1, &json!({}));
    let open = World::with(&json!({}));
    open.trip();
    world.store().put(&key(PAYMENT), open.store().get(&key(PAYMENT)).unwrap());
    assert_eq!(world.of("state", &[]), 0);
    world.run(ALL_ROUNDS);
    assert_eq!(world.of("state", &[]), 1);
}

#[test]
fn a_newer_record_among_many_is_replaced_once_nobody_has_written_it_for_thirty_seconds() {
    let world = idle(1, &json!({}));
    world.store().put(&key(PAYMENT), vec![9]);
    world.run(Duration::from_secs(29));
    assert_eq!(world.store().get(&key(PAYMENT)).unwrap(), [9]);
    world.run(ALL_ROUNDS + Duration::from_secs(1));
    assert_eq!(world.state(), "CLOSED");
}

#[test]
fn rates_among_many_slide_down_as_time_passes() {
    let trip = json!({"trip": {
        "failure_rate_threshold": 50, "minimum_number_of_calls": 20, "sliding_window_size": "10s",
    }});
    let world = idle(1, &trip);
    world.call().respond(503);
    world.call().respond(200);
    assert_eq!(world.of("failure_rate", &[]), 50);
    world.run(Duration::from_secs(1));
    assert_eq!(world.of("failure_rate", &[]), 50);
    world.run(Duration::from_secs(10));
    assert_eq!(world.of("failure_rate", &[]), 0);
}

#[test]
fn what_one_worker_shows_too_late_is_mended_by_its_next_round() {
    let world = idle(2, &json!({}));
    let rival = world.clone();
    // The first worker has stored a failure, and shows it after the second has shown that it is forgotten.
    world.call().respond(503);
    rival.request(PAYMENT).on(1).send().respond(200);
    world.adjust_gauge("failure_count", 1);
    assert_eq!(world.of("failure_count", &[]), 1);
    world.advance(ROUND);
    world.tick(0);
    assert_eq!(world.of("failure_count", &[]), 0);
}

#[test]
fn permits_of_a_crashed_worker_among_many_are_shown_as_free_within_ten_seconds() {
    let world = idle(2, &json!({"bulkhead": {"max_concurrent_calls": 5}}));
    let call = world.request(PAYMENT).on(1).send();
    assert_eq!(world.of("in_flight", &[]), 1);
    // The second worker ticks no more.
    for _ in 0..20 {
        world.advance(ROUND);
        world.tick(0);
    }
    assert_eq!(world.of("in_flight", &[]), 0);
    drop(call);
}
