//! Half-open: who may try, whose word counts, and how a place comes back.

use std::time::Duration;

use breaker::{
    Admission, AfterCheck, Breaker, DivertReason, HalfOpenPolicy, HealthCheckPolicy, Outcome,
    Policy, Reason, Settled, StateName, Timestamp,
};

use crate::world::{World, at, count, health_check, seconds_of};

fn trials(permitted_calls: u32, success_threshold: u32) -> impl Fn(&mut Policy) {
    move |policy| {
        policy.half_open = HalfOpenPolicy {
            permitted_calls: count(permitted_calls),
            success_threshold: count(success_threshold),
            failure_threshold: count(1),
            max_wait: seconds_of(30),
            ramp: Duration::ZERO,
        };
    }
}

#[test]
fn the_first_call_after_the_wait_is_the_first_trial_and_its_success_closes() {
    let mut world = World::after_the_wait(|_| {});
    let trial = world.trial();
    assert_eq!((world.state(), world.status().trials_in_flight), (StateName::HalfOpen, 1));
    world.settle(trial, Outcome::Success);
    assert_eq!(world.state(), StateName::Closed);
    let reasons: Vec<_> = world.transitions.iter().map(|it| it.reason).collect();
    assert_eq!(
        reasons,
        [Reason::ConsecutiveFailures, Reason::WaitElapsed, Reason::TrialsSucceeded]
    );
}

#[test]
fn one_failed_trial_opens_the_breaker_again_whatever_the_others_gave() {
    let mut world = World::after_the_wait(trials(3, 3));
    let [first, second, third] = [world.trial(), world.trial(), world.trial()];
    world.settle(first, Outcome::Success);
    world.settle(second, Outcome::FAILURE);
    assert_eq!((world.state(), world.status().failures), (StateName::Open, 4));
    assert_eq!(world.status().trip_reason, Some(Reason::TrialFailed));
    world.is_late(third);
}

#[test]
fn as_many_successes_as_asked_for_close_and_no_fewer() {
    let mut world = World::after_the_wait(trials(5, 3));
    world.succeed();
    world.succeed();
    assert_eq!(world.state(), StateName::HalfOpen);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 1: eight calls are in flight when the breaker trips, one trial is out; what the eight say
/// decides nothing.
#[test]
fn a_late_result_from_before_the_trip_decides_nothing_in_half_open() {
    let mut world = World::new(|_| {});
    let in_flight: Vec<_> = (0..8).map(|_| world.call()).collect();
    world.trip();
    world.advance(30);
    let trial = world.trial();
    for call in in_flight {
        world.is_late(call);
    }
    assert_eq!(world.state(), StateName::HalfOpen);
    world.settle(trial, Outcome::Success);
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 1: the same for the trials of an earlier half-open period.
#[test]
fn a_trial_of_an_earlier_half_open_period_decides_nothing_in_a_later_one() {
    let mut world = World::after_the_wait(trials(2, 1));
    let old = world.trial();
    world.fail();
    world.advance(60);
    let new = world.trial();
    world.is_late(old);
    assert_eq!((world.state(), world.status().trials_in_flight), (StateName::HalfOpen, 1));
    world.settle(new, Outcome::Success);
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 2: an old call that is settled frees no half-open place.
#[test]
fn an_old_permit_frees_no_trial_slot() {
    let mut world = World::new(trials(3, 3));
    let old: Vec<_> = (0..20).map(|_| world.call()).collect();
    world.trip();
    world.advance(30);
    let _trials = [world.trial(), world.trial(), world.trial()];
    for call in old {
        world.settle(call, Outcome::Aborted);
        world.is_diverted(DivertReason::HalfOpen);
    }
    assert_eq!(world.status().trials_in_flight, 3);
}

/// Row 2: places in flight and successes together never exceed `permitted_calls`.
#[test]
fn a_successful_trial_does_not_make_room_for_one_more() {
    let mut world = World::after_the_wait(trials(3, 3));
    world.succeed();
    let _second = world.trial();
    let _third = world.trial();
    world.is_diverted(DivertReason::HalfOpen);
}

/// Row 4: one of 64 callers passes.
#[test]
fn of_sixty_four_callers_at_once_as_many_pass_as_are_permitted() {
    for permitted in [1, 5, 32] {
        let mut world = World::after_the_wait(trials(permitted, permitted));
        let passed = (0..64).filter_map(|_| world.try_call().ok()).count();
        assert_eq!(passed, permitted as usize);
        assert_eq!(world.status().trials_in_flight, permitted);
    }
}

/// Row 4: two workers decide on the same record; the one that loses the race decides again on
/// the other's, and only one transition and one trial are stored.
#[test]
fn two_workers_at_the_end_of_the_wait_send_one_trial_between_them() {
    let world = World::after_the_wait(|_| {});
    let seen = world.record();
    let decide = |record: &[u8]| {
        let mut breaker = Breaker::decode(record).unwrap();
        let decision = breaker.admit(&world.policy, true, world.now.monotonic, 0);
        (decision, breaker.encode())
    };
    let ((first, first_transition), stored) = decide(&seen);
    assert!(matches!(first, Admission::Admitted(_)) && first_transition.is_some());
    let ((second, second_transition), left) = decide(&stored);
    assert_eq!(second, Admission::Diverted(DivertReason::HalfOpen));
    assert_eq!(second_transition, None);
    assert_eq!(left, stored);
}

/// Row 3: a trial that is never settled holds its place until its deadline and no longer.
#[test]
fn a_hung_trial_frees_its_slot_at_its_deadline() {
    let mut world = World::after_the_wait(|_| {});
    let _hung = world.trial();
    world.advance_by(seconds_of(30) - Duration::from_nanos(1));
    world.is_diverted(DivertReason::HalfOpen);
    world.advance_by(Duration::from_nanos(1));
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 28: its last quarter, or its last second if that is longer, but no more than half of it.
#[test]
fn a_trials_time_is_nearly_over_in_its_last_part_and_not_when_it_is_over() {
    for (time, ending) in [(40_000, 10_000), (4_000, 1_000), (3_000, 1_000), (1_000, 500)] {
        let (time, ending) = (Duration::from_millis(time), Duration::from_millis(ending));
        let mut world = World::after_the_wait(|policy| policy.half_open.max_wait = time);
        let trial = world.trial();
        let moment = Duration::from_nanos(10);
        let mut is_nearly_over = |by| {
            world.advance_by(by);
            trial.is_nearly_over(&world.policy.half_open, world.now.monotonic)
        };
        assert!(!is_nearly_over(time - ending - moment), "{time:?}: too early");
        assert!(is_nearly_over(moment), "{time:?}: at last");
        assert!(is_nearly_over(ending - moment), "{time:?}: still");
        assert!(!is_nearly_over(moment), "{time:?}: over");
    }
}

/// Row 28: a trial whose request is not complete has a second.
#[test]
fn the_time_of_an_incomplete_trial_is_nearly_over_after_half_a_second() {
    let mut world = World::after_the_wait(|_| {});
    let mut upload = world.upload();
    world.advance_by(Duration::from_millis(400));
    assert!(!upload.is_nearly_over(&world.policy.half_open, world.now.monotonic));
    world.advance_by(Duration::from_millis(200));
    assert!(upload.is_nearly_over(&world.policy.half_open, world.now.monotonic));
    assert!(world.complete(&mut upload));
    assert!(!upload.is_nearly_over(&world.policy.half_open, world.now.monotonic));
}

#[test]
fn the_time_of_a_call_that_is_no_trial_is_never_nearly_over() {
    let mut world = World::new(|_| {});
    let permit = world.call();
    assert!(!permit.is_nearly_over(&world.policy.half_open, world.now.monotonic));
}

/// Row 3: a crashed worker takes all its trials with it, and the breaker recovers all the same.
#[test]
fn all_slots_return_when_every_trial_is_lost() {
    let mut world = World::after_the_wait(trials(3, 3));
    for _ in 0..3 {
        drop(world.trial());
    }
    world.is_diverted(DivertReason::HalfOpen);
    world.advance(30);
    for _ in 0..3 {
        world.succeed();
    }
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 3: a trial that answers after its deadline has no place to give back, not even when
/// another has taken the same one since.
#[test]
fn a_trial_past_its_deadline_cannot_settle_the_one_that_took_its_slot() {
    let mut world = World::after_the_wait(|_| {});
    let mut hung = world.trial().end(Outcome::Success);
    world.advance(30);
    world.settles_late(&mut hung);
    let successor = world.trial();
    world.settles_late(&mut hung);
    world.is_diverted(DivertReason::HalfOpen);
    world.settle(successor, Outcome::Success);
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 2: nor can it when its worker looked at the clock before the other did, and was overtaken.
#[test]
fn a_trial_whose_slot_another_took_cannot_settle_it_even_on_an_earlier_clock() {
    let mut world = World::after_the_wait(|_| {});
    let hung = world.trial();
    world.advance(30);
    let _successor = world.trial();
    world.step_back(1);
    world.is_late(hung);
    assert_eq!(world.status().trials_in_flight, 1);
}

/// Row 3: even a policy that gives trials no time lets them hold a place for a moment.
#[test]
fn a_trial_with_hardly_any_time_still_keeps_a_second_one_out() {
    let mut world = World::after_the_wait(|policy| policy.half_open.max_wait = Duration::ZERO);
    let trial = world.trial();
    world.is_diverted(DivertReason::HalfOpen);
    world.settle(trial, Outcome::Success);
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 11: a client that aborts a trial gives its place back, and the state stays as it is.
#[test]
fn an_aborted_trial_frees_its_slot_at_once() {
    settles_the_slot_and_nothing_else(Outcome::Aborted);
}

/// Row 15: an ignored call is no success of a trial, and does not keep its place.
#[test]
fn an_ignored_trial_frees_its_slot_at_once() {
    settles_the_slot_and_nothing_else(Outcome::Ignored);
}

fn settles_the_slot_and_nothing_else(outcome: Outcome) {
    let mut world = World::after_the_wait(trials(2, 2));
    world.succeed();
    for _ in 0..100 {
        let trial = world.trial();
        world.is_diverted(DivertReason::HalfOpen);
        assert_eq!(world.settle(trial, outcome), Settled::Counted(None));
        assert_eq!((world.state(), world.status().trials_in_flight), (StateName::HalfOpen, 0));
    }
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}

fn declined(seconds: impl Into<Option<u64>>) -> Outcome {
    Outcome::Declined { retry_after: seconds.into().map(seconds_of) }
}

/// A trial is declined: how long it takes until the next one is made.
#[track_caller]
fn until_the_next_trial(world: &mut World, outcome: Outcome) -> Duration {
    let trial = world.trial();
    assert_eq!(world.settle(trial, outcome), Settled::Counted(None));
    assert_eq!((world.state(), world.status().trials_in_flight), (StateName::HalfOpen, 0));
    let Some(retry_at) = world.status().retry_at else {
        return Duration::ZERO;
    };
    let began = world.now.monotonic;
    world.now = at(Timestamp::from_nanos(retry_at.as_nanos() - 1));
    world.is_diverted(DivertReason::HalfOpen);
    world.now = at(retry_at);
    retry_at.since(began)
}

/// Row 29: a service that answers each trial, and never says how it is, is not asked at once again.
#[test]
fn a_declined_trial_delays_the_next_one() {
    let mut world = World::after_the_wait(|_| {});
    let waits = [(None, 1), (Some(0), 1), (Some(7), 7), (Some(30), 30), (Some(86_400), 30)];
    for (asked, expected) in waits {
        let pause = until_the_next_trial(&mut world, declined(asked));
        assert_eq!(pause, seconds_of(expected), "{asked:?}");
    }
    let trial = world.trial();
    assert_eq!(world.status().retry_at, None, "nothing is waited for any more");
    world.settle(trial, Outcome::Success);
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn a_declined_trial_of_a_checked_service_delays_the_next_one_by_the_checks_interval() {
    let mut world = World::after_the_wait(|policy| {
        let then = AfterCheck::HalfOpen;
        policy.health_check = Some(HealthCheckPolicy { then, ..health_check() });
    });
    world.check_passes();
    assert_eq!(until_the_next_trial(&mut world, declined(None)), seconds_of(5));
    world.policy.half_open.max_wait = seconds_of(2);
    assert_eq!(until_the_next_trial(&mut world, declined(None)), seconds_of(2));
}

#[test]
fn the_wait_that_a_declined_trial_asks_for_is_ignored_where_it_is_not_honoured() {
    let mut world = World::after_the_wait(|policy| policy.open.honor_retry_after = false);
    assert_eq!(until_the_next_trial(&mut world, declined(20)), seconds_of(1));
}

/// Those under way go on, and the longest of what is asked for counts.
#[test]
fn the_longest_wait_that_declined_trials_ask_for_is_kept() {
    let mut world = World::after_the_wait(trials(3, 2));
    let [first, second, third] = [world.trial(), world.trial(), world.trial()];
    world.settle(first, declined(10));
    world.settle(second, declined(4));
    world.advance(9);
    world.is_diverted(DivertReason::HalfOpen);
    world.settle(third, Outcome::Success);
    world.is_diverted(DivertReason::HalfOpen);
    world.advance(1);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn a_closed_breaker_declines_nothing() {
    let mut world = World::new(|_| {});
    let call = world.call();
    let before = world.record();
    world.settle(call, declined(100));
    assert_eq!(world.record(), before);
    let _next = world.call();
}

/// Row 13: it would be half-open until the clock has caught up.
#[test]
fn a_clock_that_is_set_back_puts_no_trial_off_for_longer() {
    let mut world = World::after_the_wait(|_| {});
    let trial = world.trial();
    world.settle(trial, declined(10));
    world.step_back(900);
    world.is_diverted(DivertReason::HalfOpen);
    world.advance(30);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}

/// Rows 2, 4: also when a policy asks for more than a record has places.
#[test]
fn more_trials_than_there_are_slots_are_diverted() {
    let mut world = World::after_the_wait(trials(1_000, 1_000));
    let passed = (0..64).filter_map(|_| world.try_call().ok()).count();
    assert_eq!(passed, breaker::MAX_PERMITTED_CALLS as usize);
}

/// Three of five have to succeed, and two that fail open it again.
fn that_may_fail(policy: &mut Policy) {
    trials(5, 3)(policy);
    policy.half_open.failure_threshold = count(2);
}

#[test]
fn a_trial_may_fail_if_the_others_do_not() {
    let mut world = World::after_the_wait(that_may_fail);
    world.fail();
    world.succeed();
    world.succeed();
    assert_eq!(world.state(), StateName::HalfOpen);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn as_many_trials_that_fail_as_are_too_many_open_the_breaker_again() {
    let mut world = World::after_the_wait(that_may_fail);
    world.succeed();
    world.fail();
    world.succeed_slowly();
    assert_eq!(world.status().trip_reason, Some(Reason::TrialFailed));
    assert_eq!(world.state(), StateName::Open);
}

#[test]
fn trials_that_failed_are_among_those_permitted() {
    let mut world = World::after_the_wait(that_may_fail);
    world.fail();
    let _under_way = [(); 4].map(|()| world.trial());
    world.is_diverted(DivertReason::HalfOpen);
}

#[test]
fn a_policy_that_permits_fewer_trials_than_failed_makes_others() {
    let mut world = World::after_the_wait(that_may_fail);
    world.fail();
    trials(1, 1)(&mut world.policy);
    world.policy.half_open.failure_threshold = count(2);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}
