//! Notifications: each transition is posted once for the whole process, until it is taken.

use std::time::Duration;

use filter::{CalloutAnswer, Config};
use serde_json::{Value, json};

use crate::world::{PAYMENT, World, service};

const OUTBOX: &str = "edge-breaker/v1/events/outbox";

fn config(notify: &Value) -> Value {
    let waiting = json!({"open": {"wait_duration": "10s", "jitter": 0}});
    let mut whole = json!({"services": [service(PAYMENT, &waiting)], "admin": {}});
    whole["notify"] = json!({"cluster": "ops"});
    for (field, value) in notify.as_object().unwrap() {
        whole["notify"][field] = value.clone();
    }
    whole
}

fn world(workers: usize, notify: &Value) -> World {
    World::configured(workers, &config(notify))
}

fn told(world: &World, result: &str) -> u64 {
    world.metric(&format!("cb_result=.={result};.;edge_breaker_notifications_total"))
}

#[test]
fn a_transition_is_posted_once_whatever_the_number_of_workers() {
    let world = world(
        4,
        &json!({"host": "ops.internal", "path": "/hooks/breaker", "headers": {"X-Key": "k"}}),
    );
    world.trip();
    assert_eq!(world.pending_checks(), 0, "never in the way of a request");
    world.tick_all();
    assert_eq!(world.pending_checks(), 1);
    let call = world.check_callout();
    assert_eq!((call.cluster.as_str(), call.timeout), ("ops", Duration::from_secs(2)));
    let header = |name: &str| {
        call.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    };
    assert_eq!((header(":method"), header(":path")), (Some("POST"), Some("/hooks/breaker")));
    assert_eq!((header(":authority"), header("x-key")), (Some("ops.internal"), Some("k")));
    assert_eq!(header("content-type"), Some("application/cloudevents+json"));
    let event: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "edge-breaker.transition");
    assert_eq!((&event["subject"], &event["source"]), (&json!(PAYMENT), &json!("/edge-breaker")));
    assert_eq!(event["time"], "2024-05-01T12:00:00.000Z");
    assert_eq!(event["datacontenttype"], "application/json");
    assert_eq!(event["id"], event["data"]["id"]);
    let shown = world.request("localhost").path("/circuit-breaker/events").send().reply();
    let shown: Value = serde_json::from_slice(&shown.body).unwrap();
    assert_eq!(event["data"], shown["events"][0]);

    world.answer_check(204);
    world.run(Duration::from_secs(60));
    assert_eq!(world.pending_checks(), 0);
    assert_eq!((told(&world, "delivered"), told(&world, "failed")), (1, 0));
}

#[test]
fn a_notification_that_is_not_accepted_is_posted_again_and_given_up_in_the_end() {
    let world = world(2, &json!({"num_retries": 2}));
    world.trip();
    for wait in [0, 1, 2] {
        if wait > 0 {
            world.run(Duration::from_secs(wait) - Duration::from_millis(1));
            assert_eq!(world.pending_checks(), 0, "after {wait} s");
        }
        world.run(Duration::from_millis(500));
        assert_eq!(world.pending_checks(), 1, "after {wait} s");
        match wait {
            1 => world.fail_check(),
            _ => world.answer_check(503),
        }
    }
    world.run(Duration::from_secs(120));
    assert_eq!(world.pending_checks(), 0);
    assert_eq!((told(&world, "delivered"), told(&world, "failed")), (0, 1));
    assert!(!world.logged("event=notifications_lost").is_empty());
    // The next one is posted all the same.
    world.call().respond(200);
    world.tick_all();
    assert!(world.pending_checks() > 0);
}

#[test]
fn a_worker_that_vanishes_with_a_notification_is_followed_by_another() {
    let world = world(2, &json!({}));
    world.trip();
    world.tick_all();
    world.lose_check();
    world.run(Duration::from_millis(2_500));
    assert_eq!(world.pending_checks(), 0, "its lease is not over");
    world.run(Duration::from_secs(1));
    assert_eq!(world.pending_checks(), 1);
    world.answer_check(200);
    assert_eq!(told(&world, "delivered"), 1);
}

#[test]
fn all_of_many_transitions_are_posted_some_at_a_time() {
    let world = world(3, &json!({}));
    for _ in 0..20 {
        world.trip();
        world.advance(Duration::from_secs(600));
        world.call().respond(200);
    }
    let mut posted = 0;
    for _ in 0..20 {
        world.tick_all();
        assert!(world.pending_checks() <= 16, "{}", world.pending_checks());
        while world.pending_checks() > 0 {
            posted += 1;
            world.answer_check(200);
        }
        world.advance(Duration::from_millis(500));
    }
    assert_eq!((posted, told(&world, "delivered"), told(&world, "dropped")), (60, 60, 0));
}

/// The list is bounded; what was never posted is counted.
#[test]
fn an_event_that_was_overwritten_before_it_was_posted_is_counted() {
    let world = world(1, &json!({}));
    for _ in 0..50 {
        world.trip();
        world.advance(Duration::from_secs(600));
        world.call().respond(200);
    }
    for _ in 0..20 {
        world.tick_all();
        while world.pending_checks() > 0 {
            world.answer_check(200);
        }
    }
    assert_eq!((told(&world, "delivered"), told(&world, "dropped")), (128, 22));
}

#[test]
fn an_event_from_before_there_was_an_endpoint_is_not_posted() {
    let mut silent = config(&json!({}));
    silent.as_object_mut().unwrap().remove("notify");
    let world = World::configured(2, &silent);
    world.trip();
    world.tick_all();
    world.configure(2, &config(&json!({})));
    world.run(Duration::from_secs(5));
    assert_eq!(world.pending_checks(), 0);
    world.advance(Duration::from_secs(10));
    world.call().respond(200);
    world.tick_all();
    assert_eq!(world.pending_checks(), 2, "the way to half-open, and the way to closed");
}

#[test]
fn invalid_bytes_in_the_store_and_in_answers_do_no_harm() {
    let world = world(1, &json!({}));
    world.trip();
    for bytes in [vec![], vec![0xff; 43], vec![1; 31], vec![1, 16, 255, 0, 0, 0, 0]] {
        world.store().put(OUTBOX, bytes);
        world.advance(Duration::from_secs(600));
        world.tick_all();
        while world.pending_checks() > 0 {
            world.finish_check(&CalloutAnswer::Failed);
        }
    }
    world.store().put(OUTBOX, b"\x01damage".to_vec());
    world.tick_all();
    assert_eq!(world.pending_checks(), 1, "it begins anew with what there is");
    world.answer_check(200);
    assert!(told(&world, "delivered") >= 1);
}

#[test]
fn a_damaged_outbox_begins_anew_at_once_with_the_events_that_there_are() {
    for damage in [&b""[..], &[0; 31], &[1; 30], &[1; 32], b"\x01\x11"] {
        let world = world(1, &json!({}));
        world.store().put(OUTBOX, damage.to_vec());
        world.trip();
        world.tick_all();
        assert_eq!(world.pending_checks(), 1, "{damage:?}");
        let said = "event=unreadable_record problem=\"outbox\" action=replaced";
        assert_eq!(world.logged("unreadable_record"), [said]);
    }
}

/// Its posts are that module's; what this one has to tell waits for as long as it writes.
#[test]
fn a_newer_modules_outbox_is_left_alone_while_it_is_written() {
    for newer in [vec![2], vec![255; 31], vec![7; 4_000]] {
        let world = world(2, &json!({}));
        world.trip();
        for _ in 0..12 {
            world.store().put(OUTBOX, newer.clone());
            world.run(Duration::from_secs(10));
            assert_eq!(world.pending_checks(), 0);
            assert_eq!(world.store().get(OUTBOX), Some(newer.clone()));
        }
        world.run(Duration::from_millis(19_500));
        assert_eq!(world.store().get(OUTBOX), Some(newer), "it has not stood still for 30 s");
        world.run(Duration::from_secs(1));
        assert_eq!(world.pending_checks(), 1);
        world.answer_check(200);
        world.run(Duration::from_secs(60));
        assert_eq!((world.pending_checks(), told(&world, "delivered")), (0, 1));
    }
}

/// Bytes that read as an outbox, and are none.
#[test]
fn an_outbox_of_events_that_never_were_ends_nothing() {
    for first in [1, 200, u64::MAX] {
        let world = world(1, &json!({}));
        world.trip();
        let mut bytes = world.store().get(OUTBOX).unwrap();
        bytes[15..23].copy_from_slice(&(first + u64::from(first < u64::MAX)).to_le_bytes());
        bytes[23..31].copy_from_slice(&[0xff; 8]);
        world.store().put(OUTBOX, bytes);
        world.advance(Duration::from_secs(10));
        world.call().respond(200);
        world.run(Duration::from_secs(1));
        assert!(world.pending_checks() > 0, "{first}");
    }
}

#[test]
fn a_setting_that_cannot_be_right_is_refused() {
    for (notify, path, remedy) in [
        (json!({}), "notify.cluster: absent", "name the cluster"),
        (json!({"cluster": ""}), "notify.cluster", "give the name"),
        (json!({"cluster": "a", "host": "a/b"}), "notify.host", "give a host"),
        (json!({"cluster": "a", "path": "b"}), "notify.path", "begin with a slash"),
        (json!({"cluster": "a", "timeout": "0s"}), "notify.timeout", "\"1ms\""),
        (json!({"cluster": "a", "timeout": "2m"}), "notify.timeout", "\"1m\""),
        (json!({"cluster": "a", "num_retries": 11}), "notify.num_retries: 11", "0 to 10"),
        (
            json!({"cluster": "a", "headers": {"Content-Type": "text/plain"}}),
            "notify.headers.content-type",
            "leave it out",
        ),
        (json!({"cluster": "a", "headers": {"a b": "c"}}), "notify.headers", "letters"),
    ] {
        let config = json!({"services": [{"name": PAYMENT}], "notify": notify}).to_string();
        let refusal = Config::parse(config.as_bytes()).unwrap_err().to_string();
        assert!(refusal.starts_with(path) && refusal.contains(remedy), "{refusal}");
    }
}
