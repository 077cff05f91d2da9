//! All kinds of shared values, held to the one rule for races and for bytes that cannot be read.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

use std::cell::RefCell;
use std::time::Duration;

use breaker::{Breaker, Now, Policy, Timestamp, UnixTime};
use shared::{
    Cell, Clock, Decision, Decoded, GONE, Kind, Lost, Report, Store, StoreFault, SwapError,
    Unreadable, Version, Watch,
};

use crate::bulkhead::LeasesKind;
use crate::clusters::NoteKind;
use crate::config_warnings::WarnedKind;
use crate::dynamic::directory::DirectoryKind;
use crate::dynamic::listed::ListKind;
use crate::dynamic::series::SeriesKind;
use crate::events::RingKind;
use crate::fleet::{ProcessKind, ShownKind};
use crate::notify::OutboxKind;
use crate::parts::Part;
use crate::stale::{AnswerKind, SlotsKind};
use crate::store::RecordKind;
use crate::tenure::{Slot, Tenure, Turn};
use config::Config;

const KEY: &str = "key";

/// A store of one value, and a clock that stands still.
struct World {
    value: RefCell<Option<(Vec<u8>, Version)>>,
    now: std::cell::Cell<Timestamp>,
}

impl World {
    fn with(bytes: &[u8]) -> Self {
        let world = Self {
            value: RefCell::default(),
            now: std::cell::Cell::new(Timestamp::from_nanos(1 << 40)),
        };
        world.put(bytes);
        world
    }

    fn put(&self, bytes: &[u8]) {
        let version = self.value.borrow().as_ref().map_or(0, |(_, version)| version.get());
        *self.value.borrow_mut() = Some((bytes.to_vec(), Version::new(version + 1).unwrap()));
    }

    fn bytes(&self) -> Vec<u8> {
        self.value.borrow().clone().unwrap().0
    }

    fn pass(&self, time: Duration) {
        self.now.set(self.now.get().after(time));
    }
}

impl Store for World {
    fn load(&self, _: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        Ok(self.value.borrow().clone())
    }

    fn swap(&self, _: &str, bytes: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        let version = self.value.borrow().as_ref().map(|(_, version)| *version);
        if version != expected {
            return Err(SwapError::Conflict);
        }
        self.put(bytes);
        Ok(())
    }
}

impl Clock for World {
    fn now(&self) -> Now {
        Now { monotonic: self.now.get(), wall: UnixTime::from_nanos(0) }
    }
}

/// How often a value could not be read.
#[derive(Default)]
struct Reports(u32);

impl Report for Reports {
    fn unreadable(&mut self, _: Unreadable<'_>) {
        self.0 += 1;
    }
}

/// Holds a kind to the rule: by two bytes that are values of it, and others that are damaged.
/// `None`: whatever the bytes are, they are read or make way.
fn check<K: Kind>(name: &str, kind: K, values: [&[u8]; 2], damaged: Option<&[u8]>)
where
    K::Value: Clone,
{
    check_values(name, &kind, values.map(|bytes| read(&kind, bytes)), damaged);
}

fn read<K: Kind>(kind: &K, bytes: &[u8]) -> K::Value {
    match kind.decode(bytes) {
        Decoded::Value(value) => value,
        _ => panic!("{bytes:?} are no value"),
    }
}

fn check_values<K: Kind>(name: &str, kind: &K, values: [K::Value; 2], damaged: Option<&[u8]>)
where
    K::Value: Clone,
{
    let watch = Watch::default();
    let [one, other] = values;
    let [first, second] = [&one, &other].map(|value| kind.encode(value).as_ref().to_vec());
    assert_ne!(first, second, "{name}");
    let cell = Cell { key: KEY, kind: Borrowed(kind), watch: &watch, service: None };
    let store = |world: &World, reports: &mut Reports| {
        cell.update(world, reports, |value, _| {
            *value = Some(other.clone());
            Decision::Store(())
        })
    };

    // Whoever stops between the three steps finds what another has done.
    let (world, mut reports) = (World::with(&first), Reports::default());
    let at = cell.load(&world, &mut reports, &mut None).unwrap();
    world.put(&first);
    assert_eq!(cell.swap(&other, &at, &world), Err(SwapError::Conflict), "{name}");
    let mut rounds = 0;
    let decide = |value: &mut Option<K::Value>, _: &mut Reports| {
        rounds += 1;
        if rounds < 3 {
            world.put(&first);
        }
        *value = Some(other.clone());
        Decision::Store(())
    };
    assert!(cell.update(&world, &mut reports, decide).is_ok(), "{name}");
    assert_eq!((rounds, world.bytes(), reports.0), (3, second.clone(), 0), "{name}");

    let Some(damaged) = damaged else {
        return;
    };
    world.put(damaged);
    assert_eq!(store(&world, &mut reports), Ok(()), "{name}");
    assert_eq!((world.bytes(), reports.0), (second.clone(), 1), "{name}: damage is replaced");

    for newer in [&[0xfe][..], &[0xff, 7, 7]] {
        world.put(newer);
        for _ in 0..2 {
            assert_eq!(store(&world, &mut reports), Err(Lost::Newer), "{name}");
            world.pass(GONE - Duration::from_nanos(1));
        }
        assert_eq!(store(&world, &mut reports), Ok(()), "{name}: nobody writes it any more");
        assert_eq!(world.bytes(), second, "{name}");
    }
}

/// A kind that is had for a while.
struct Borrowed<'a, K>(&'a K);

impl<K: Kind> Kind for Borrowed<'_, K> {
    type Value = K::Value;

    fn decode(&self, bytes: &[u8]) -> Decoded<K::Value> {
        self.0.decode(bytes)
    }

    fn encode(&self, value: &K::Value) -> impl AsRef<[u8]> {
        self.0.encode(value)
    }

    fn replacement(&self, now: Now) -> Option<K::Value> {
        self.0.replacement(now)
    }
}

fn policy() -> Policy {
    let mut config = Config::parse(br#"{"services": [{"name": "a"}]}"#).unwrap();
    config.services.remove(0).policy
}

#[test]
fn each_kind_of_value_keeps_the_one_rule() {
    let policy = policy();
    let tenure = Tenure::new(Turn::new(7, 1), 0, "a");
    let (plain, mut noted) = (Breaker::new(), Breaker::new());
    noted.note_success(UnixTime::from_nanos(1));
    for (name, tenure) in [("record", None), ("record in a slot", Some(&tenure))] {
        let kind = RecordKind { tenure, policy: &policy };
        check_values(name, &kind, [plain.clone(), noted.clone()], Some(&[1, 9]));
    }
    for (name, tenure) in [("leases", None), ("leases of a slot", Some(&tenure))] {
        let kind = LeasesKind(tenure);
        let values = [1, 2].map(|last| read(&LeasesKind(None), &[1, 0, 0, 0, last, 0, 0, 0]));
        check_values(name, &kind, values, Some(&[1, 9]));
    }
    for (name, tenure) in [("part", None), ("part of a slot", Some(&tenure))] {
        let (what, watch) = ("part", &Watch::default());
        let is_one = |bytes: &[u8]| matches!(bytes, [1, 1 | 2]);
        let part = Part { key: KEY, watch, service: None, tenure, what, is_one };
        check_values(name, &&part, [vec![1, 1], vec![1, 2]], Some(&[1, 9]));
    }
    let process = |id| [&[1, id][..], &[0; 15]].concat();
    check("process", ProcessKind, [&process(1), &process(2)], Some(&[1, 9]));
    check("fleet", ShownKind, [b"\x01{}", b"\x01[]"], Some(&[1, 0xff]));
    let ring = |epoch| [&[1, epoch][..], &[0; 15]].concat();
    check("events", RingKind, [&ring(1), &ring(2)], Some(&[1, 9]));
    let outbox = |batch| [&[1, batch][..], &[0; 29]].concat();
    check("outbox", OutboxKind, [&outbox(1), &outbox(2)], Some(&[1, 9]));
    check("names", ListKind, [b"\x01", b"\x01\x01a\x01b"], Some(&[1, 9]));
    check("series", SeriesKind, [b"\x01", b"\x01\x01a"], Some(&[1, 9]));
    let directory = |seed| [&[1, 0, 0, 0, 0, 0, 0, 0, seed][..], &[0; 15]].concat();
    check("directory", DirectoryKind, [&directory(1), &directory(2)], Some(&[1, 9]));
    let slots = [&b"one"[..], b"two"].map(|record| tenure.with_record(record));
    check("slot", Slot(&tenure), [&slots[0], &slots[1]], Some(&[1, 9]));
    check_values("answer", &AnswerKind, [vec![1, 1], vec![1, 2]], Some(&[0]));
    check("count of slots", SlotsKind, [&[1, 0, 0, 0], &[2, 0, 0, 0]], None);
    check("warned", WarnedKind, [&[1; 8], &[2; 8]], None);
    check("note of a cluster", NoteKind, [&[1; 9], &[1, 2, 0, 0, 0, 0, 0, 0, 0]], Some(&[1, 9]));
}
