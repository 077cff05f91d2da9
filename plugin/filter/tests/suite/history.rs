//! The last ten minutes of a breaker are there for whoever looks at it later.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Gauges, PAYMENT, World, service};

const PIECE: Duration = Duration::from_secs(5);
const PIECES: usize = 120;

fn config(services: usize) -> Value {
    let others = (1..services).map(|number| format!("s{number}"));
    let fields = json!({"open": {"wait_duration": "10s", "jitter": 0}});
    let services = [PAYMENT.to_owned()].into_iter().chain(others);
    json!({"services": services.map(|name| service(&name, &fields)).collect::<Vec<_>>(), "admin": {}})
}

fn world(workers: usize) -> World {
    let world = World::configured(workers, &config(1));
    // It begins with whole pieces.
    world.run(2 * PIECE);
    world
}

fn history(world: &World, service: &str) -> Value {
    let path = format!("/circuit-breaker/services/{service}/history");
    let reply = world.request("localhost").path(&path).send().reply();
    assert_eq!(reply.status, 200);
    serde_json::from_slice(&reply.body).unwrap()
}

/// The last pieces: state, calls, failures and diverted calls of each.
fn latest(world: &World, pieces: usize) -> Vec<Value> {
    let shown = history(world, PAYMENT);
    let all = shown["pieces"].as_array().unwrap();
    assert_eq!(all.len(), PIECES);
    let of = |piece: &Value| match piece {
        Value::Null => Value::Null,
        it => json!([it["state"], it["calls"], it["failures"], it["diverted"]]),
    };
    all[PIECES - pieces..].iter().map(of).collect()
}

#[test]
fn a_history_tells_what_was_counted_in_each_five_seconds_and_the_worst_state_in_them() {
    let world = world(2);
    world.call().respond(503);
    world.call().respond(200);
    world.run(PIECE);
    world.fail(3);
    for _ in 0..4 {
        assert!(!world.request(PAYMENT).on(1).send().is_admitted());
    }
    world.run(PIECE);
    world.run(PIECE);
    // The wait is over: a trial closes it.
    world.call().respond(200);
    world.run(PIECE);
    assert_eq!(
        latest(&world, 5),
        [
            json!(["CLOSED", 0, 0, 0]),
            json!(["CLOSED", 2, 1, 0]),
            json!(["OPEN", 3, 3, 4]),
            json!(["OPEN", 0, 0, 0]),
            json!(["OPEN", 1, 0, 0]),
        ]
    );
    world.run(PIECE);
    assert_eq!(latest(&world, 1), [json!(["CLOSED", 0, 0, 0])]);
    let shown = history(&world, PAYMENT);
    assert_eq!((&shown["service_name"], &shown["piece_seconds"]), (&json!(PAYMENT), &json!(5)));
    assert!(shown["ends_at"].as_str().unwrap().starts_with("2024-05-01T12:00:"), "{shown}");
}

#[test]
fn a_history_has_ten_minutes_and_nothing_is_known_of_the_time_before_the_proxy_was_started() {
    let world = world(1);
    assert_eq!(latest(&world, PIECES)[..100], vec![Value::Null; 100]);
    for _ in 0..2 * PIECES {
        world.call().respond(200);
        world.run(PIECE);
    }
    assert_eq!(latest(&world, PIECES), vec![json!(["CLOSED", 1, 0, 0]); PIECES]);
}

#[test]
fn time_in_which_no_worker_looked_is_a_gap() {
    let world = world(2);
    world.call().respond(200);
    world.run(PIECE);
    world.advance(4 * PIECE);
    world.call().respond(200);
    world.run(2 * PIECE);
    let shown = latest(&world, 7);
    assert_eq!(shown[..2], [json!(["CLOSED", 1, 0, 0]), Value::Null]);
    assert!(shown[1..4].iter().all(Value::is_null), "{shown:?}");
    assert_eq!(shown[6], json!(["CLOSED", 0, 0, 0]));
}

#[test]
fn a_history_survives_a_new_configuration_and_the_worker_that_kept_it() {
    let world = world(3);
    world.call().respond(200);
    world.run(PIECE);
    let before = latest(&world, 2);
    // All workers are new ones: none of them knows who had the lease.
    world.configure(2, &config(2));
    world.run(PIECE);
    world.call().respond(503);
    world.run(PIECE);
    let shown = latest(&world, 4);
    assert_eq!(shown[..2], before);
    let sum = |field: usize| shown[2..].iter().filter_map(|it| it[field].as_u64()).sum::<u64>();
    assert_eq!((sum(1), sum(2)), (1, 1), "{shown:?}");
}

#[test]
fn a_breaker_of_which_nothing_moves_is_not_written() {
    let world = World::configured(4, &config(200));
    world.run(4 * PIECE);
    let asked = world.asked(|| world.run(10 * PIECE));
    // Who has the lease renews it, a few times in each piece.
    assert!(asked.get("swap").copied().unwrap_or_default() <= 40, "{asked:?}");
    let shown = history(&world, "s7");
    assert_eq!(shown["pieces"][PIECES - 1]["calls"], json!(0));
}

#[test]
fn a_tick_writes_fifty_histories_at_most() {
    let world = World::configured(1, &config(200));
    world.run(4 * PIECE);
    for number in 1..200 {
        world.request(&format!("s{number}")).send().respond(200);
    }
    let mut written = 0;
    for _ in 0..10 {
        world.advance(Duration::from_millis(500));
        let asked = world.asked(|| world.tick(0));
        let swaps = asked.get("swap").copied().unwrap_or_default();
        // The lease; and the time of the last success, of each.
        assert!(swaps <= 1 + 50 + 199, "{swaps}");
        written += swaps;
    }
    assert!(written >= 199);
    world.run(PIECE);
    let calls = |number: usize| {
        let shown = history(&world, &format!("s{number}"));
        let pieces = shown["pieces"].as_array().unwrap();
        pieces.iter().filter_map(|piece| piece["calls"].as_u64()).sum::<u64>()
    };
    assert!((1..200).all(|number| calls(number) == 1));
}

#[test]
fn without_an_admin_api_no_history_is_kept() {
    let mut config = config(1);
    config.as_object_mut().unwrap().remove("admin");
    let world = World::configured(1, &config);
    world.run(4 * PIECE);
    let keys = world.store().keys();
    assert!(keys.iter().all(|key| !key.contains("history")), "{keys:?}");
}

#[test]
fn counters_that_cannot_be_read_have_no_history() {
    let world = World::with_gauges(Gauges::None, 1, &config(1));
    world.run(4 * PIECE);
    assert_eq!(history(&world, PAYMENT)["pieces"], Value::Null);
}

#[test]
fn a_damaged_history_begins_anew() {
    let world = world(1);
    world.store().put("edge-breaker/v1/payment-service/history", vec![1, 77]);
    world.call().respond(200);
    world.run(PIECE);
    world.call().respond(200);
    world.run(PIECE);
    assert_eq!(latest(&world, 1), [json!(["CLOSED", 1, 0, 0])]);
    assert_eq!(world.metric("edge_breaker_unreadable_records_total"), 1);
}

#[test]
fn a_name_that_is_not_configured_has_no_history() {
    let world = world(1);
    let path = "/circuit-breaker/services/nobody/history";
    assert_eq!(world.request("localhost").path(path).send().reply().status, 404);
}
