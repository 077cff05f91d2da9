//! The ramp after closing. Row 14: not all of the traffic comes back at once.

use std::time::Duration;

use breaker::{DivertReason, Outcome, StateName};

use crate::world::{World, count, health_check, seconds_of};

/// Closed by a trial a moment ago, with a ramp of ten seconds.
fn just_closed() -> World {
    let mut world = World::after_the_wait(|policy| policy.half_open.ramp = seconds_of(10));
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
    world
}

/// How many of a thousand calls, spread evenly over what is random, are diverted now.
fn diverted(world: &mut World) -> usize {
    let calls = (0..1_000_u64).map(|number| {
        world.random = ((number << 32) / 1_000) as u32;
        world.try_call()
    });
    calls.filter(|call| *call == Err(DivertReason::Ramp)).count()
}

#[test]
fn the_share_of_diverted_calls_falls_from_all_to_none() {
    let mut world = just_closed();
    let mut shares = Vec::new();
    for _ in 0..12 {
        shares.push(diverted(&mut world));
        world.advance(1);
    }
    assert_eq!(shares, [1_000, 900, 800, 700, 600, 500, 400, 300, 200, 100, 0, 0]);
}

#[test]
fn a_breaker_that_was_closed_by_its_health_check_has_a_ramp_too() {
    let mut world = World::after_the_wait(|policy| {
        policy.health_check = Some(health_check());
        policy.half_open.ramp = seconds_of(10);
    });
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
    world.advance(5);
    assert_eq!(diverted(&mut world), 500);
}

#[test]
fn without_a_ramp_all_of_the_traffic_comes_back_at_once() {
    let mut world = World::after_the_wait(|_| {});
    world.succeed();
    assert_eq!(diverted(&mut world), 0);
    assert!(world.breaker().admit_closed(&world.policy).is_some());
}

#[test]
fn after_the_ramp_a_closed_breaker_needs_no_clock_again() {
    let mut world = just_closed();
    world.advance(10);
    assert!(world.breaker().admit_closed(&world.policy).is_none());
    world.succeed();
    assert!(world.breaker().admit_closed(&world.policy).is_some());
    assert!(world.breaker().clean(&world.policy).is_some());
}

/// What comes while it is spared still shows whether the service can bear it.
#[test]
fn failures_during_the_ramp_open_the_breaker_again_for_longer() {
    let mut world = just_closed();
    world.advance(5);
    for _ in 0..2 {
        world.fail();
    }
    world.succeed();
    world.trip();
    let status = world.status();
    let wait = status.retry_at.unwrap().since(status.opened_at.unwrap());
    assert_eq!(wait, seconds_of(60), "the second trip in a row");
}

#[test]
fn after_the_ramp_a_success_ends_the_row_of_trips() {
    let mut world = just_closed();
    world.advance(10);
    world.succeed();
    world.trip();
    let status = world.status();
    let wait = status.retry_at.unwrap().since(status.opened_at.unwrap());
    assert_eq!(wait, seconds_of(30));
}

/// Row 13: it would divert until the clock has caught up.
#[test]
fn a_clock_that_is_set_back_makes_no_ramp_longer() {
    let mut world = just_closed();
    world.step_back(900);
    world.random = u32::MAX;
    assert_eq!(world.try_call(), Err(DivertReason::Ramp));
    world.advance(10);
    assert_eq!(diverted(&mut world), 0);
}

/// A late result of the period before changes nothing of it.
#[test]
fn a_late_result_does_not_end_the_ramp() {
    let mut world = World::after_the_wait(|policy| {
        policy.half_open.ramp = seconds_of(10);
        policy.half_open.permitted_calls = count(2);
    });
    let late = world.trial();
    world.succeed();
    world.is_late(late);
    world.advance_by(Duration::from_secs(5));
    assert_eq!(diverted(&mut world), 500);
    world.random = 0;
    let call = world.call();
    world.settle(call, Outcome::Success);
    assert_eq!(diverted(&mut world), 500);
}
