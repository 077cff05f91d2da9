//! Half-open, and a trial's request is not complete: how long it has its place, and who is next.

use std::time::Duration;

use breaker::{Breaker, DivertReason, Outcome, Settled, StateName};

use crate::world::{World, count, seconds_of};

const NANOSECOND: Duration = Duration::from_nanos(1);
const SECOND: Duration = Duration::from_secs(1);

fn half_open(permitted_calls: u32) -> World {
    World::after_the_wait(|policy| policy.half_open.permitted_calls = count(permitted_calls))
}

#[test]
fn a_trial_that_is_not_complete_within_a_second_frees_its_slot() {
    let mut world = half_open(1);
    let stalled = world.upload();
    world.advance_by(SECOND);
    world.is_diverted(DivertReason::HalfOpen);
    world.advance_by(NANOSECOND);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
    world.is_late(stalled);
}

#[test]
fn a_trial_that_completes_in_time_has_its_slot_from_its_admission_for_as_long_as_any() {
    let mut world = half_open(1);
    let mut upload = world.upload();
    world.advance_by(SECOND);
    assert!(world.complete(&mut upload));
    world.advance_by(seconds_of(29) - NANOSECOND);
    world.is_diverted(DivertReason::HalfOpen);
    world.settle(upload, Outcome::Success);
    assert_eq!(world.state(), StateName::Closed);

    let mut world = half_open(1);
    let mut upload = world.upload();
    assert!(world.complete(&mut upload));
    world.advance(30);
    world.is_late(upload);
    let _next = world.upload();
}

#[test]
fn a_trial_that_completes_too_late_is_late() {
    for followed in [false, true] {
        let mut world = half_open(1);
        let mut stalled = world.upload();
        world.advance_by(SECOND + NANOSECOND);
        assert!(!world.complete(&mut stalled));
        let _next = followed.then(|| world.trial());
        assert!(!world.complete(&mut stalled));
        world.is_late(stalled);
        assert_eq!(world.status().trials_in_flight, 1);
    }
}

#[test]
fn a_freed_slot_is_for_complete_requests_for_a_second_and_then_for_any() {
    let mut world = half_open(1);
    let _stalled = world.upload();
    world.advance_by(SECOND + NANOSECOND);
    world.no_upload();
    world.advance_by(SECOND - NANOSECOND);
    world.no_upload();
    world.advance_by(NANOSECOND);
    let _next = world.upload();
}

#[test]
fn a_second_that_no_complete_request_has_used_is_left_out_once() {
    let mut world = half_open(1);
    let _stalled = world.upload();
    world.advance_by(2 * SECOND + NANOSECOND);
    let _second = world.upload();
    world.advance_by(SECOND);
    let _third = world.upload();
    world.advance_by(SECOND + NANOSECOND);
    world.no_upload();
}

#[test]
fn a_second_that_a_complete_request_has_used_is_not_left_out() {
    for outcome in [Outcome::Ignored, Outcome::Aborted] {
        let mut world = half_open(1);
        for _ in 0..10 {
            let _stalled = world.upload();
            world.advance_by(SECOND + NANOSECOND);
            world.no_upload();
            let trial = world.trial();
            world.settle(trial, outcome);
        }
    }
}

#[test]
fn an_aborted_upload_frees_its_slot_at_once_and_for_anybody() {
    let mut world = half_open(1);
    for _ in 0..10 {
        let upload = world.upload();
        assert_eq!(world.settle(upload, Outcome::Aborted), Settled::Counted(None));
        assert_eq!(world.status().trials_in_flight, 0);
    }
}

#[test]
fn an_answer_to_half_a_request_counts_as_any() {
    let mut world = half_open(1);
    let upload = world.upload();
    world.settle(upload, Outcome::Success);
    assert_eq!(world.state(), StateName::Closed);
    let mut world = half_open(1);
    let upload = world.upload();
    world.settle(upload, Outcome::FAILURE);
    assert_eq!(world.state(), StateName::Open);
}

#[test]
fn a_complete_request_leaves_the_slots_that_all_may_have_to_the_others() {
    let mut world = half_open(2);
    let _stalled = world.upload();
    world.advance_by(SECOND + NANOSECOND);
    let _complete = world.trial();
    let _next = world.upload();
    world.is_diverted(DivertReason::HalfOpen);
    world.no_upload();
}

#[test]
fn there_are_never_more_trials_than_permitted_however_their_requests_come() {
    let mut world = half_open(3);
    let stalled = [world.upload(), world.upload(), world.upload()];
    world.is_diverted(DivertReason::HalfOpen);
    world.advance_by(SECOND + NANOSECOND);
    world.no_upload();
    let _complete = [world.trial(), world.trial(), world.trial()];
    world.is_diverted(DivertReason::HalfOpen);
    for mut upload in stalled {
        assert!(!world.complete(&mut upload));
        world.is_late(upload);
    }
    assert_eq!(world.status().trials_in_flight, 3);
}

#[test]
fn a_trial_with_less_than_a_second_in_all_has_no_more_to_complete() {
    let tenth = SECOND / 10;
    let mut world = World::after_the_wait(|policy| policy.half_open.max_wait = tenth);
    let mut upload = world.upload();
    assert!(world.complete(&mut upload));
    world.advance_by(tenth);
    world.is_late(upload);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn completing_what_is_no_incomplete_trial_changes_nothing() {
    let mut world = World::new(|_| {});
    let mut closed = world.call();
    assert!(!closed.awaits_request() && !world.complete(&mut closed));
    let mut world = half_open(2);
    let mut old = world.upload();
    let mut trial = world.trial();
    assert!(old.awaits_request() && !trial.awaits_request());
    let record = world.record();
    assert!(world.complete(&mut trial));
    assert_eq!(world.record(), record);
    world.settle(trial, Outcome::FAILURE);
    world.advance(60);
    let _trial = world.trial();
    assert!(!world.complete(&mut old), "its period is over");
}

/// Deadlines of the version before have any lowest bit: each is over when it was to be.
#[test]
fn a_slot_that_was_written_without_the_bit_returns_in_time() {
    for bit in [0, 1] {
        let mut world = half_open(1);
        let _hung = world.trial();
        let mut record = world.record();
        record[112] |= bit;
        world.advance_by(seconds_of(30) - NANOSECOND);
        let mut breaker = Breaker::decode(&record).unwrap();
        let mut admits = |complete, now| {
            let (admission, _) = breaker.admit(&world.policy, complete, now, 0);
            matches!(admission, breaker::Admission::Admitted(_))
        };
        assert!(!admits(true, world.now.monotonic));
        let later = world.now.monotonic.after(2 * NANOSECOND);
        assert_eq!(admits(false, later), bit == 0);
        assert!(bit == 0 || admits(true, later));
    }
}
