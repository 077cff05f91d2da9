//! What a cell does with a value that others change as well.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::cell::{Cell as Slot, RefCell};

use breaker::{Now, Timestamp, UnixTime};
use shared::{
    ATTEMPTS, Cell, Clock, Decision, Decoded, Kind, Lost, Report, Store, StoreFault, SwapError,
    Unreadable, Version, Watch,
};

/// A number with its format before it; 0 is a former owner's, and 9 that of the next.
struct Number;

impl Kind for Number {
    type Value = u8;

    fn decode(&self, bytes: &[u8]) -> Decoded<u8> {
        match bytes {
            [1, 0] => Decoded::Former,
            [1, 9] => Decoded::Latter,
            [1, number] => Decoded::Value(*number),
            _ => Decoded::unreadable(bytes, 1, "number"),
        }
    }

    fn encode(&self, number: &u8) -> impl AsRef<[u8]> {
        [1, *number]
    }

    fn replacement(&self, _: Now) -> Option<u8> {
        Some(5)
    }
}

#[derive(Default)]
struct World {
    value: RefCell<Option<(Vec<u8>, Version)>>,
    conflicts: Slot<usize>,
    writes: Slot<usize>,
    fails: Slot<bool>,
}

const FAULT: StoreFault = StoreFault { status: 10 };

impl World {
    fn put(&self, bytes: &[u8]) {
        let version = self.value.borrow().as_ref().map_or(0, |(_, version)| version.get());
        *self.value.borrow_mut() = Some((bytes.to_vec(), Version::new(version + 1).unwrap()));
    }
}

impl Store for World {
    fn load(&self, _: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        Ok(self.value.borrow().clone())
    }

    fn swap(&self, _: &str, bytes: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        if self.fails.get() {
            return Err(SwapError::Fault(FAULT));
        }
        let version = self.value.borrow().as_ref().map(|(_, version)| *version);
        if version != expected || self.conflicts.get() > 0 {
            self.conflicts.set(self.conflicts.get().saturating_sub(1));
            return Err(SwapError::Conflict);
        }
        self.writes.set(self.writes.get() + 1);
        self.put(bytes);
        Ok(())
    }
}

impl Clock for World {
    fn now(&self) -> Now {
        Now { monotonic: Timestamp::from_nanos(1), wall: UnixTime::from_nanos(1) }
    }
}

#[derive(Default)]
struct Reports(Vec<(String, bool)>);

impl Report for Reports {
    fn unreadable(&mut self, value: Unreadable<'_>) {
        self.0.push((value.problem.to_owned(), value.replaced));
    }
}

/// Adds one to the number, which begins at 1: what was read, and what came of it.
fn add(world: &World, reports: &mut Reports) -> (Vec<Option<u8>>, Result<Option<u8>, Lost>) {
    let watch = Watch::default();
    let cell = Cell { key: "key", kind: Number, watch: &watch, service: None };
    let mut read = Vec::new();
    let decide = |number: &mut Option<u8>, _: &mut Reports| {
        read.push(*number);
        *number = Some(number.unwrap_or_default() + 1);
        Decision::Store(())
    };
    let mut written = None;
    let then = |number: &u8, (): &(), _: &mut Reports| written = Some(*number);
    let updated = cell.update_then(None, world, reports, decide, then);
    (read, updated.map(|()| written))
}

#[test]
fn a_value_is_begun_changed_and_given_back() {
    let (world, mut reports) = (World::default(), Reports::default());
    assert_eq!(add(&world, &mut reports), (vec![None], Ok(Some(1))));
    assert_eq!(add(&world, &mut reports), (vec![Some(1)], Ok(Some(2))));
    world.put(&[1, 0]);
    assert_eq!(add(&world, &mut reports), (vec![None], Ok(Some(1))), "a former owner's");
    world.put(&[1, 9]);
    assert_eq!(add(&world, &mut reports), (vec![], Err(Lost::Gone)));
    assert!(reports.0.is_empty());
}

#[test]
fn a_race_that_is_lost_each_time_is_given_up() {
    let (world, mut reports) = (World::default(), Reports::default());
    world.conflicts.set(ATTEMPTS - 1);
    assert_eq!(add(&world, &mut reports).1, Ok(Some(1)));
    world.conflicts.set(ATTEMPTS);
    let (read, lost) = add(&world, &mut reports);
    assert_eq!((read.len(), lost), (ATTEMPTS, Err(Lost::Race)));
}

#[test]
fn a_store_that_fails_is_not_tried_again() {
    let (world, mut reports) = (World::default(), Reports::default());
    world.fails.set(true);
    assert_eq!(add(&world, &mut reports), (vec![None], Err(Lost::Store)));
}

#[test]
fn a_value_that_is_there_already_is_not_written_again() {
    let (world, mut reports, watch) = (World::default(), Reports::default(), Watch::default());
    world.put(&[1, 3]);
    let cell = Cell { key: "key", kind: Number, watch: &watch, service: None };
    let same = cell.update(&world, &mut reports, |_, _| Decision::Store("decided"));
    assert_eq!((same, world.writes.get()), (Ok("decided"), 0));
}

#[test]
fn damage_is_replaced_at_once_and_then_changed() {
    let (world, mut reports) = (World::default(), Reports::default());
    world.put(b"damaged");
    world.put(&[0, 7]);
    let (read, stored) = add(&world, &mut reports);
    assert_eq!((read, stored), (vec![None, Some(5)], Ok(Some(6))));
    assert_eq!(reports.0, [("number".to_owned(), true)]);
}

#[test]
fn a_newer_value_is_left_alone() {
    let (world, mut reports) = (World::default(), Reports::default());
    world.put(&[2, 7]);
    assert_eq!(add(&world, &mut reports), (vec![], Err(Lost::Newer)));
    assert_eq!((world.writes.get(), reports.0), (0, vec![("number".to_owned(), false)]));
}
