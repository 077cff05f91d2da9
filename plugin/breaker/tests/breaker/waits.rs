//! How long an open breaker stays open.

use std::time::Duration;

use breaker::{
    AfterCheck, DivertReason, HealthCheckPolicy, Outcome, Settled, StateName, Timestamp,
};

use crate::world::{World, at, health_check, retry, seconds_of};

/// How long the wait of this open breaker is.
fn wait(world: &World) -> Duration {
    let status = world.status();
    status.retry_at.unwrap().since(status.opened_at.unwrap())
}

#[test]
fn an_open_breaker_diverts_until_the_very_end_of_its_wait() {
    let mut world = World::open(|_| {});
    let end = world.status().retry_at.unwrap();
    world.now = at(Timestamp::from_nanos(end.as_nanos() - 1));
    world.is_diverted(DivertReason::Open);
    world.now = at(end);
    let _trial = world.trial();
}

#[test]
fn each_trip_in_a_row_doubles_the_wait_up_to_its_maximum() {
    let mut world = World::open(|_| {});
    let waits = [(); 6].map(|()| {
        let wait = wait(&world);
        world.advance_by(wait);
        world.fail();
        wait.as_secs()
    });
    assert_eq!(waits, [30, 60, 120, 240, 300, 300]);
}

/// Row 7: the wait too starts anew once trials have succeeded.
#[test]
fn the_wait_is_short_again_after_trials_closed_the_breaker() {
    let mut world = World::after_the_wait(|_| {});
    world.fail();
    world.advance(60);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
    world.trip();
    assert_eq!(wait(&world), seconds_of(30));
}

/// Row 19: a check that passes while real calls fail on does not make the wait short again.
#[test]
fn the_wait_goes_on_growing_after_a_check_closed_the_breaker_until_a_call_succeeds() {
    let mut world = World::open(|policy| policy.health_check = Some(health_check()));
    for expected in [30, 60, 120] {
        assert_eq!(wait(&world), seconds_of(expected));
        world.advance(expected);
        world.check_passes();
        assert_eq!(world.state(), StateName::Closed);
        world.trip();
    }
    world.advance(240);
    world.check_passes();
    world.succeed();
    world.trip();
    assert_eq!(wait(&world), seconds_of(30));
}

#[test]
fn retry_after_of_the_tripping_answer_lengthens_the_wait_within_its_maximum() {
    for (asked, expected) in [(10, 30), (100, 100), (86_400, 300)] {
        let mut world = World::new(|_| {});
        world.fail();
        world.fail();
        let third = world.call();
        let outcome = Outcome::failure(Some(seconds_of(asked)));
        world.settle(third, outcome);
        assert_eq!(wait(&world), seconds_of(expected));
    }
}

#[test]
fn retry_after_of_an_answer_that_does_not_trip_is_forgotten() {
    let mut world = World::new(|_| {});
    let first = world.call();
    world.settle(first, Outcome::failure(Some(seconds_of(200))));
    world.trip();
    assert_eq!(wait(&world), seconds_of(30));
}

/// Row 14: breakers that tripped together come back one after the other, near the wait asked for.
#[test]
fn breakers_that_trip_together_do_not_come_back_together() {
    let mut waits: Vec<_> = (0..16)
        .map(|number: u32| {
            let mut world = World::new(|policy| policy.open.jitter_percent = 20);
            world.random = number << 28;
            world.trip();
            wait(&world)
        })
        .collect();
    assert!(waits.iter().all(|wait| (24..=36).contains(&wait.as_secs())), "{waits:?}");
    waits.dedup();
    assert_eq!(waits.len(), 16);
}

/// Row 14: not even those whose waits have all reached the maximum.
#[test]
fn breakers_at_the_maximum_do_not_come_back_together_either() {
    let [first, second] = [0, u32::MAX].map(|random| {
        let mut world = World::new(|policy| policy.open.jitter_percent = 20);
        world.random = random;
        world.trip();
        for _ in 0..8 {
            let wait = wait(&world);
            world.advance_by(wait);
            world.fail();
        }
        wait(&world)
    });
    assert!(first + seconds_of(60) < second && second <= seconds_of(300), "{first:?} {second:?}");
}

/// Row 13: a clock that stands still lengthens nothing once it goes on.
#[test]
fn calls_while_the_clock_stands_still_do_not_lengthen_the_wait() {
    let mut world = World::open(|_| {});
    for _ in 0..1_000 {
        world.is_diverted(DivertReason::Open);
    }
    world.advance(30);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 13: a clock that steps back by a day costs at most one more maximum of the wait.
#[test]
fn a_clock_that_steps_back_cannot_hold_the_breaker_open() {
    let mut world = World::open(|_| {});
    world.advance(29);
    world.step_back(900);
    world.is_diverted(DivertReason::Open);
    world.advance(300);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}

/// Row 13: nor put off the health check, whether it waits for its turn, for a retry, or for a
/// holder that is gone.
#[test]
fn a_clock_that_steps_back_cannot_put_off_a_health_check() {
    let world = || {
        World::after_the_wait(|policy| {
            policy.health_check = Some(health_check());
            policy.health_check.as_mut().unwrap().retry = Some(retry());
        })
    };
    let mut waiting = world();
    waiting.advance(1);
    let mut retrying = world();
    retrying.check_fails();
    let mut held = world();
    let _vanished = held.check();
    for mut world in [waiting, retrying, held] {
        world.step_back(900);
        assert_eq!(world.try_check(), None);
        world.advance(300);
        world.check_passes();
        assert_eq!(world.state(), StateName::Closed);
    }
}

/// Row 13: the wall clock decides nothing, however it jumps.
#[test]
fn a_wall_clock_that_jumps_changes_no_decision() {
    let mut world = World::open(|_| {});
    for wall in [0, u64::MAX] {
        world.now.wall = breaker::UnixTime::from_nanos(wall);
        world.is_diverted(DivertReason::Open);
    }
    world.advance(30);
    let trial = world.trial();
    world.now.wall = breaker::UnixTime::from_nanos(1);
    assert!(matches!(world.settle(trial, Outcome::Success), Settled::Counted(Some(_))));
}

/// Row 13: every wait has an end, even that of the last moment of the clock.
#[test]
fn at_the_end_of_time_nothing_overflows() {
    let mut world = World::new(|_| {});
    world.now.monotonic = Timestamp::from_nanos(u64::MAX);
    world.trip();
    assert_eq!(world.status().retry_at, Some(world.now.monotonic));
    let trial = world.trial();
    assert_eq!(world.settle(trial, Outcome::Success), Settled::Late);
}

/// The first check is made at once; what its passing is worth has shown by the second trip.
#[test]
fn a_breaker_without_a_wait_that_trips_again_waits_from_the_checks_interval_on() {
    for then in [AfterCheck::Close, AfterCheck::HalfOpen] {
        let mut world = World::open(|policy| {
            policy.open.wait = Duration::ZERO;
            policy.health_check = Some(HealthCheckPolicy { then, ..health_check() });
        });
        for expected in [0, 10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(wait(&world), seconds_of(expected), "{then:?}");
            world.advance(expected);
            world.check_passes();
            world.trip();
        }
    }
}

/// What it lets pass while its traffic comes back is no proof that it can bear all of it.
#[test]
fn a_ramp_without_a_wait_goes_on_with_the_row_of_trips() {
    let mut world = World::open(|policy| {
        policy.open.wait = Duration::ZERO;
        policy.half_open.ramp = seconds_of(10);
        policy.health_check = Some(health_check());
    });
    for expected in [0, 10, 20] {
        assert_eq!(wait(&world), seconds_of(expected));
        world.advance(expected);
        world.check_passes();
        world.advance(5);
        world.succeed();
        world.trip();
    }
}
