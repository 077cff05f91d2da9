//! What has happened is told once: by the metrics, the log, and the list of events.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{PAYMENT, World, service};

const LIST: &str = "edge-breaker/v1/events/list";

fn config(fields: &Value) -> Value {
    json!({
        "services": [service(PAYMENT, fields), service("inventory-service", &json!({}))],
        "admin": {}
    })
}

fn world(workers: usize, fields: &Value) -> World {
    World::configured(workers, &config(fields))
}

/// Without a health check.
fn waiting() -> Value {
    json!({"open": {"wait_duration": "10s", "jitter": 0}})
}

fn events(world: &World) -> Vec<Value> {
    let reply = world.request("localhost").path("/circuit-breaker/events").send().reply();
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    body["events"].as_array().unwrap().clone()
}

#[test]
fn each_transition_is_an_event_and_the_newest_comes_first() {
    let world = world(2, &waiting());
    assert_eq!(events(&world), Vec::<Value>::new());
    world.advance(Duration::from_secs(1));
    world.trip();
    world.advance(Duration::from_secs(10));
    world.call().respond(200);
    let shown = events(&world);
    let of = |event: &Value| {
        let text = |field: &str| event[field].as_str().unwrap().to_owned();
        (text("from"), text("to"), text("reason"), event["generation"].as_u64().unwrap())
    };
    let is = |from: &str, to: &str, reason: &str, generation| {
        (from.to_owned(), to.to_owned(), reason.to_owned(), generation)
    };
    assert_eq!(
        shown.iter().map(of).collect::<Vec<_>>(),
        [
            is("HALF_OPEN", "CLOSED", "trials_succeeded", 4),
            is("OPEN", "HALF_OPEN", "wait_elapsed", 3),
            is("CLOSED", "OPEN", "consecutive_failures", 2),
        ]
    );
    let opened = &shown[2];
    let id = opened["id"].as_str().unwrap();
    assert!(id.ends_with("-0"), "{id}");
    let mut rest = opened.clone();
    rest.as_object_mut().unwrap().remove("id");
    assert_eq!(
        rest,
        json!({
            "time": "2024-05-01T12:00:01.000Z",
            "service_name": PAYMENT,
            "from": "CLOSED",
            "to": "OPEN",
            "reason": "consecutive_failures",
            "mode": "enabled",
            "failure_count": 3,
            "failure_rate": null,
            "slow_call_rate": null,
            "buffered_calls": null,
            "generation": 2,
            "adaptive": null
        })
    );
}

#[test]
fn an_event_has_the_numbers_of_that_moment() {
    let trip = json!({"failure_rate_threshold": 50, "minimum_number_of_calls": 4});
    let world = world(1, &json!({"trip": trip}));
    for status in [200, 200, 503, 503] {
        world.call().respond(status);
    }
    let event = events(&world).remove(0);
    assert_eq!(event["failure_rate"], json!(50.0));
    assert_eq!((&event["buffered_calls"], &event["slow_call_rate"]), (&json!(4), &json!(0.0)));
    let line = world.logged("event=transition").remove(0);
    assert!(line.ends_with("generation=2 calls=4 failure_rate=50 slow_call_rate=0"), "{line}");
}

#[test]
fn an_event_of_a_trial_run_has_its_mode() {
    let world = world(1, &json!({"mode": "metrics_only"}));
    world.fail(3);
    let event = events(&world).remove(0);
    assert_eq!((&event["to"], &event["mode"]), (&json!("OPEN"), &json!("metrics_only")));
}

#[test]
fn the_latest_events_are_kept_and_no_more() {
    let world =
        world(1, &json!({"open": {"wait_duration": "1s", "max_wait_duration": "1s", "jitter": 0}}));
    world.trip();
    for _ in 0..100 {
        world.advance(Duration::from_secs(1));
        world.call().respond(503);
    }
    let shown = events(&world);
    assert_eq!(shown.len(), 128);
    assert!(shown[0]["id"].as_str().unwrap().ends_with("-200"), "{}", shown[0]["id"]);
    let generations: Vec<_> = shown.iter().map(|it| it["generation"].as_u64().unwrap()).collect();
    assert!(generations.is_sorted_by(|a, b| *a == b + 1), "{generations:?}");
}

#[test]
fn events_that_could_not_be_written_are_written_by_a_later_tick() {
    let world = world(2, &waiting());
    world.store().fail_writes_to(Some(LIST));
    world.trip();
    assert_eq!(world.state(), "OPEN");
    assert_eq!(events(&world), Vec::<Value>::new());
    world.store().fail_writes_to(None);
    world.tick_all();
    let shown = events(&world);
    assert_eq!((shown.len(), &shown[0]["time"]), (1, &json!("2024-05-01T12:00:00.000Z")));
    world.tick_all();
    assert_eq!(events(&world).len(), 1, "once");
}

#[test]
fn a_damaged_list_is_begun_anew_at_once() {
    for damage in [&b"\x01damage"[..], b"", &[0; 40], &[1; 16]] {
        let world = world(1, &waiting());
        world.store().put(LIST, damage.to_vec());
        assert_eq!(events(&world), Vec::<Value>::new());
        world.trip();
        assert_eq!(events(&world).len(), 1, "{damage:?}");
        assert_eq!(world.metric("edge_breaker_unreadable_records_total"), 1);
        let said = "event=unreadable_record problem=\"events\" action=replaced";
        assert_eq!(world.logged("unreadable_record"), [said]);
    }
}

/// A newer module may be at work beside this one. Events wait for as long as it writes.
#[test]
fn a_newer_modules_list_is_left_alone_while_it_is_written() {
    for newer in [vec![3], vec![200, 1, 2, 3], vec![255; 40_000]] {
        let world = world(2, &waiting());
        world.store().put(LIST, newer.clone());
        world.trip();
        for _ in 0..12 {
            world.run(Duration::from_secs(10));
            assert_eq!(world.store().get(LIST), Some(newer.clone()));
            world.store().put(LIST, newer.clone());
        }
        let lines = world.logged("action=left_alone").len();
        assert!((1..=5).contains(&lines), "{lines} lines in two minutes");
        world.run(Duration::from_millis(29_500));
        assert_eq!(world.store().get(LIST), Some(newer), "it has not stood still for 30 s");
        world.run(Duration::from_secs(1));
        let shown = events(&world);
        assert_eq!((shown.len(), &shown[0]["time"]), (1, &json!("2024-05-01T12:00:00.000Z")));
        assert_eq!(world.logged("action=replaced").len(), 1);
        world.advance(Duration::from_secs(10));
        world.call().respond(200);
        assert_eq!(events(&world).len(), 3, "and the list is as good as any");
    }
}

/// Who comes back at that moment wins.
#[test]
fn a_newer_module_that_writes_its_list_as_it_is_replaced_is_left_alone() {
    let world = world(1, &waiting());
    world.store().put(LIST, vec![3, 1]);
    world.trip();
    world.run(Duration::from_millis(29_500));
    let rival = world.clone();
    world.store().before_next_write(move || rival.store().put(LIST, vec![3, 2]));
    world.run(Duration::from_secs(10));
    assert_eq!(world.store().get(LIST), Some(vec![3, 2]));
    world.run(Duration::from_secs(21));
    assert_eq!(events(&world).len(), 1);
}

#[test]
fn events_are_all_workers_and_survive_a_reload() {
    let world = world(4, &waiting());
    world.trip();
    world.configure(4, &config(&waiting()));
    world.advance(Duration::from_secs(10));
    world.request(PAYMENT).on(3).send().respond(200);
    assert_eq!(events(&world).len(), 3);
}

#[test]
fn a_list_that_cannot_be_read_is_an_error() {
    let world = world(1, &waiting());
    world.store().reads_fail.set(true);
    let reply = world.request("localhost").path("/circuit-breaker/events").send().reply();
    assert_eq!(reply.status, 500);
}
