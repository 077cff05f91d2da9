//! The health check of an open breaker: when it is due, who makes it, and what it decides.

use std::time::Duration;

use breaker::{
    AfterCheck, CheckResult, DivertReason, HealthCheckPolicy, Outcome, Reason, StateName,
};

use crate::world::{World, count, health_check, retry, seconds_of};

/// Open, and its wait of 30 s is over.
fn due(adapt: impl FnOnce(&mut HealthCheckPolicy)) -> World {
    World::after_the_wait(|policy| {
        let mut health_check = health_check();
        adapt(&mut health_check);
        policy.health_check = Some(health_check);
    })
}

/// The moments, from now, at which a service that never answers is asked.
fn attempts(world: &mut World, number: usize) -> Vec<u64> {
    let start = world.now.monotonic;
    let mut moments = Vec::new();
    while moments.len() < number {
        let (_, ticket) = world.until_check(seconds_of(60));
        moments.push(world.now.monotonic.since(start).as_secs());
        world.answer(ticket, CheckResult::Unhealthy);
    }
    moments
}

#[test]
fn the_first_check_is_due_at_the_end_of_the_wait_and_not_before() {
    let mut world = World::open(|policy| policy.health_check = Some(health_check()));
    world.advance_by(seconds_of(30) - Duration::from_nanos(1));
    assert_eq!(world.try_check(), None);
    world.advance_by(Duration::from_nanos(1));
    let _ticket = world.check();
}

#[test]
fn without_a_wait_the_first_check_is_due_at_once() {
    let mut world = World::open(|policy| {
        policy.open.wait = Duration::ZERO;
        policy.health_check = Some(health_check());
    });
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 19: while it is open only the check decides; the end of the wait lets no call through.
#[test]
fn no_call_passes_before_the_check_has_passed() {
    let mut world = due(|_| {});
    world.advance(1_000_000);
    world.is_diverted(DivertReason::Open);
    world.check_fails();
    world.is_diverted(DivertReason::Open);
}

#[test]
fn a_check_is_taken_only_while_open() {
    let mut world = World::new(|policy| {
        policy.health_check =
            Some(HealthCheckPolicy { then: AfterCheck::HalfOpen, ..health_check() });
    });
    world.advance(3_600);
    assert_eq!(world.try_check(), None);
    world.trip();
    world.advance(30);
    world.check_passes();
    assert_eq!(world.state(), StateName::HalfOpen);
    world.advance(3_600);
    assert_eq!(world.try_check(), None);
}

#[test]
fn without_a_health_check_none_is_ever_taken() {
    let mut world = World::after_the_wait(|_| {});
    assert_eq!(world.try_check(), None);
}

#[test]
fn one_holder_at_a_time_makes_the_check() {
    let mut world = due(|_| {});
    let ticket = world.check();
    for _ in 0..15 {
        assert_eq!(world.try_check(), None);
        world.advance_by(Duration::from_millis(100));
    }
    assert_eq!(world.answer(ticket, CheckResult::Unhealthy), None);
    assert_eq!(world.try_check(), None, "the next one is due after the interval");
}

#[test]
fn a_holder_that_uses_its_whole_timeout_is_not_replaced_before_it_answers() {
    let mut world = due(|health_check| health_check.timeout = health_check.interval);
    let ticket = world.check();
    world.advance(5);
    assert_eq!(world.try_check(), None);
    world.answer(ticket, CheckResult::Healthy);
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn a_vanished_holder_is_replaced_within_two_intervals() {
    for timeout in [1, 3, 5] {
        let mut world = due(|health_check| health_check.timeout = seconds_of(timeout));
        drop(world.check());
        let (_, successor) = world.until_check(seconds_of(2 * 5));
        world.answer(successor, CheckResult::Healthy);
        assert_eq!(world.state(), StateName::Closed);
    }
}

#[test]
fn a_holder_that_vanishes_between_retries_is_replaced_and_the_schedule_goes_on() {
    let mut world = due(|health_check| health_check.retry = Some(retry()));
    world.check_fails();
    world.advance(2);
    drop(world.check());
    let (_, successor) = world.until_check(seconds_of(10));
    world.answer(successor, CheckResult::Unhealthy);
    world.advance_by(Duration::from_millis(3_999));
    assert_eq!(world.try_check(), None);
    world.advance_by(Duration::from_millis(1));
    let _third = world.check();
}

#[test]
fn a_late_answer_of_a_replaced_holder_changes_nothing() {
    for result in [CheckResult::Healthy, CheckResult::Unhealthy] {
        let mut world = due(|_| {});
        let late = world.check();
        let (_, successor) = world.until_check(seconds_of(10));
        let before = world.record();
        assert_eq!(world.answer(late, result), None);
        assert_eq!(world.record(), before);
        world.answer(successor, CheckResult::Healthy);
        assert_eq!(world.state(), StateName::Closed);
    }
}

#[test]
fn an_answer_after_the_lease_still_counts_if_nobody_took_over() {
    let mut world = due(|_| {});
    let slow = world.check();
    world.advance(60);
    world.answer(slow, CheckResult::Healthy);
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 1: an answer counts only in the open period that asked.
#[test]
fn an_answer_from_an_earlier_open_period_changes_nothing() {
    let mut world = due(|_| {});
    let vanished = world.check().end(CheckResult::Healthy);
    let (_, successor) = world.until_check(seconds_of(10));
    world.answer(successor, CheckResult::Healthy);
    let closed = world.record();
    assert_eq!(world.answer_again(&vanished), None);
    assert_eq!(world.record(), closed);

    world.trip();
    world.advance(60);
    let _ticket = world.check();
    let open = world.record();
    assert_eq!(world.answer_again(&vanished), None);
    assert_eq!(world.record(), open);
}

#[test]
fn a_failed_check_comes_again_after_the_interval() {
    let mut world = due(|_| {});
    assert_eq!(attempts(&mut world, 4), [0, 5, 10, 15]);
}

#[test]
fn a_failed_check_is_retried_after_two_four_and_eight_seconds_and_then_after_the_interval() {
    let mut world = due(|health_check| health_check.retry = Some(retry()));
    assert_eq!(attempts(&mut world, 8), [0, 2, 6, 14, 19, 21, 25, 33]);
}

#[test]
fn a_wait_for_a_retry_may_be_longer_than_any_other() {
    let mut world = due(|health_check| {
        let mut retry = retry();
        retry.interval = seconds_of(400);
        health_check.retry = Some(retry);
    });
    world.check_fails();
    assert_eq!(world.try_check(), None);
    world.advance_by(seconds_of(400) - Duration::from_nanos(1));
    assert_eq!(world.try_check(), None);
    world.advance_by(Duration::from_nanos(1));
    world.check_fails();
    assert_eq!(world.try_check(), None);
    world.advance(799);
    assert_eq!(world.try_check(), None);
    world.advance(1);
    let _third = world.check();
}

#[test]
fn a_retry_that_passes_is_a_check_that_passed() {
    let mut world = due(|health_check| health_check.retry = Some(retry()));
    world.check_fails();
    world.advance(2);
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn a_check_that_passes_ends_the_schedule_of_its_retries() {
    let mut world = due(|health_check| {
        health_check.retry = Some(retry());
        health_check.healthy_threshold = count(2);
    });
    world.check_fails();
    world.advance(2);
    world.check_passes();
    world.advance(5);
    assert_eq!(attempts(&mut world, 5), [0, 2, 6, 14, 19]);
}

#[test]
fn as_many_checks_in_a_row_must_pass_as_asked_for() {
    let mut world = due(|health_check| health_check.healthy_threshold = count(3));
    for _ in 0..2 {
        assert_eq!(world.check_passes(), None);
        world.advance_by(seconds_of(5) - Duration::from_nanos(1));
        assert_eq!(world.try_check(), None, "the next one is due after the interval");
        world.advance_by(Duration::from_nanos(1));
    }
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn a_failed_check_starts_the_row_of_passed_ones_anew() {
    let mut world = due(|health_check| health_check.healthy_threshold = count(2));
    for _ in 0..10 {
        world.check_passes();
        world.advance(5);
        world.check_fails();
        world.advance(5);
    }
    assert_eq!(world.state(), StateName::Open);
    world.check_passes();
    world.advance(5);
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

/// A check has not failed before its last retry has: until then it is one check, whose attempts
/// do not break the row of those that passed.
#[test]
fn an_attempt_that_is_retried_does_not_break_the_row_of_passed_checks() {
    let mut world = due(|health_check| {
        health_check.retry = Some(retry());
        health_check.healthy_threshold = count(2);
    });
    world.check_passes();
    world.advance(5);
    assert_eq!(attempts(&mut world, 3), [0, 2, 6]);
    let (_, last_retry) = world.until_check(seconds_of(10));
    world.answer(last_retry, CheckResult::Healthy);
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn the_last_retry_that_fails_breaks_the_row_of_passed_checks() {
    let mut world = due(|health_check| {
        health_check.retry = Some(retry());
        health_check.healthy_threshold = count(2);
    });
    world.check_passes();
    world.advance(5);
    assert_eq!(attempts(&mut world, 4), [0, 2, 6, 14]);
    world.advance(5);
    assert_eq!(world.check_passes(), None);
    world.advance(5);
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn a_passed_check_closes_the_breaker_if_configured_so() {
    let mut world = due(|health_check| health_check.then = AfterCheck::Close);
    let transition = world.check_passes().expect("a transition");
    assert_eq!((transition.from, transition.to), (StateName::Open, StateName::Closed));
    assert_eq!(transition.reason, Reason::HealthCheck);
    assert_eq!(world.status().failures, 0);
    assert!(!world.call().is_trial());
}

/// Row 7: and the count starts anew.
#[test]
fn a_breaker_that_a_check_closed_takes_a_full_run_to_trip_again() {
    let mut world = due(|_| {});
    world.check_passes();
    world.fail();
    world.fail();
    assert_eq!(world.state(), StateName::Closed);
    world.fail();
    assert_eq!(world.state(), StateName::Open);
}

/// Row 3: there is nobody to ask, and yet an open breaker returns.
#[test]
fn a_check_that_cannot_be_made_leads_to_trials_after_the_longest_wait_only() {
    let mut world = due(|_| {});
    let (opened_at, longest) = (world.now.monotonic, world.policy.open.max_wait);
    let mut skipped = 0;
    let transition = loop {
        let (_, ticket) = world.until_check(longest);
        let (mut breaker, now) = (world.breaker(), world.now.monotonic);
        let transition = breaker.finish_check(&world.policy, &ticket.skip(), now);
        world.put(&breaker);
        if let Some(transition) = transition {
            break transition;
        }
        skipped += 1;
        assert!(now.since(opened_at) < longest && world.state() == StateName::Open);
    };
    assert!(skipped > 1);
    assert_eq!((transition.to, transition.reason), (StateName::HalfOpen, Reason::WaitElapsed));
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 3: no interval adds to the longest wait.
#[test]
fn a_check_that_cannot_be_made_and_is_seldom_due_leads_to_trials_no_later_than_that() {
    let mut world = World::open(|policy| {
        policy.open.wait = Duration::ZERO;
        policy.open.max_wait = seconds_of(90);
        policy.health_check =
            Some(HealthCheckPolicy { interval: seconds_of(60), ..health_check() });
    });
    let opened_at = world.now.monotonic;
    while world.state() == StateName::Open {
        let (_, ticket) = world.until_check(seconds_of(60));
        let (mut breaker, now) = (world.breaker(), world.now.monotonic);
        breaker.finish_check(&world.policy, &ticket.skip(), now);
        world.put(&breaker);
    }
    assert_eq!(world.now.monotonic.since(opened_at), seconds_of(90));
}

/// It passed once, and its cluster went: it is in no row any more that is to be left alone.
#[test]
fn a_check_that_cannot_be_made_gives_way_to_that_of_a_later_call() {
    let mut world = closed_with_check(8);
    world.policy.health_check.as_mut().unwrap().healthy_threshold = count(2);
    world.trip();
    world.advance(30);
    world.check_passes();
    world.advance(5);
    let ticket = world.check();
    let (mut breaker, now) = (world.breaker(), world.now.monotonic);
    breaker.finish_check(&world.policy, &ticket.skip(), now);
    world.put(&breaker);
    world.set_check(7);
    world.call_comes_on(9);
    assert_eq!(world.until_check(seconds_of(6)).0, seconds_of(5));
}

#[test]
fn a_check_that_another_has_taken_since_is_not_skipped() {
    let mut world = due(|_| {});
    let first = world.check();
    world.advance(600);
    let second = world.check();
    let mut breaker = world.breaker();
    let now = world.now.monotonic;
    assert_eq!(breaker.finish_check(&world.policy, &first.skip(), now), None);
    assert_eq!(breaker, world.breaker(), "it changes nothing");
    assert!(breaker.finish_check(&world.policy, &second.skip(), now).is_some());
}

/// Row 19: with `half_open` a passed check allows trials, and those decide.
#[test]
fn a_passed_check_half_opens_the_breaker_if_configured_so_and_trials_close_it() {
    let mut world = due(|health_check| health_check.then = AfterCheck::HalfOpen);
    let transition = world.check_passes().expect("a transition");
    assert_eq!((transition.to, transition.reason), (StateName::HalfOpen, Reason::HealthCheck));
    let trial = world.trial();
    world.is_diverted(DivertReason::HalfOpen);
    world.settle(trial, Outcome::Success);
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 19: a service whose health check passes while its calls fail never closes, and is not
/// asked again before a wait that grows.
#[test]
fn a_check_that_passes_while_trials_fail_never_closes_the_breaker() {
    let mut world = due(|health_check| health_check.then = AfterCheck::HalfOpen);
    for wait in [60, 120, 240, 300, 300] {
        world.check_passes();
        world.fail();
        assert_eq!(world.state(), StateName::Open);
        world.advance(wait - 1);
        assert_eq!(world.try_check(), None);
        world.advance(1);
    }
    assert!(world.transitions.iter().all(|it| it.to != StateName::Closed));
}

/// Row 19: an answer that says nothing about the service, such as 429 where the policy ignores
/// it, is no success of a trial either.
#[test]
fn an_ignored_trial_after_a_passed_check_closes_nothing() {
    let mut world = due(|health_check| health_check.then = AfterCheck::HalfOpen);
    world.check_passes();
    let trial = world.trial();
    world.settle(trial, Outcome::Ignored);
    assert_eq!(world.state(), StateName::HalfOpen);
}

/// One configuration replaces another, and both are at work for a while.
#[test]
fn only_the_check_in_force_is_made() {
    let mut world = due(|_| {});
    let replaced = world.check();
    world.sync(7);
    assert_eq!(world.answer(replaced, CheckResult::Healthy), None);
    world.advance(30);
    assert_eq!(world.try_check(), None, "it is another's");
    world.sync(0);
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

/// A wrong one was put in force, and the one before put back without a word.
#[test]
fn the_check_of_the_configuration_whose_call_trips_is_made() {
    let mut world = closed_with_check(7);
    world.sync(8);
    world.trip();
    world.advance(30);
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn a_check_that_is_put_in_force_after_the_trip_is_made_in_its_stead() {
    let mut world = closed_with_check(7);
    world.trip();
    world.sync(8);
    world.advance(31);
    assert_eq!(world.try_check(), None);
    world.set_check(8);
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

/// The second one fails, and the first is put back without a word: its call is all there is.
#[test]
fn a_call_on_a_later_connection_puts_its_check_in_force_within_an_interval() {
    let mut world = closed_with_check(8);
    world.trip();
    world.call_comes_on(5);
    world.advance(30);
    world.check_fails();
    world.set_check(7);
    assert_eq!(world.try_check(), None);
    world.call_comes_on(6);
    assert_eq!(world.until_check(seconds_of(6)).0, seconds_of(5));
}

/// It is a replaced configuration's, which drains.
#[test]
fn a_call_on_an_earlier_connection_puts_no_check_in_force() {
    let mut world = closed_with_check(8);
    world.trip();
    world.call_comes_on(5);
    world.set_check(7);
    world.call_comes_on(4);
    world.advance(31);
    assert_eq!(world.try_check(), None);
    world.set_check(8);
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn a_check_that_passes_or_is_under_way_is_not_interrupted() {
    let mut world = closed_with_check(8);
    world.policy.health_check.as_mut().unwrap().healthy_threshold = count(2);
    world.trip();
    world.advance(30);
    for _ in 0..2 {
        let ticket = world.check();
        world.set_check(7);
        world.call_comes_on(9);
        world.set_check(8);
        world.answer(ticket, CheckResult::Healthy);
        world.set_check(7);
        world.call_comes_on(9);
        world.set_check(8);
        world.advance(5);
    }
    assert_eq!(world.state(), StateName::Closed);
}

/// Two listeners guard a service, and check it by different settings.
#[test]
fn checks_that_take_turns_are_made_no_more_often_and_no_later_than_one() {
    let mut world = closed_with_check(7);
    world.trip();
    world.advance(30);
    let began = world.now.monotonic;
    for connection in 1..=60 {
        world.set_check(7 + connection as u32 % 2);
        world.call_comes_on(connection);
        let passed = world.now.monotonic.since(began).as_secs();
        match world.try_check() {
            Some(ticket) => {
                assert!(passed.is_multiple_of(5), "after {passed} s");
                world.answer(ticket, CheckResult::Unhealthy);
            }
            None => assert!(!passed.is_multiple_of(5), "after {passed} s"),
        }
        world.advance(1);
    }
}

#[test]
fn no_check_that_is_put_in_force_by_a_call_ends_the_wait() {
    let mut world = closed_with_check(8);
    world.trip();
    world.set_check(7);
    world.call_comes_on(6);
    assert_eq!(world.until_check(seconds_of(40)).0, seconds_of(30));
}

/// Closed, with a check of this number in force.
fn closed_with_check(settings: u32) -> World {
    let mut world = World::new(|policy| policy.health_check = Some(health_check()));
    world.set_check(settings);
    world.sync(settings);
    world
}

#[test]
fn the_same_check_put_in_force_again_starts_nothing_over() {
    let mut world = due(|check| check.healthy_threshold = count(2));
    world.check_passes();
    world.sync(0);
    world.advance(5);
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

/// It is overdue by 30 s and an interval: whoever made it is gone.
#[test]
fn a_check_that_nobody_makes_is_taken_over() {
    let mut world = due(|_| {});
    world.sync(7);
    world.advance(34);
    assert_eq!(world.try_check(), None);
    world.advance(1);
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

/// Such as that of a listener which has nothing but the admin API.
#[test]
fn a_configuration_without_a_check_leaves_the_one_in_force() {
    let mut world = due(|check| check.settings = 7);
    world.sync(7);
    let checked = world.policy.health_check.take();
    world.sync(0);
    world.policy.health_check = checked;
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

/// It fails and succeeds in turn, so that no row of trips grows, and its check passes each time.
#[test]
fn the_interval_between_two_checks_holds_though_the_breaker_closes_and_trips_in_between() {
    for then in [AfterCheck::Close, AfterCheck::HalfOpen] {
        let mut world = World::open(|policy| {
            policy.open.wait = Duration::ZERO;
            policy.health_check = Some(HealthCheckPolicy { then, ..health_check() });
        });
        world.check_passes();
        for _ in 0..5 {
            world.succeed();
            assert_eq!(world.state(), StateName::Closed);
            world.advance(2);
            world.trip();
            let (waited, ticket) = world.until_check(seconds_of(6));
            assert_eq!(waited, seconds_of(3), "{then:?}");
            world.answer(ticket, CheckResult::Healthy);
        }
        world.succeed();
        world.advance(60);
        world.trip();
        let _at_once = world.check();
    }
}

/// Row 13: it would be open until the clock has caught up.
#[test]
fn a_clock_that_is_set_back_puts_no_check_off_for_longer_than_an_interval() {
    let mut world = World::open(|policy| {
        policy.open.wait = Duration::ZERO;
        policy.health_check = Some(health_check());
    });
    world.check_passes();
    world.succeed();
    world.step_back(900);
    world.trip();
    assert_eq!(world.until_check(seconds_of(6)).0, seconds_of(5));
}
