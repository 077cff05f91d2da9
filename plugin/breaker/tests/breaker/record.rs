//! The record: its bytes, and what becomes of bytes that are none. Row 18.

use std::fmt::Write;

use breaker::{
    Admission, Breaker, CheckResult, Command, DecodeError, LONGEST_RECORD, Outcome, Percentage,
    Policy, RECORD_LEN, RatePolicy, StateName, Tally, Timestamp, WindowPolicy,
};
use proptest::prelude::*;

use crate::operations;
use crate::world::{START, World, at, count, health_check, retry, seconds_of};

/// Where the window in force is named.
const WINDOW: std::ops::Range<usize> = 88..96;

/// What the layout is described by, for those who read records by other means.
const DOCUMENT: &str = include_str!("../../../../docs/shared-state.md");

#[test]
fn the_bytes_of_a_closed_record_are_these() {
    is_encoded_as(
        &closed(),
        &[
            "02 00 00 00 01 00 00 00", // version 2, closed; 1 failure
            "03 00 00 00 00 00 00 00", // generation 3
            "00 76 e8 6d 05 9d 97 17", // last failure
            "00 00 2a 36 fe 9c 97 17", // last success
            "01 00 00 00 00 00 00 00", // 1 trip
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 78 69 36 f1 00 00 00", // no health check before 1,036 s
        ],
    );
}

#[test]
fn the_bytes_of_an_open_record_are_these() {
    is_encoded_as(
        &open(),
        &[
            "02 01 01 00 03 00 00 00", // version 2, open, consecutive failures; 3 of them
            "02 00 00 00 00 00 00 00", // generation 2
            "00 00 2a 36 fe 9c 97 17", // last failure
            "00 00 00 00 00 00 00 00", // no success yet
            "01 00 00 00 00 00 00 00", // 1 trip
            "00 10 a5 d4 e8 00 00 00", // opened at 1,000 s
            "00 bc c8 d0 ef 00 00 00", // retry at 1,030 s
            "00 42 04 72 f1 00 00 00", // check due at 1,037 s
            "00 05 a2 42 f2 00 00 00", // and its holder's until 1,040.5 s
            "03 00 00 00 01 00 00 00", // third turn, 1 failed attempt
            "01 00 00 00 00 00 00 00", // 1 passed
        ],
    );
}

#[test]
fn the_bytes_of_a_half_open_record_are_these() {
    is_encoded_as(
        &half_open(),
        &[
            "02 02 02 00 04 00 00 00", // version 2, half-open, a trial failed; 4 failures
            "05 00 00 00 00 00 00 00", // generation 5
            "00 ac 4d 32 05 9d 97 17", // last failure
            "00 04 95 2a 13 9d 97 17", // last success
            "02 00 00 00 01 00 00 00", // 2 trips, 1 success
            "00 bc c8 d0 ef 00 00 00", // opened at 1,030 s
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 8a ce 00 05 01 00 00", // a trial until 1,121 s
            "00 54 69 3c 05 01 00 00", // a trial until 1,122 s
        ],
    );
}

#[test]
fn the_bytes_of_a_window_over_time_are_these() {
    is_encoded_as(
        &counting(WindowPolicy::Time(seconds_of(10))),
        &[
            "02 00 00 00 02 00 00 00", // version 2, closed; 2 failures
            "01 00 00 00 00 00 00 00", // generation 1
            "00 5e fa e8 fe 9c 97 17", // last failure
            "00 00 2a 36 fe 9c 97 17", // last success
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 e4 0b 54 02 00 00 00", // over 10 s
            "02 00 00 00 00 00 00 00", // 2 remarkable calls
            "eb 03 00 00 00 00 00 00", // the newest bucket begins at 1,003 s
            "02 00 00 00 00 00 00 00", // 2 calls at 1,000 s, well
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 02 00 00 00", // 2 at 1,003 s,
            "02 00 00 00 01 00 00 00", // both failed, one of them slow
        ],
    );
}

#[test]
fn the_bytes_of_a_window_over_calls_are_these() {
    let world = counting(WindowPolicy::Calls(count(100)));
    let record = world.record();
    let lines: Vec<_> = record.chunks(8).map(hex).collect();
    assert_eq!(lines[11], "64 00 00 00 00 00 00 80"); // over 100 calls
    assert_eq!(lines[12], "02 00 00 00 04 00 04 00"); // 2 remarkable; 4 calls, the next is the 5th
    assert_eq!(lines[14], "0c 00 00 00 00 00 00 00"); // the 3rd and the 4th failed
    assert_eq!(lines[14 + 16], "08 00 00 00 00 00 00 00"); // the 4th was slow
}

/// What the version before wrote is read as what it meant, and what is written is of this one.
#[test]
fn a_record_of_the_version_before_is_upgraded() {
    for world in [closed(), open(), half_open()] {
        let record = world.record();
        let mut old = vec![1];
        old.extend(&record[1..88]);
        old.extend(&record[112..]);
        assert_eq!(Breaker::decode(&old), Ok(world.breaker()));
        old.pop();
        let short = DecodeError::Length { found: 343, expected: 344 };
        assert_eq!(Breaker::decode(&old), Err(short));
    }
}

#[test]
fn a_window_that_nobody_writes_is_refused() {
    let over_calls = counting(WindowPolicy::Calls(count(100))).record();
    let over_time = counting(WindowPolicy::Time(seconds_of(10))).record();
    for (record, place, byte, what) in [
        (&over_calls, 88, 0, "no calls at all"),
        (&over_calls, 90, 1, "65,636 calls"),
        (&over_calls, 100, 101, "more calls than it holds"),
        (&over_calls, 102, 5, "a next call in the wrong place"),
        (&over_calls, 112, 16, "a failed call that is not there"),
        (&over_time, 116, 3, "more failures than calls"),
    ] {
        let mut bytes = record.clone();
        bytes[place] = byte;
        let refused = Err(DecodeError::Value { field: "window" });
        assert_eq!(Breaker::decode(&bytes), refused, "{what}");
    }
}

#[test]
fn the_document_lists_every_byte_of_the_record_once_and_in_order() {
    let numbers = |row: &str| -> Option<(usize, usize)> {
        let mut cells = row.strip_prefix('|')?.split('|').map(str::trim);
        Some((cells.next()?.parse().ok()?, cells.next()?.parse().ok()?))
    };
    let (layout, _) = DOCUMENT.split_once("## Why").unwrap();
    let end = layout.lines().filter_map(numbers).fold(0, |end, (offset, size)| {
        assert_eq!(offset, end, "the field at {offset}");
        end + size
    });
    assert_eq!(end, LONGEST_RECORD);
}

#[test]
fn no_shorter_or_longer_bytes_are_a_record() {
    for world in [closed(), open(), half_open()] {
        let mut bytes = world.record().to_vec();
        bytes.push(0);
        let length = |found| DecodeError::Length { found, expected: RECORD_LEN };
        assert_eq!(Breaker::decode(&bytes), Err(length(RECORD_LEN + 1)));
        for found in 0..RECORD_LEN {
            assert_eq!(Breaker::decode(&world.record()[..found]), Err(length(found)));
        }
    }
}

#[test]
fn a_record_of_another_version_is_recognised_whatever_its_length() {
    for length in [1, 2, 4, RECORD_LEN, RECORD_LEN * 2] {
        let bytes = vec![4; length];
        assert_eq!(Breaker::decode(&bytes), Err(DecodeError::Version { found: 4 }));
    }
}

#[test]
fn a_state_or_a_reason_that_nobody_writes_is_refused() {
    let mut bytes = open().record();
    bytes[2] = 0;
    assert_eq!(Breaker::decode(&bytes), Err(DecodeError::Value { field: "reason" }));
    bytes[1] = 3;
    assert_eq!(Breaker::decode(&bytes), Err(DecodeError::Value { field: "state" }));
    bytes[1] = 0;
    bytes[3] = 5;
    assert_eq!(Breaker::decode(&bytes), Err(DecodeError::Value { field: "mode" }));
}

#[test]
fn a_period_that_nobody_gets_to_is_refused() {
    for number in [0, 1 << 63, u64::MAX] {
        let mut bytes = closed().record();
        bytes[8..16].copy_from_slice(&u64::to_le_bytes(number));
        assert_eq!(Breaker::decode(&bytes), Err(DecodeError::Value { field: "generation" }));
    }
}

#[test]
fn an_operators_mode_is_one_byte_which_was_zero_before() {
    let codes = Command::ALL.map(|command| {
        let mut world = closed();
        let _ = world.command(command);
        world.record()[3]
    });
    assert_eq!(codes, [1, 2, 3, 4, 0, 0]);
}

#[test]
fn a_decode_error_says_what_is_wrong() {
    let said = [
        DecodeError::Length { found: 3, expected: RECORD_LEN },
        DecodeError::Version { found: 9 },
        DecodeError::Value { field: "state" },
    ]
    .map(|error| error.to_string());
    let expected = ["3 bytes, not 368", "format version 9, not 3", "impossible value of state"];
    assert_eq!(said, expected);
}

/// Row 18: whatever one byte of a record becomes, nothing panics.
#[test]
fn a_record_with_any_byte_changed_is_refused_or_usable() {
    let over_time = counting(WindowPolicy::Time(seconds_of(10)));
    let over_calls = counting(WindowPolicy::Calls(count(70)));
    for world in [closed(), open(), half_open(), over_time, over_calls] {
        for place in 0..RECORD_LEN {
            for change in 1..=u8::MAX {
                let mut bytes = world.record();
                bytes[place] ^= change;
                if let Ok(breaker) = Breaker::decode(&bytes) {
                    is_usable(breaker, &world.policy, world.now.monotonic);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn every_breaker_that_can_be_reached_is_the_same_after_a_round_trip(
        policy in operations::policy(),
        operations in operations::operations_on_any_clock(),
    ) {
        let mut story = operations::Story::new(policy);
        for operation in operations {
            // The world itself looks at each breaker again after it was encoded.
            let step = story.play(operation);
            prop_assert_eq!(Breaker::decode(&step.after.encode()), Ok(step.after));
        }
    }

    /// Row 18.
    #[test]
    fn any_bytes_are_refused_or_usable(
        state in 0..3_u8,
        reason in 1..9_u8,
        mode in 0..5_u8,
        window in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..8)),
        rest in proptest::collection::vec(any::<u8>(), RECORD_LEN - 4),
        length in 0..=RECORD_LEN,
        now in prop_oneof![Just(0), any::<u64>(), Just(u64::MAX)],
        policy in operations::policy(),
    ) {
        let mut bytes = vec![2, state, reason, mode];
        bytes.extend(rest);
        if let Some(window) = window {
            bytes[WINDOW].copy_from_slice(&[0; 8]);
            bytes[WINDOW.start..][..window.len()].copy_from_slice(&window);
        }
        match Breaker::decode(&bytes) {
            Ok(breaker) => is_usable(breaker, &policy, Timestamp::from_nanos(now)),
            Err(DecodeError::Value { field }) => {
                prop_assert!(["window", "generation"].contains(&field), "{}", field);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
        prop_assert!(length == RECORD_LEN || Breaker::decode(&bytes[..length]).is_err());
        let _ = Breaker::decode(&bytes[3..]);
    }
}

/// Every operation in turn, each on what the one before left.
fn is_usable(mut breaker: Breaker, policy: &Policy, now: Timestamp) {
    let checked = breaker.take_check(policy, now);
    let (first, _) = breaker.admit(policy, true, now, u32::MAX);
    let (second, _) = breaker.admit(policy, false, now, u32::MAX);
    let outcomes = [Outcome::Success, Outcome::FAILURE];
    for (admission, outcome) in [first, second].into_iter().zip(outcomes) {
        if let Admission::Admitted(permit) = admission {
            let call = permit.end(outcome);
            let _ = breaker.impact(policy, &call, &Tally::new(policy), || now);
            breaker.settle(policy, &call, at(now), u32::MAX);
        }
    }
    if let Some(mut report) = checked.map(|ticket| ticket.end(CheckResult::Unhealthy)) {
        let _ = breaker.finish_check(policy, &report, now);
        report.result = Some(CheckResult::Healthy);
        let _ = breaker.finish_check(policy, &report, now);
    }
    let _ = breaker.merge(policy, &Tally::new(policy), at(now), 0);
    breaker.evaluate(policy, at(now), 0);
    breaker.sync(policy, now);
    breaker.note_success(START.wall);
    for command in Command::ALL {
        let _ = breaker.apply(policy, command);
    }
    let _ = breaker.status(policy.mode);
    assert!(Breaker::decode(&breaker.encode()).is_ok());
}

/// The record begins with these bytes, and zeros are the rest.
#[track_caller]
fn is_encoded_as(world: &World, head: &[&str]) {
    let mut lines: Vec<_> = world.record().chunks(8).map(hex).collect();
    let last = lines.iter().rposition(|line| line != &hex(&[0; 8])).unwrap_or_default();
    lines.truncate(last + 1);
    assert_eq!(lines, head);

    let mut bytes = Vec::new();
    for line in head {
        bytes.extend(line.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()));
    }
    bytes.resize(RECORD_LEN, 0);
    assert_eq!(Breaker::decode(&bytes), Ok(world.breaker()));
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        write!(hex, "{byte:02x} ").unwrap();
    }
    hex.trim_end().to_owned()
}

/// Closed by a health check after a trip, and a call has failed since.
fn closed() -> World {
    let mut world = World::new(|policy| policy.health_check = Some(health_check()));
    world.succeed();
    world.advance(1);
    world.trip();
    world.advance(30);
    world.check_passes();
    world.fail();
    assert_eq!(world.state(), StateName::Closed);
    world
}

/// Closed: two calls were well; 3 s later two failed, one of them slow.
fn counting(window: WindowPolicy) -> World {
    let mut world = World::new(|policy| {
        let whole = Some(Percentage::from_thousandths(100_000));
        policy.trip.rates =
            Some(RatePolicy { window, minimum_calls: count(4), failures: whole, slow: whole });
    });
    world.succeed();
    world.succeed();
    world.advance(3);
    world.fail();
    world.fail_slowly();
    assert_eq!(world.state(), StateName::Closed);
    world
}

/// Open: one check has passed, the next has failed, and its second attempt is under way.
fn open() -> World {
    let mut world = World::after_the_wait(|policy| {
        let mut health_check = health_check();
        health_check.healthy_threshold = count(2);
        health_check.retry = Some(retry());
        policy.health_check = Some(health_check);
    });
    world.check_passes();
    world.advance(5);
    world.check_fails();
    world.advance(2);
    let _under_way = world.check();
    assert_eq!(world.state(), StateName::Open);
    world
}

/// Half-open after two trips: one trial has succeeded, two are in flight.
fn half_open() -> World {
    let mut world = World::after_the_wait(|policy| {
        policy.half_open.permitted_calls = count(3);
        policy.half_open.success_threshold = count(3);
    });
    world.fail();
    world.advance(60);
    world.succeed();
    world.advance(1);
    let _second = world.trial();
    world.advance(1);
    let _third = world.trial();
    assert_eq!(world.state(), StateName::HalfOpen);
    world
}
