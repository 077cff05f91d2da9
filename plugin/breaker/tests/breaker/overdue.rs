//! Calls that count as slow while they are under way.

use std::time::Duration;

use breaker::{
    Ended, Outcome, Percentage, Permit, RatePolicy, Reason, StateName, Timestamp, Told, UnderWay,
    WindowPolicy,
};

use crate::world::{World, count, seconds_of};

const LONG: Duration = seconds_of(2);
const WINDOWS: [WindowPolicy; 2] =
    [WindowPolicy::Time(seconds_of(100)), WindowPolicy::Calls(count(100))];

/// Trips when half of at least 4 calls were slow, or three of four failed.
fn slow(window: WindowPolicy) -> World {
    World::new(|policy| {
        policy.trip.consecutive_failures = None;
        policy.trip.overdue_after = Some(LONG);
        let percent = |percent: u32| Some(Percentage::from_thousandths(percent * 1_000));
        let (failures, slow) = (percent(75), percent(50));
        policy.trip.rates = Some(RatePolicy { window, minimum_calls: count(4), failures, slow });
    })
}

/// A call, and what its worker keeps of it.
struct Call(Permit, UnderWay);

fn begin(world: &mut World) -> Call {
    let permit = world.call();
    let watched = UnderWay::new(&permit, world.now.monotonic);
    Call(permit, watched)
}

fn begin_some<const N: usize>(world: &mut World) -> [Call; N] {
    std::array::from_fn(|_| begin(world))
}

fn end(world: &mut World, Call(permit, watched): Call, outcome: Outcome) {
    let ended = Ended { told: watched.told(), ..outcome.into() };
    world.settle(permit, ended);
}

/// What a tick does: whether there was anything to tell.
fn tick(world: &mut World, calls: &mut [Call]) -> bool {
    let mut watched: Vec<_> = calls.iter().map(|Call(_, watched)| *watched).collect();
    let told = world.tell_overdue(&mut watched);
    for (Call(_, of), watched) in calls.iter_mut().zip(watched) {
        *of = watched;
    }
    told
}

#[test]
fn calls_that_hang_trip_the_share_of_slow_ones_before_they_end() {
    for window in WINDOWS {
        let mut world = slow(window);
        world.succeed();
        world.succeed();
        let mut calls: [_; 2] = begin_some(&mut world);
        world.advance_by(LONG - Duration::from_nanos(1));
        assert!(!tick(&mut world, &mut calls));
        world.advance_by(Duration::from_nanos(1));
        assert!(tick(&mut world, &mut calls));
        assert_eq!(world.status().trip_reason, Some(Reason::SlowCallRate));
        let calls = world.transitions[0].calls;
        assert_eq!((calls.calls, calls.slow, calls.failures), (4, 2, 0));
    }
}

#[test]
fn a_call_is_told_of_once_and_counts_once_however_it_ends() {
    let ends = [Outcome::Success, Outcome::FAILURE, Outcome::Ignored, Outcome::Aborted];
    for (window, outcome) in WINDOWS.into_iter().flat_map(|window| ends.map(|it| (window, it))) {
        let mut world = slow(window);
        let mut calls = [begin(&mut world)];
        world.advance_by(LONG);
        assert!(tick(&mut world, &mut calls));
        world.advance_by(LONG);
        assert!(!tick(&mut world, &mut calls), "again");
        let [call] = calls;
        end(&mut world, call, outcome);
        let counts = world.counts();
        assert_eq!((counts.calls, counts.slow), (1, 1), "{outcome:?}");
        assert_eq!(counts.failures, u32::from(outcome == Outcome::FAILURE), "{outcome:?}");
        // One of four is slow, and then two.
        world.succeed();
        world.succeed();
        world.succeed();
        world.succeed_slowly();
        assert_eq!(world.state(), StateName::Closed, "{outcome:?}");
        world.succeed_slowly();
        assert_eq!(world.state(), StateName::Open, "{outcome:?}");
    }
}

#[test]
fn whether_calls_fail_is_a_matter_of_those_that_have_ended() {
    for window in WINDOWS {
        let mut world = slow(window);
        if let Some(rates) = &mut world.policy.trip.rates {
            rates.slow = None;
        }
        let mut hung: [_; 4] = begin_some(&mut world);
        world.advance_by(LONG);
        assert!(tick(&mut world, &mut hung));
        for _ in 0..3 {
            world.fail();
        }
        assert_eq!(world.state(), StateName::Closed, "four are asked for");
        let [first, ..] = hung;
        end(&mut world, first, Outcome::FAILURE);
        assert_eq!(world.status().trip_reason, Some(Reason::FailureRate));
    }
}

#[test]
fn what_hangs_from_an_earlier_period_says_nothing() {
    for window in WINDOWS {
        let mut world = slow(window);
        let mut old: [_; 8] = begin_some(&mut world);
        world.succeed_slowly();
        world.succeed_slowly();
        world.succeed_slowly();
        world.succeed_slowly();
        world.advance(30);
        world.succeed();
        assert_eq!(world.state(), StateName::Closed);
        assert!(!tick(&mut world, &mut old));
    }
}

#[test]
fn trials_say_how_the_service_is_when_they_end() {
    let mut world = slow(WINDOWS[0]);
    for _ in 0..4 {
        world.succeed_slowly();
    }
    world.advance(30);
    let mut trial = [begin(&mut world)];
    world.advance_by(LONG);
    assert!(!tick(&mut world, &mut trial));
    assert_eq!(world.state(), StateName::HalfOpen);
}

#[test]
fn calls_that_nobody_has_seen_end_are_forgotten() {
    for window in WINDOWS {
        let mut world = slow(window);
        let mut lost: [_; 3] = begin_some(&mut world);
        world.advance_by(LONG);
        assert!(tick(&mut world, &mut lost));
        world.advance(60);
        world.succeed_slowly();
        for _ in 0..3 {
            world.succeed();
        }
        assert_eq!(world.state(), StateName::Closed);
    }
}

#[test]
fn a_good_call_is_written_down_when_it_may_make_the_calls_enough_for_those_that_hang() {
    for window in WINDOWS {
        let mut world = slow(window);
        let mut hung: [_; 3] = begin_some(&mut world);
        world.advance_by(LONG);
        assert!(tick(&mut world, &mut hung));
        assert!(world.breaker().clean(&world.policy).is_none());
        world.succeed();
        assert_eq!(world.status().trip_reason, Some(Reason::SlowCallRate));
    }
}

#[test]
fn where_nobody_asks_no_call_is_overdue() {
    let mut world = slow(WINDOWS[0]);
    world.policy.trip.overdue_after = None;
    let mut calls = [begin(&mut world)];
    world.now = crate::world::at(Timestamp::from_nanos(u64::MAX));
    assert!(!tick(&mut world, &mut calls));
    let [Call(_, watched)] = calls;
    assert_eq!(watched.told(), Told::default());
}
