//! What opens a closed breaker, and what does not.

use breaker::{DivertReason, Mode, Outcome, Reason, Settled, StateName};

use crate::world::{World, count};

/// Row 9: the threshold is reached with `>=`, the current call included.
#[test]
fn the_third_failure_in_a_row_trips_and_not_a_call_later() {
    let mut world = World::new(|_| {});
    world.fail();
    world.fail();
    assert_eq!((world.state(), world.status().failures), (StateName::Closed, 2));

    let third = world.call();
    let Settled::Counted(Some(transition)) = world.settle(third, Outcome::FAILURE) else {
        panic!("the third failure trips");
    };
    assert_eq!((transition.from, transition.to), (StateName::Closed, StateName::Open));
    assert_eq!(transition.reason, Reason::ConsecutiveFailures);
    assert_eq!(transition.failures, 3);
    world.is_diverted(DivertReason::Open);
}

/// Row 9: also at the smallest threshold there is.
#[test]
fn a_threshold_of_one_trips_on_the_first_failure() {
    let mut world = World::new(|policy| policy.trip.consecutive_failures = Some(count(1)));
    world.fail();
    assert_eq!(world.state(), StateName::Open);
}

#[test]
fn a_success_starts_the_run_of_failures_anew() {
    let mut world = World::new(|_| {});
    for _ in 0..100 {
        world.fail();
        world.fail();
        world.succeed();
        assert_eq!(world.status().failures, 0);
    }
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn without_a_rule_nothing_trips() {
    let mut world = World::new(|policy| policy.trip.consecutive_failures = None);
    for _ in 0..1_000 {
        world.fail();
    }
    assert_eq!((world.state(), world.status().failures), (StateName::Closed, 1_000));
}

/// Row 5: a call counts when it completes, however long it took.
#[test]
fn a_call_longer_than_any_wait_still_counts_when_it_completes() {
    let mut world = World::new(|_| {});
    let calls = [world.call(), world.call(), world.call()];
    world.advance(1_000_000);
    for call in calls {
        assert!(matches!(world.settle(call, Outcome::FAILURE), Settled::Counted(_)));
    }
    assert_eq!(world.state(), StateName::Open);
}

/// Row 6: calls in flight and rejected calls are no part of any count.
#[test]
fn calls_in_flight_and_rejected_calls_do_not_delay_the_next_trip() {
    let mut world = World::after_the_wait(|_| {});
    world.succeed();
    let _in_flight: Vec<_> = (0..200).map(|_| world.call()).collect();
    world.trip();
    for _ in 0..200 {
        world.is_diverted(DivertReason::Open);
    }
    world.now = crate::world::at(world.status().retry_at.unwrap());
    world.succeed();

    let failures_needed = (1..).find(|_| {
        world.fail();
        world.state() == StateName::Open
    });
    assert_eq!(failures_needed, Some(3));
}

/// Row 7: every transition starts the count anew.
#[test]
fn a_breaker_that_has_closed_takes_a_full_run_to_trip_again() {
    let mut world = World::after_the_wait(|_| {});
    world.succeed();
    assert_eq!((world.state(), world.status().failures), (StateName::Closed, 0));
    world.fail();
    world.fail();
    assert_eq!(world.state(), StateName::Closed);
    world.fail();
    assert_eq!(world.state(), StateName::Open);
}

/// Row 7: and it does so after an idle time of any length, with nothing left over from before.
#[test]
fn a_run_of_failures_neither_fades_nor_grows_while_nothing_happens() {
    let mut world = World::new(|_| {});
    world.fail();
    world.fail();
    world.advance(30 * 24 * 3_600);
    assert_eq!(world.status().failures, 2);
    world.fail();
    assert_eq!(world.state(), StateName::Open);
}

/// Row 11: a caller that went away says nothing about the service.
#[test]
fn a_client_abort_neither_counts_as_a_failure_nor_ends_a_run_of_them() {
    neither_failure_nor_success(Outcome::Aborted);
}

/// Row 15: an ignored answer says nothing about the service.
#[test]
fn an_ignored_answer_neither_counts_as_a_failure_nor_ends_a_run_of_them() {
    neither_failure_nor_success(Outcome::Ignored);
}

fn neither_failure_nor_success(outcome: Outcome) {
    let mut world = World::new(|_| {});
    world.fail();
    world.fail();
    for _ in 0..10 {
        let call = world.call();
        assert_eq!(world.settle(call, outcome), Settled::Counted(None));
        assert_eq!((world.state(), world.status().failures), (StateName::Closed, 2));
    }
    world.fail();
    assert_eq!(world.state(), StateName::Open);
}

/// Row 12: calls in flight at the trip fail as well, and that is no news.
#[test]
fn failures_of_calls_in_flight_at_the_trip_neither_extend_the_wait_nor_count() {
    let mut world = World::new(|_| {});
    let in_flight: Vec<_> = (0..8).map(|_| world.call()).collect();
    world.trip();
    let tripped = world.record();
    for call in in_flight {
        world.advance(1);
        world.is_late(call);
    }
    assert_eq!(world.record(), tripped);
    assert_eq!(world.transitions.len(), 1);
}

/// Row 12: their successes are none either.
#[test]
fn a_success_of_a_call_in_flight_at_the_trip_does_not_close_the_breaker() {
    let mut world = World::new(|_| {});
    let slow = world.call();
    world.trip();
    assert_eq!(world.settle(slow, Outcome::Success), Settled::Late);
    assert_eq!(world.state(), StateName::Open);
}

/// Row 1: nor do they count in a later closed period, which looks just like their own.
#[test]
fn a_failure_from_before_the_trip_does_not_count_after_the_breaker_closed_again() {
    let mut world = World::new(|_| {});
    let old: Vec<_> = (0..8).map(|_| world.call()).collect();
    world.trip();
    world.advance(30);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
    for call in old {
        world.is_late(call);
    }
    assert_eq!((world.state(), world.status().failures), (StateName::Closed, 0));
}

#[test]
fn the_record_says_when_a_call_last_failed_and_last_succeeded() {
    let mut world = World::new(|_| {});
    assert_eq!((world.status().last_failure, world.status().last_success), (None, None));
    world.advance(1);
    let failed = world.now.wall;
    world.fail();
    world.advance(1);
    let succeeded = world.now.wall;
    world.succeed();
    assert_eq!(world.status().last_failure, Some(failed));
    assert_eq!(world.status().last_success, Some(succeeded));
}

#[test]
fn a_success_noted_late_never_replaces_a_later_one() {
    let mut breaker = breaker::Breaker::new();
    for at in [5, 9, 7] {
        breaker.note_success(breaker::UnixTime::from_nanos(at));
    }
    assert_eq!(breaker.status(Mode::Enabled).last_success, Some(breaker::UnixTime::from_nanos(9)));
}

#[test]
fn a_closed_breaker_admits_without_a_clock_and_any_other_asks_for_one() {
    let mut world = World::new(|_| {});
    let admission = world.breaker().admit_closed(&world.policy);
    assert_eq!(admission, Some(world.ask()));
    world.trip();
    assert_eq!(world.breaker().admit_closed(&world.policy), None);
    world.advance(30);
    let _trial = world.trial();
    assert_eq!(world.breaker().admit_closed(&world.policy), None);
}
