//! A policy changes under a running breaker, which keeps its state. Row 16.

use breaker::{CheckResult, DivertReason, Outcome, Reason, StateName};

use crate::world::{World, count, health_check, retry, seconds_of};

/// Row 16: an open breaker stays open, and keeps its wait.
#[test]
fn an_open_breaker_stays_open_under_another_policy() {
    let mut world = World::open(|_| {});
    let tripped = world.record();
    world.policy.trip.consecutive_failures = Some(count(10));
    world.policy.open.wait = seconds_of(1);
    world.policy.half_open.permitted_calls = count(5);
    world.advance(29);
    world.is_diverted(DivertReason::Open);
    assert_eq!(world.record(), tripped);
}

/// Row 16: so does the run of failures of a closed one.
#[test]
fn a_run_of_failures_goes_on_under_another_threshold() {
    let mut world = World::new(|policy| policy.trip.consecutive_failures = Some(count(5)));
    for _ in 0..4 {
        world.fail();
    }
    world.policy.trip.consecutive_failures = Some(count(2));
    assert_eq!(world.state(), StateName::Closed);
    world.fail();
    assert_eq!((world.state(), world.status().failures), (StateName::Open, 5));
}

/// Row 13: a wait is at most what the policy of the day allows.
#[test]
fn a_shorter_maximum_shortens_a_wait_under_way() {
    let mut world = World::open(|policy| policy.open.wait = seconds_of(300));
    world.policy.open.max_wait = seconds_of(10);
    world.is_diverted(DivertReason::Open);
    world.advance(10);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn a_health_check_that_is_taken_away_leaves_the_wait_to_decide() {
    let mut world = World::after_the_wait(|policy| policy.health_check = Some(health_check()));
    world.is_diverted(DivertReason::Open);
    let pending = world.check();
    world.policy.health_check = None;
    assert_eq!(world.answer(pending, CheckResult::Healthy), None);
    assert_eq!(world.try_check(), None);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn a_health_check_that_is_added_decides_from_then_on() {
    let mut world = World::open(|_| {});
    world.policy.health_check = Some(health_check());
    assert_eq!(world.try_check(), None);
    world.advance(30);
    world.is_diverted(DivertReason::Open);
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 3: half-open must not be for ever because the successes that are there already suffice
/// under the new policy, and it has no place left to ask for one more.
#[test]
fn trials_that_suffice_under_a_new_policy_close_the_breaker() {
    for (permitted_calls, success_threshold) in [(2, 2), (1, 1), (1, 5)] {
        let mut world = World::after_the_wait(|policy| {
            policy.half_open.permitted_calls = count(5);
            policy.half_open.success_threshold = count(5);
        });
        let pending = world.trial();
        world.succeed();
        world.succeed();
        world.policy.half_open.permitted_calls = count(permitted_calls);
        world.policy.half_open.success_threshold = count(success_threshold);
        assert!(!world.call().is_trial());
        assert_eq!(world.state(), StateName::Closed);
        assert_eq!(world.transitions.last().unwrap().reason, Reason::TrialsSucceeded);
        world.is_late(pending);
    }
}

#[test]
fn fewer_slots_under_a_new_policy_let_no_trial_in_until_the_old_ones_are_back() {
    let mut world = World::after_the_wait(|policy| {
        policy.half_open.permitted_calls = count(3);
        policy.half_open.success_threshold = count(2);
    });
    let [first, second, third] = [world.trial(), world.trial(), world.trial()];
    world.policy.half_open.permitted_calls = count(2);
    world.settle(first, Outcome::Aborted);
    world.is_diverted(DivertReason::HalfOpen);
    world.settle(second, Outcome::Aborted);
    let _fourth = world.trial();
    world.is_diverted(DivertReason::HalfOpen);
    world.settle(third, Outcome::Success);
    assert_eq!(world.state(), StateName::HalfOpen);
}

/// Row 19: only a check that passes lets an open breaker go, whatever was counted before.
#[test]
fn a_failed_check_lets_nothing_go_even_if_the_passed_ones_suffice_under_a_new_policy() {
    let mut world = World::after_the_wait(|policy| {
        policy.health_check = Some(health_check());
        let health_check = policy.health_check.as_mut().unwrap();
        health_check.healthy_threshold = count(3);
        health_check.retry = Some(retry());
    });
    world.check_passes();
    world.advance(5);
    world.check_passes();
    world.policy.health_check.as_mut().unwrap().healthy_threshold = count(2);
    world.advance(5);
    assert_eq!(world.check_fails(), None);
    assert_eq!(world.state(), StateName::Open);
}
