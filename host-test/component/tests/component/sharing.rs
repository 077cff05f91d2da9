//! Several instances, one store.

use std::cell::RefCell;
use std::rc::Rc;

use host_test_component::types::{RequestVerdict, State, StatusError};
use serde_json::json;

use crate::world::{World, get};

#[test]
fn workers_share_one_breaker() {
    let mut world = World::new(3, &json!({}));
    world.call(0, 503);
    world.call(1, 503);
    world.call(2, 503);
    assert_eq!(world.state(), State::Open);
    for worker in 0..3 {
        assert!(matches!(world.request(worker).verdict, RequestVerdict::Reply(_)), "{worker}");
    }
    assert_eq!(world.transitions().len(), 1, "one for all");
}

#[test]
fn a_success_on_one_worker_ends_the_failures_of_another() {
    let mut world = World::new(2, &json!({}));
    world.call(0, 503);
    world.call(0, 503);
    world.call(1, 200);
    world.call(0, 503);
    assert_eq!((world.state(), world.failures()), (State::Closed, 1));
}

#[test]
fn two_workers_that_want_the_last_slot_at_once_do_not_both_get_it() {
    let mut world = World::new(2, &json!({"half_open": {"permitted_calls": 1}}));
    world.await_trials();
    let intruder = world.workers.pop().unwrap();
    let (intruder, seen) = (RefCell::new(intruder), Rc::new(RefCell::default()));
    let sees = Rc::clone(&seen);
    // The one has read the record and decided; before it can write, the other does all of that.
    world.shared.before_next_swap(move || {
        let admission = intruder.borrow_mut().request(&get("/charge")).unwrap();
        sees.replace(Some(admission.verdict));
    });
    let verdict = world.request(0).verdict;
    assert_eq!(seen.take(), Some(RequestVerdict::Pass));
    assert!(matches!(verdict, RequestVerdict::Reply(_)), "{verdict:?}");
}

#[test]
fn a_race_lost_a_few_times_loses_no_failure() {
    let mut world = World::one(&json!({}));
    for _ in 0..3 {
        let call = world.admitted(0);
        world.shared.lose_races(10);
        world.settle(0, call, 503);
    }
    assert_eq!((world.state(), world.failures()), (State::Open, 3));
    assert_eq!(world.shared.metric("edge_breaker_lost_updates_total"), Some(0));
}

#[test]
fn a_race_lost_every_time_is_given_up_and_reported() {
    let mut world = World::one(&json!({}));
    let call = world.admitted(0);
    world.shared.lose_races(1000);
    world.settle(0, call, 503);
    assert_eq!(world.shared.metric("edge_breaker_lost_updates_total"), Some(1));
    let log = world.shared.take_log();
    assert!(log.iter().any(|(_, line)| line.contains("event=lost_update")), "{log:?}");
}

#[test]
fn a_store_that_cannot_be_used_does_not_stop_traffic() {
    let mut world = World::one(&json!({}));
    world.trip();
    world.shared.break_store(true);
    assert_eq!(world.request(0).verdict, RequestVerdict::Pass);
    let unprotected = "cb_reason=.=store;.;edge_breaker_unprotected_total";
    assert_eq!(world.shared.metric(unprotected), Some(1));
    assert_eq!(world.workers[0].status().unwrap(), Err(StatusError::Unreadable));
    world.shared.break_store(false);
    assert_eq!(world.state(), State::Open);
}

#[test]
fn to_ask_for_the_status_changes_nothing() {
    let check = json!({"health_check": {"cluster": "payment", "path": "/health"}});
    let mut world = World::one(&check);
    world.trip();
    let _ = (world.shared.take_log(), world.shared.take_store_calls());
    let status = world.status();
    assert_eq!(world.status(), status);
    assert!(world.shared.take_log().is_empty());
    let (reads, writes) = world.shared.take_store_calls();
    assert!(reads > 0 && writes == 0, "{reads} reads, {writes} writes");
    assert_eq!(world.tick_all().len(), 1, "the health check is as due as before");
}

#[test]
fn a_wall_clock_that_jumps_decides_nothing() {
    let mut world = World::one(&json!({}));
    world.trip();
    world.shared.set_wall(0);
    assert!(matches!(world.request(0).verdict, RequestVerdict::Reply(_)));
    world.shared.set_wall(u64::MAX);
    assert!(matches!(world.request(0).verdict, RequestVerdict::Reply(_)));
    world.shared.advance(std::time::Duration::from_secs(36));
    assert_eq!(world.request(0).verdict, RequestVerdict::Pass);
}
