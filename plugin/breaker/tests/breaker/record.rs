//! The record: its bytes, and what becomes of bytes that are none. Row 18.

use std::fmt::Write;

use breaker::{
    Admission, Breaker, CheckResult, DecodeError, Outcome, Policy, RECORD_LEN, StateName, Timestamp,
};
use proptest::prelude::*;

use crate::operations;
use crate::world::{START, World, at, count, health_check, retry};

/// What the layout is described by, for those who read records by other means.
const DOCUMENT: &str = include_str!("../../../../docs/shared-state.md");

#[test]
fn the_bytes_of_a_closed_record_are_these() {
    is_encoded_as(
        &closed(),
        &[
            "01 00 00 00 01 00 00 00", // version 1, closed; 1 failure
            "03 00 00 00 00 00 00 00", // generation 3
            "00 76 e8 6d 05 9d 97 17", // last failure
            "00 00 2a 36 fe 9c 97 17", // last success
            "01 00 00 00 00 00 00 00", // 1 trip
        ],
    );
}

#[test]
fn the_bytes_of_an_open_record_are_these() {
    is_encoded_as(
        &open(),
        &[
            "01 01 01 00 03 00 00 00", // version 1, open, consecutive failures; 3 of them
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
            "01 02 02 00 04 00 00 00", // version 1, half-open, a trial failed; 4 failures
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
            "00 8a ce 00 05 01 00 00", // a trial until 1,121 s
            "00 54 69 3c 05 01 00 00", // a trial until 1,122 s
        ],
    );
}

#[test]
fn the_document_lists_every_byte_of_the_record_once_and_in_order() {
    let numbers = |row: &str| -> Option<(usize, usize)> {
        let mut cells = row.strip_prefix('|')?.split('|').map(str::trim);
        Some((cells.next()?.parse().ok()?, cells.next()?.parse().ok()?))
    };
    let end = DOCUMENT.lines().filter_map(numbers).fold(0, |end, (offset, size)| {
        assert_eq!(offset, end, "the field at {offset}");
        end + size
    });
    assert_eq!(end, RECORD_LEN);
}

#[test]
fn no_shorter_or_longer_bytes_are_a_record() {
    for world in [closed(), open(), half_open()] {
        let mut bytes = world.record().to_vec();
        bytes.push(0);
        assert_eq!(Breaker::decode(&bytes), Err(DecodeError::Length { found: RECORD_LEN + 1 }));
        for found in 0..RECORD_LEN {
            let cut = &world.record()[..found];
            assert_eq!(Breaker::decode(cut), Err(DecodeError::Length { found }));
        }
    }
}

#[test]
fn a_record_of_another_version_is_told_apart_whatever_its_length() {
    for length in [4, RECORD_LEN, RECORD_LEN * 2] {
        let bytes = vec![2; length];
        assert_eq!(Breaker::decode(&bytes), Err(DecodeError::Version { found: 2 }));
    }
}

#[test]
fn a_state_or_a_reason_that_nobody_writes_is_refused() {
    let mut bytes = open().record();
    bytes[2] = 0;
    assert_eq!(Breaker::decode(&bytes), Err(DecodeError::Value { field: "reason" }));
    bytes[1] = 3;
    assert_eq!(Breaker::decode(&bytes), Err(DecodeError::Value { field: "state" }));
}

#[test]
fn a_decode_error_says_what_is_wrong() {
    let said = [
        DecodeError::Length { found: 3 },
        DecodeError::Version { found: 9 },
        DecodeError::Value { field: "state" },
    ]
    .map(|error| error.to_string());
    let expected = ["3 bytes, not 344", "format version 9, not 1", "impossible value of state"];
    assert_eq!(said, expected);
}

/// Row 18: whatever one byte of a record becomes, nothing panics.
#[test]
fn a_record_with_any_byte_changed_is_refused_or_usable() {
    for world in [closed(), open(), half_open()] {
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
        reason in 1..6_u8,
        rest in proptest::collection::vec(any::<u8>(), RECORD_LEN - 3),
        length in 0..=RECORD_LEN,
        now in prop_oneof![Just(0), any::<u64>(), Just(u64::MAX)],
        policy in operations::policy(),
    ) {
        let mut bytes = vec![1, state, reason];
        bytes.extend(rest);
        let breaker = Breaker::decode(&bytes).expect("all other fields take any value");
        is_usable(breaker, &policy, Timestamp::from_nanos(now));
        prop_assert!(length == RECORD_LEN || Breaker::decode(&bytes[..length]).is_err());
        let _ = Breaker::decode(&bytes[3..]);
    }
}

/// Every operation in turn, each on what the one before left.
fn is_usable(mut breaker: Breaker, policy: &Policy, now: Timestamp) {
    let checked = breaker.take_check(policy, now);
    let (first, _) = breaker.admit(policy, now);
    let (second, _) = breaker.admit(policy, now);
    let outcomes = [Outcome::Success, Outcome::FAILURE];
    for (admission, outcome) in [first, second].into_iter().zip(outcomes) {
        if let Admission::Admitted(permit) = admission {
            let _ = breaker.is_unmoved_by(&permit, outcome);
            breaker.settle(policy, permit, outcome, at(now), u32::MAX);
        }
    }
    for result in [CheckResult::Unhealthy, CheckResult::Healthy] {
        if let Some(ticket) = &checked {
            let _ = breaker.finish_check(policy, ticket.for_retry(), result, now);
        }
    }
    breaker.note_success(START.wall);
    let _ = breaker.status();
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
