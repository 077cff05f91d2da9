//! Records that the version before wrote: each is read as what it meant, and written as it was.
//!
//! The bytes in `records/` were written by the code of that version, by the stories below. They
//! are never written anew: a record's bytes change only with its format, which has a number.

use breaker::{Breaker, Command, Mode, Percentage, RatePolicy, WindowPolicy};

use crate::world::{World, count, health_check, retry, seconds_of};

/// A line for each: its story, and its bytes in hexadecimal, without the zeros at the end.
const RECORDS: &str = include_str!("../records/format-2.txt");

type Story = (&'static str, fn() -> World);

/// What happened before each record was written.
const STORIES: [Story; 17] = [
    ("closed, nothing seen", || World::new(|_| {})),
    ("closed, a success", || after(World::new(|_| {}), World::succeed)),
    ("closed, two failures", || {
        after(World::new(|_| {}), |world| (0..2).for_each(|_| world.fail()))
    }),
    ("closed, a window over time", || counting(WindowPolicy::Time(seconds_of(10)))),
    ("closed, a window over calls", || counting(WindowPolicy::Calls(count(70)))),
    ("closed, on its ramp", on_its_ramp),
    ("closed, by a health check", || after(checked(), |world| _ = world.check_passes())),
    ("open", || World::open(|_| {})),
    ("open, by a failure rate", || after(counting(WindowPolicy::Calls(count(70))), World::trip)),
    ("open, by slow calls", slow),
    ("open, a check due", checked),
    ("open, a check under way", || after(checked(), |world| _ = world.check())),
    ("open, a check failed", || after(checked(), |world| _ = world.check_fails())),
    ("open, checked by another", checked_by_another),
    ("half-open, trials", trials),
    ("half-open, declined", declined),
    ("half-open, forced open", forced_open),
];

#[test]
fn a_record_of_the_version_before_is_written_as_it_was_read() {
    for (story, bytes) in records() {
        let breaker = Breaker::decode(&bytes).unwrap_or_else(|error| panic!("{story}: {error}"));
        assert_eq!(&*breaker.encode(), bytes, "{story}");
    }
}

#[test]
fn a_story_of_the_version_before_leads_to_the_same_record() {
    let records = records();
    assert_eq!(records.len(), STORIES.len());
    for ((name, story), (written, bytes)) in STORIES.iter().zip(records) {
        assert_eq!((*name, story().record().as_slice()), (written, &*bytes));
    }
}

#[test]
fn every_mode_of_the_version_before_is_read() {
    let (_, open) = records().swap_remove(7);
    let modes = [None, Some(0), Some(1), Some(2), Some(3)].map(|mode| mode.map(|at| Mode::ALL[at]));
    for (code, mode) in (0..).zip(modes) {
        let mut bytes = open.clone();
        bytes[3] = code;
        let breaker = Breaker::decode(&bytes).expect("a mode");
        assert_eq!(&*breaker.encode(), bytes);
        assert_eq!(breaker.mode(Mode::Enabled), mode.unwrap_or_default());
    }
}

fn records() -> Vec<(&'static str, Vec<u8>)> {
    let record = |line: &'static str| {
        let (story, hex) = line.split_once(": ").expect("a story and its bytes");
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
        let mut bytes: Vec<u8> = bytes.collect::<Result<_, _>>().expect("hexadecimal");
        bytes.resize(368, 0);
        (story, bytes)
    };
    RECORDS.lines().map(record).collect()
}

fn after(mut world: World, then: impl FnOnce(&mut World)) -> World {
    then(&mut world);
    world
}

/// Two calls were well, and 3 s later one was slow and two failed.
fn counting(window: WindowPolicy) -> World {
    let mut world = World::new(|policy| {
        let share = Some(Percentage::from_thousandths(60_000));
        let minimum_calls = count(6);
        policy.trip.consecutive_failures = None;
        policy.trip.rates =
            Some(RatePolicy { window, minimum_calls, failures: share, slow: share });
    });
    world.succeed();
    world.succeed();
    world.advance(3);
    world.succeed_slowly();
    world.fail();
    world.fail_slowly();
    world
}

fn slow() -> World {
    let mut world = counting(WindowPolicy::Time(seconds_of(10)));
    (0..3).for_each(|_| world.succeed_slowly());
    world
}

fn on_its_ramp() -> World {
    let mut world = World::after_the_wait(|policy| policy.half_open.ramp = seconds_of(10));
    world.succeed();
    world.advance(2);
    world.random = 0;
    world.fail();
    world
}

/// Its first check is due.
fn checked() -> World {
    World::after_the_wait(|policy| {
        let mut check = health_check();
        (check.settings, check.retry) = (7, Some(retry()));
        policy.health_check = Some(check);
    })
}

fn checked_by_another() -> World {
    let mut world = checked();
    world.set_check(9);
    world.call_comes_on(41);
    world
}

fn trials() -> World {
    let mut world = World::after_the_wait(|policy| {
        policy.half_open.permitted_calls = count(4);
        policy.half_open.success_threshold = count(3);
    });
    world.succeed();
    let _in_flight = world.trial();
    world.advance(1);
    let _uploads = world.upload();
    world
}

fn declined() -> World {
    let mut world = World::after_the_wait(|policy| policy.half_open.permitted_calls = count(2));
    let trial = world.trial();
    let retry_after = Some(seconds_of(4));
    world.settle(trial, breaker::Outcome::Declined { retry_after });
    world
}

fn forced_open() -> World {
    after(trials(), |world| _ = world.command(Command::ForceOpen))
}
