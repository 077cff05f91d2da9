//! Requests that are not complete: how long they hold a bulkhead permit or a trial slot, and
//! what becomes of them when they are.

use std::time::Duration;

use filter::ResponseVerdict;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{Call, PAYMENT, World, service};

const CALLS: &str = "edge-breaker/v1/payment-service/calls";
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn config(bulkhead: &Value) -> Value {
    let fields = json!({
        "bulkhead": bulkhead,
        "open": {"wait_duration": "10s", "jitter": 0},
        "fallback": {"cluster": "payment-fallback"}
    });
    json!({"services": [service(PAYMENT, &fields)], "admin": {}})
}

fn limited(calls: u32) -> World {
    World::configured(1, &config(&json!({"max_concurrent_calls": calls})))
}

fn upload(world: &World) -> Call {
    world.request(PAYMENT).method("POST").with_body().send()
}

fn in_flight(world: &World) -> u64 {
    let reply = world.request("localhost").path("/circuit-breaker/services/payment-service").send();
    let shown: Value = serde_json::from_slice(&reply.reply().body).unwrap();
    shown["in_flight"].as_u64().unwrap()
}

fn full(world: &World) -> u64 {
    world.of("not_permitted_total", &["reason=bulkhead"])
}

#[test]
fn uploads_that_stall_release_their_permits_after_a_second() {
    let world = limited(20);
    let stalled: Vec<_> = (0..20).map(|_| upload(&world)).collect();
    assert!(stalled.iter().all(Call::is_admitted));
    world.run(SECOND - MILLISECOND);
    assert!(world.call().is_diverted());
    world.run(MILLISECOND);
    let calls: Vec<_> = (0..20).map(|_| world.call()).collect();
    assert!(calls.iter().all(Call::is_admitted));
    assert!(world.call().is_diverted());
    assert_eq!(in_flight(&world), 20);
    drop(stalled);
    assert_eq!(in_flight(&world), 20, "they had nothing left to give back");
}

#[test]
fn the_time_of_a_request_is_configured() {
    let bulkhead = json!({"max_concurrent_calls": 1, "max_request_duration": "1m"});
    let world = World::configured(1, &config(&bulkhead));
    let _stalled = upload(&world);
    world.run(60 * SECOND - MILLISECOND);
    assert!(world.call().is_diverted());
    world.run(MILLISECOND);
    assert!(world.call().is_admitted());
    for (duration, ok) in [("9ms", false), ("10ms", true), ("24h", true), ("25h", false)] {
        let bulkhead = json!({"max_concurrent_calls": 1, "max_request_duration": duration});
        let config = filter::Config::parse(config(&bulkhead).to_string().as_bytes());
        assert_eq!(config.is_ok(), ok, "{duration}");
    }
}

#[test]
fn a_busy_workers_stalled_uploads_return_as_well() {
    let world = limited(2);
    let _stalled = upload(&world);
    for _ in 0..99 {
        world.advance(10 * MILLISECOND);
        assert!(world.call().is_admitted());
    }
    world.advance(10 * MILLISECOND);
    let calls = [world.call(), world.call()];
    assert!(calls.iter().all(Call::is_admitted));
}

#[test]
fn a_crashed_workers_stalled_uploads_return_as_soon() {
    let config = config(&json!({"max_concurrent_calls": 2}));
    let world = World::configured(1, &config);
    [upload(&world), upload(&world)].into_iter().for_each(Call::vanish);
    world.configure(1, &config);
    world.advance(SECOND - MILLISECOND);
    assert!(world.call().is_diverted());
    world.advance(MILLISECOND);
    let calls = [world.call(), world.call()];
    assert!(calls.iter().all(Call::is_admitted));
}

#[test]
fn an_upload_that_completes_in_time_keeps_its_permit_for_as_long_as_it_takes() {
    let world = limited(1);
    let mut call = upload(&world);
    world.advance(SECOND - MILLISECOND);
    assert_eq!(call.complete(), None);
    world.run(60 * SECOND);
    assert!(world.call().is_diverted());
    call.respond(200);
    assert!(world.call().is_admitted());
    assert_eq!(world.calls("success"), 1);
}

#[test]
fn an_upload_that_completes_late_acquires_a_permit_again() {
    let world = limited(1);
    let mut call = upload(&world);
    world.run(10 * SECOND);
    assert_eq!(in_flight(&world), 0);
    assert_eq!(call.complete(), None);
    assert_eq!(in_flight(&world), 1);
    assert!(world.call().is_diverted());
    call.respond(200);
    assert_eq!(in_flight(&world), 0);
}

#[test]
fn an_upload_that_completes_late_is_answered_where_no_permit_is_left() {
    for on_full in ["fallback", "reject"] {
        let bulkhead = json!({"max_concurrent_calls": 1, "on_full": on_full});
        let world = World::configured(1, &config(&bulkhead));
        let mut late = upload(&world);
        world.run(SECOND);
        let other = world.call();
        let reply = late.complete().expect("it is answered");
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, &body["fallback_reason"]), (503, &json!("Bulkhead is full")));
        assert!(reply.header("retry-after").is_some());
        assert_eq!((full(&world), in_flight(&world)), (1, 1));
        // What the proxy says of it afterwards is none of the breaker's business.
        assert_eq!(late.complete(), None);
        late.begin(503);
        drop(late);
        assert_eq!((world.outcomes(), world.status().failures), ([0, 0, 0, 0], 0));
        drop(other.respond(200));
        assert!(world.call().is_admitted());
    }
}

#[test]
fn the_last_permit_is_not_given_to_a_late_upload_and_another_call_as_well() {
    let world = World::configured(2, &config(&json!({"max_concurrent_calls": 1})));
    let mut late = upload(&world);
    world.advance(SECOND);
    let other = world.clone();
    world.store().before_next_write(move || {
        let call = other.request(PAYMENT).on(1).send();
        assert!(call.is_admitted());
        call.vanish();
    });
    assert_eq!(late.complete().map(|reply| reply.status), Some(503));
    assert_eq!(in_flight(&world), 1);
}

#[test]
fn an_upload_whose_time_ends_while_a_race_is_lost_is_late() {
    let world = World::configured(2, &config(&json!({"max_concurrent_calls": 1})));
    let mut upload = upload(&world);
    world.advance(SECOND - MILLISECOND);
    let other = world.clone();
    world.store().before_next_write(move || {
        other.advance(MILLISECOND);
        let call = other.request(PAYMENT).on(1).send();
        assert!(call.is_admitted());
        call.vanish();
    });
    assert_eq!(upload.complete().map(|reply| reply.status), Some(503));
}

/// It cannot be turned away any more, and the service is at work on it.
#[test]
fn an_upload_that_is_being_answered_takes_a_permit_whether_one_is_left_or_not() {
    let world = limited(1);
    let mut upload = upload(&world);
    upload.begin(200);
    world.run(SECOND);
    let other = world.call();
    assert!(other.is_admitted());
    assert_eq!(upload.complete(), None);
    assert_eq!((in_flight(&world), full(&world)), (2, 0));
    drop(other);
    assert!(world.call().is_diverted());
    upload.answer_end();
    upload.over();
    assert_eq!((in_flight(&world), world.calls("success")), (0, 1));
}

#[test]
fn for_metrics_only_a_late_upload_is_reported_and_passes() {
    let mut config = config(&json!({"max_concurrent_calls": 1}));
    config["services"][0]["mode"] = json!("metrics_only");
    let world = World::configured(1, &config);
    let mut late = upload(&world);
    world.run(SECOND);
    let _other = world.call();
    assert_eq!(late.complete(), None);
    assert_eq!((full(&world), in_flight(&world)), (1, 2));
}

#[test]
fn a_late_upload_passes_where_the_store_cannot_be_used() {
    for reads in [true, false] {
        let world = limited(1);
        let mut late = upload(&world);
        world.advance(SECOND);
        let fails = if reads { &world.store().reads_fail } else { &world.store().writes_fail };
        fails.set(true);
        assert_eq!(late.complete(), None);
        assert!(world.metric("cb_reason=.=store;.;edge_breaker_unprotected_total") > 0);
    }
}

#[test]
fn an_upload_of_a_partition_has_one_of_its_permits() {
    let partition =
        json!({"name": "batch", "match": {"path_prefixes": ["/batch"]}, "max_concurrent_calls": 1});
    let bulkhead = json!({"max_concurrent_calls": 3, "partitions": [partition]});
    let world = World::configured(1, &config(&bulkhead));
    let batch = || world.request(PAYMENT).path("/batch").with_body().send();
    let mut first = batch();
    assert!(batch().is_diverted());
    world.advance(SECOND);
    let _second = batch();
    assert_eq!(first.complete().map(|reply| reply.status), Some(503));
    assert!(world.call().is_admitted());
}

#[test]
fn a_request_whose_head_ends_it_and_an_upgrade_have_permits_of_their_own() {
    let world = limited(3);
    let get = world.request(PAYMENT);
    let upgrade = world.request(PAYMENT).header("upgrade", "websocket");
    let upgrade = upgrade.header("connection", "upgrade").with_body();
    let tunnel = world.request(PAYMENT).method("CONNECT").with_body();
    let _calls = [get.send(), upgrade.send(), tunnel.send()];
    world.run(60 * SECOND);
    assert_eq!(in_flight(&world), 3);
}

#[test]
fn however_many_uploads_there_are_what_workers_read_stays_small() {
    let world = limited(1_000_000);
    let mut uploads = Vec::new();
    for _ in 0..3_000 {
        uploads.push(upload(&world));
        world.advance(MILLISECOND);
        let bytes = world.store().get(CALLS).unwrap().len();
        assert!(bytes <= 8 + 11 * 24, "{bytes}");
        let held = in_flight(&world);
        assert!(held >= 900.min(uploads.len() as u64) && held <= 1_000, "{held}");
    }
}

// === Trials

/// Half-open, with a bulkhead that matters only where it is small.
fn half_open(calls: u32) -> World {
    let world = limited(calls);
    world.trip();
    world.advance(world.wait());
    world
}

#[test]
fn a_trial_that_stalls_leaves_its_slot_to_a_request_that_is_complete() {
    let world = half_open(100);
    let mut stalled = upload(&world);
    assert!(stalled.is_admitted() && world.call().is_diverted());
    world.run(SECOND + MILLISECOND);
    assert!(upload(&world).is_diverted());
    world.call().respond(200);
    assert_eq!(world.state(), "CLOSED");
    assert_eq!(stalled.complete(), None, "it goes on, and has no say");
    stalled.respond(503);
    assert_eq!((world.state(), world.status().failures), ("CLOSED", 0));
}

#[test]
fn a_trial_that_completes_in_time_decides() {
    for (status, state) in [(200, "CLOSED"), (503, "OPEN")] {
        let world = half_open(100);
        let mut trial = upload(&world);
        world.run(SECOND - MILLISECOND);
        assert_eq!(trial.complete(), None);
        world.run(20 * SECOND);
        assert!(world.call().is_diverted());
        trial.respond(status);
        assert_eq!(world.state(), state);
    }
}

#[test]
fn a_trial_whose_completion_cannot_be_written_frees_its_slot() {
    let world = half_open(100);
    let mut trial = upload(&world);
    world.store().fail_writes_to(Some("edge-breaker/v1/payment-service"));
    assert_eq!(trial.complete(), None);
    world.store().fail_writes_to(None);
    world.run(SECOND + MILLISECOND);
    let next = world.call();
    assert!(next.is_admitted());
    trial.respond(503);
    assert_eq!(world.state(), "HALF_OPEN");
    next.respond(200);
    assert_eq!(world.state(), "CLOSED");
}

#[test]
fn an_upload_that_is_turned_away_gives_its_trial_back() {
    let bulkhead =
        json!({"max_concurrent_calls": 1, "max_request_duration": "100ms", "on_full": "reject"});
    let mut config = config(&bulkhead);
    config["services"][0]["half_open"] = json!({"permitted_calls": 2, "success_threshold": 2});
    let world = World::configured(1, &config);
    world.trip();
    world.advance(world.wait());
    let mut first = upload(&world);
    world.run(SECOND / 10);
    let other = world.call();
    assert!(other.is_admitted());
    assert_eq!(world.status().trials_in_flight, 2);
    assert_eq!(first.complete().map(|reply| reply.status), Some(503));
    assert_eq!((world.state(), world.status().trials_in_flight), ("HALF_OPEN", 1));
    other.respond(200);
    world.call().respond(200);
    assert_eq!(world.state(), "CLOSED");
}

// === In any order

/// What happens next, to one of three workers.
#[derive(Clone, Debug)]
enum Step {
    Begin(usize, bool),
    Complete(usize),
    End(usize),
    Wait(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_usize, any::<bool>()).prop_map(|(worker, whole)| Step::Begin(worker, whole)),
        4 => any::<usize>().prop_map(Step::Complete),
        3 => any::<usize>().prop_map(Step::End),
        3 => (1..1_500_u64).prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
    ]
}

/// A call, and when it gives its place back: at the earliest and at the latest.
struct Held {
    call: Call,
    until: [Duration; 2],
}

proptest! {
    /// Against a list of the calls under way: complete ones are never one too many, and none is
    /// turned away while there is a place, whichever of them are complete and when.
    #[test]
    fn as_many_complete_calls_are_under_way_as_may_be(
        limit in 1..6_usize,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let world = World::configured(3, &config(&json!({"max_concurrent_calls": limit})));
        let mut calls: Vec<Held> = Vec::new();
        let mut now = Duration::ZERO;
        for step in steps {
            let holding = |calls: &[Held], bound: usize| {
                calls.iter().filter(|held| now < held.until[bound]).count()
            };
            match step {
                Step::Begin(worker, whole) => {
                    let request = world.request(PAYMENT).on(worker);
                    let call = if whole { request } else { request.with_body() }.send();
                    if call.is_admitted() {
                        prop_assert!(holding(&calls, 0) < limit, "one too many");
                        let until = if whole { [Duration::MAX; 2] } else { [9, 10].map(|it| now + SECOND * it / 10) };
                        calls.push(Held { call, until });
                    } else {
                        prop_assert!(holding(&calls, 1) >= limit, "there is a place");
                    }
                }
                Step::Complete(which) if !calls.is_empty() => {
                    let mut held = calls.swap_remove(which % calls.len());
                    let reply = held.call.complete();
                    if reply.is_some() {
                        prop_assert!(held.until[0] <= now, "it has its place still");
                        prop_assert!(holding(&calls, 1) >= limit, "there is a place");
                    } else {
                        prop_assert!(now < held.until[1] || holding(&calls, 0) < limit);
                        held.until = [Duration::MAX; 2];
                        calls.push(held);
                    }
                }
                Step::End(which) if !calls.is_empty() => {
                    calls.swap_remove(which % calls.len()).call.respond(200);
                }
                Step::Complete(_) | Step::End(_) => {}
                Step::Wait(time) => {
                    world.run(time);
                    now += time;
                }
            }
            let holding = |bound: usize| {
                calls.iter().filter(|held| now < held.until[bound]).count() as u64
            };
            let possible = holding(0)..=holding(1);
            prop_assert!(possible.contains(&in_flight(&world)), "{possible:?}");
            let complete = calls.iter().filter(|held| held.until[0] == Duration::MAX).count();
            prop_assert!(complete <= limit);
        }
    }
}

/// The head of an answer passes as it is.
#[test]
fn an_early_answer_passes_and_the_rest_of_the_request_goes_on() {
    let world = limited(1);
    let mut upload = upload(&world);
    assert!(matches!(upload.begin(200), ResponseVerdict::Continue(_)));
    assert_eq!(upload.complete(), None);
    upload.answer_end();
    assert_eq!(world.calls("success"), 1);
}
