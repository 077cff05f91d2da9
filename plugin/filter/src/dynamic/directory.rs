//! The directory of a template's names: which slot has which name, and which name makes room for a new one.
//!
//! One value of one size, whatever is in it: to find a name or to let one in takes one look at each
//! slot, for the tenth name and for the millionth. A name is in it by its hash alone; what it is
//! stands in its slot, and tells it from another of the same hash. The hash is seeded by the
//! directory, so that nobody can bring names about that have the same.
//!
//! Who makes room: names that came again and again ([`is_safe`](Directory::admit)) are not looked at.
//! Of the others, the one that was not seen for the longest. Every other slot keeps its name for a
//! few seconds, as long as there is another: so even when names come in faster than any of them
//! could come back, some stay long enough to be known again.

use breaker::Timestamp;
use std::hash::Hasher as _;

use config::Hash;
use shared::{Decoded, Kind};

use crate::random::scrambled;
use crate::tenure::{AGAIN, MOST_SLOTS, Turn};

const FORMAT: u8 = 1;
const HEAD_LEN: usize = 24;
const ENTRY_LEN: usize = 24;

/// The same as a level.
const SAFE_LEVEL: usize = 2;
/// The visits that count fall into so many levels, each twice the one below.
const LEVELS: usize = 8;

/// A name that is not seen for this time, in nanoseconds by its exponent, has half of its visits: some
/// nine minutes.
const HALF_LIFE: u32 = 39;
/// How long every other slot keeps its name, likewise: some four seconds.
const STAY: u32 = 32;
/// By how much a name that is seen may lag, likewise: some eight seconds.
const LAG: u32 = 33;
/// No clock of this process is so far ahead of another's: some minute.
const AHEAD: u64 = 1 << 36;

/// What the directory knows of a slot that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) hash: u32,
    /// How often its name came, as far as that was written down.
    pub(crate) visits: u8,
    /// Whether its name has metrics of its own.
    pub(crate) has_own_series: bool,
    /// When it was seen last, as far as that was written down.
    pub(crate) seen: Timestamp,
    pub(crate) turn: Turn,
}

/// A name that may make room.
struct Candidate {
    /// Whether its slot keeps it for a while.
    is_kept: bool,
    idle: u64,
    visits: u8,
    turn: Turn,
}

/// All slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directory(Vec<u8>);

/// The directory of a template.
pub(crate) struct DirectoryKind;

impl Kind for DirectoryKind {
    type Value = Directory;

    fn decode(&self, bytes: &[u8]) -> Decoded<Directory> {
        Decoded::new(Directory::decode(bytes), bytes, FORMAT, "names")
    }

    fn encode(&self, directory: &Directory) -> impl AsRef<[u8]> {
        directory.bytes()
    }
}

impl Entry {
    /// The visits that count, by now.
    fn visits_by(&self, now: Timestamp) -> u8 {
        let lives = idle(self.seen.as_nanos(), now) >> HALF_LIFE;
        u32::try_from(lives).ok().and_then(|lives| self.visits.checked_shr(lives)).unwrap_or(0)
    }

    fn level(&self, now: Timestamp) -> usize {
        self.visits_by(now).checked_ilog2().map_or(0, |level| level as usize)
    }

    /// Takes note of visits; whether that is worth being written down at once, or by the timer.
    pub(crate) fn note(&mut self, visits: u32, now: Timestamp) -> bool {
        let before = (self.level(now), idle(self.seen.as_nanos(), now) >> LAG);
        let visits = u32::from(self.visits_by(now)).saturating_add(visits);
        self.visits = u8::try_from(visits).unwrap_or(u8::MAX);
        self.seen = now;
        (self.level(now), 0) != before
    }
}

/// For how long a name was not seen. One that was seen long after now never was.
fn idle(seen: u64, now: Timestamp) -> u64 {
    let now = now.as_nanos();
    if seen > now.saturating_add(AHEAD) { now } else { now.saturating_sub(seen) }
}

impl Directory {
    /// One with all slots free.
    pub(crate) fn begun(slots: usize, now: Timestamp) -> Self {
        let mut directory = Self(vec![0; HEAD_LEN]);
        let seed = (u64::from(scrambled(now.as_nanos())) << 32)
            | u64::from(scrambled(now.as_nanos().wrapping_add(1)));
        directory.write(8, seed);
        // After all of a directory that was lost: no names come faster than one in a microsecond.
        directory.write(16, now.as_nanos() / 1_000);
        if let Some(format) = directory.0.first_mut() {
            *format = FORMAT;
        }
        directory.grow(slots);
        directory
    }

    /// `None`: the bytes are no directory.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let slots = bytes.len().checked_sub(HEAD_LEN);
        let whole = slots.is_some_and(|slots| {
            slots.is_multiple_of(ENTRY_LEN) && slots / ENTRY_LEN <= MOST_SLOTS
        });
        (bytes.first() == Some(&FORMAT) && whole).then(|| Self(bytes.to_vec()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Has at least so many slots.
    pub(crate) fn grow(&mut self, slots: usize) {
        let len = slots.min(MOST_SLOTS).saturating_mul(ENTRY_LEN).saturating_add(HEAD_LEN);
        if self.0.len() < len {
            self.0.resize(len, 0);
        }
    }

    /// What a name is found by.
    pub(crate) fn hash(&self, name: &str) -> u32 {
        let hash = Hash::default().bytes(&self.read(8).to_le_bytes()).bytes(name.as_bytes());
        // Half of it.
        hash.finish() as u32
    }

    /// What is known of a slot; `None`: it is free.
    pub(crate) fn entry(&self, slot: usize) -> Option<Entry> {
        read_entry(slot, self.0.get(HEAD_LEN..)?.as_chunks().0.get(slot)?)
    }

    /// The bytes of the first slots. Whoever looks at all of them looks at few of each: they are what a
    /// new name costs.
    #[inline(always)]
    fn slots(&self, slots: usize) -> impl Iterator<Item = (usize, &[u8; ENTRY_LEN])> {
        let all = self.0.get(HEAD_LEN..).unwrap_or_default().as_chunks().0.iter();
        all.take(slots).enumerate()
    }

    /// Who has one of the first slots and a name of this hash.
    pub(crate) fn find(&self, hash: u32, slots: usize) -> Vec<Turn> {
        let hash = hash.to_le_bytes();
        let mut found = Vec::new();
        for (slot, bytes) in self.slots(slots) {
            if bytes.first_chunk() == Some(&hash)
                && let Some(entry) = read_entry(slot, bytes)
            {
                found.push(entry.turn);
            }
        }
        found
    }

    /// Puts what is known of a slot there.
    pub(crate) fn put(&mut self, entry: &Entry) {
        let start = entry.turn.slot().saturating_mul(ENTRY_LEN).saturating_add(HEAD_LEN);
        let end = start.saturating_add(ENTRY_LEN);
        let Some(bytes) = self.0.get_mut(start..end) else {
            return;
        };
        let [h0, h1, h2, h3] = entry.hash.to_le_bytes();
        let head = [h0, h1, h2, h3, entry.visits, u8::from(entry.has_own_series), 0, 0];
        let words = [entry.seen.as_nanos().to_le_bytes(), entry.turn.bits().to_le_bytes()];
        for (to, from) in bytes.iter_mut().zip(head.into_iter().chain(words.into_iter().flatten()))
        {
            *to = from;
        }
    }

    /// Lets a name into one of the first slots, in place of one that makes room if none is free. `None`:
    /// there is no slot.
    pub(crate) fn admit(&mut self, slots: usize, hash: u32, now: Timestamp) -> Option<Entry> {
        let slot = self.next_slot(slots, now)?;
        let next = self.read(16);
        self.write(16, next.saturating_add(1));
        let turn = Turn::new(next, slot);
        let entry = Entry { hash, visits: 1, has_own_series: false, seen: now, turn };
        self.put(&entry);
        Some(entry)
    }

    /// A free slot, or that of the name that makes room.
    ///
    /// A name is safe if it came again and again, and if, of seven eighths of the slots, it does not
    /// take the place of one that came more often by a level: the rest is always there for new ones.
    fn next_slot(&self, slots: usize, now: Timestamp) -> Option<usize> {
        let mut of_level = [0_usize; LEVELS];
        let mut first = None;
        for (slot, bytes) in self.slots(slots) {
            let Some(entry) = read_entry(slot, bytes) else {
                return Some(slot);
            };
            let level = if entry.visits < AGAIN { 0 } else { entry.level(now) };
            if level < SAFE_LEVEL {
                Self::prefer(&mut first, &entry, now);
            } else if let Some(number) = of_level.get_mut(level) {
                *number = number.saturating_add(1);
            }
        }
        let most_safe = slots.saturating_sub((slots / 8).max(1));
        let mut safe = 0_usize;
        let unsafe_to = of_level.iter().enumerate().rev().find_map(|(level, of)| {
            safe = safe.saturating_add(*of);
            (safe > most_safe).then_some(level)
        });
        if let Some(unsafe_to) = unsafe_to {
            first = None;
            for (slot, bytes) in self.slots(slots) {
                if let Some(entry) = read_entry(slot, bytes)
                    && entry.level(now) <= unsafe_to
                {
                    Self::prefer(&mut first, &entry, now);
                }
            }
        }
        first.map(|it| it.turn.slot())
    }

    /// Takes note of a name if it is to make room before the one that was noted.
    #[inline(always)]
    fn prefer(first: &mut Option<Candidate>, entry: &Entry, now: Timestamp) {
        let idle = idle(entry.seen.as_nanos(), now);
        let is_kept = entry.turn.bits() & 1 == 1 && idle >> STAY == 0;
        let goes_before = |other: &Candidate| {
            if is_kept != other.is_kept {
                !is_kept
            } else if idle != other.idle {
                idle > other.idle
            } else {
                (entry.visits, entry.turn) < (other.visits, other.turn)
            }
        };
        if first.as_ref().is_none_or(goes_before) {
            let (visits, turn) = (entry.visits, entry.turn);
            *first = Some(Candidate { is_kept, idle, visits, turn });
        }
    }

    fn read(&self, at: usize) -> u64 {
        let word = self.0.get(at..).and_then(|rest| rest.first_chunk());
        word.map_or(0, |word| u64::from_le_bytes(*word))
    }

    fn write(&mut self, at: usize, word: u64) {
        if let Some(to) = self.0.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *to = word.to_le_bytes();
        }
    }
}

fn read_entry(slot: usize, bytes: &[u8; ENTRY_LEN]) -> Option<Entry> {
    let [h0, h1, h2, h3, visits, own_series, _, _, words @ ..] = *bytes;
    let (words, _) = words.as_chunks();
    let word = |at: usize| words.get(at).map_or(0, |word| u64::from_le_bytes(*word));
    let turn = Turn::from_bits(word(1));
    // One that stands where it cannot was written by nobody.
    (turn.bits() != 0 && turn.slot() == slot).then(|| Entry {
        hash: u32::from_le_bytes([h0, h1, h2, h3]),
        visits,
        has_own_series: own_series != 0,
        seen: Timestamp::from_nanos(word(0)),
        turn,
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        reason = "a test that panics has failed, as it should"
    )]

    use super::*;

    const START: u64 = 1_000_000_000_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(START + seconds * 1_000_000_000)
    }

    fn visit(directory: &mut Directory, turn: Turn, visits: u32, now: Timestamp) {
        let mut entry = directory.entry(turn.slot()).unwrap();
        assert_eq!(entry.turn, turn, "it has made room");
        entry.note(visits, now);
        directory.put(&entry);
    }

    fn has(directory: &Directory, turn: Turn) -> bool {
        directory.entry(turn.slot()).is_some_and(|entry| entry.turn == turn)
    }

    #[test]
    fn a_directory_reads_as_it_was_written() {
        let mut directory = Directory::begun(3, at(0));
        let hash = directory.hash("a.example");
        assert_ne!(hash, directory.hash("b.example"));
        assert!(directory.find(hash, 3).is_empty());
        let entry = directory.admit(3, hash, at(1)).unwrap();
        let read = Directory::decode(directory.bytes()).unwrap();
        assert_eq!((read.entry(0), read.find(hash, 3)), (Some(entry), vec![entry.turn]));
        assert_eq!((read.entry(1), read.entry(3)), (None, None));
        assert_eq!(directory.bytes().len(), HEAD_LEN + 3 * ENTRY_LEN);
    }

    #[test]
    fn the_hash_of_a_name_is_the_same_in_each_version() {
        let mut directory = Directory::begun(1, at(0));
        directory.write(8, 7);
        assert_eq!(directory.hash("a.example"), 0x4611_3a64);
    }

    #[test]
    fn bytes_that_are_no_directory_are_none_or_have_free_slots() {
        let mut directory = Directory::begun(2, at(0));
        directory.admit(2, 7, at(0)).unwrap();
        let bytes = directory.bytes().to_vec();
        for len in 0..bytes.len() {
            let cut = Directory::decode(bytes.get(..len).unwrap());
            assert_eq!(cut.is_none(), len != HEAD_LEN && len != HEAD_LEN + ENTRY_LEN, "{len}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            *damaged.get_mut(at).unwrap() ^= 0xff;
            // Whatever is read, it is read without harm, and a name is let in.
            if let Some(mut read) = Directory::decode(&damaged) {
                let _ = (read.find(7, 2), read.admit(2, 8, Timestamp::from_nanos(START)));
            }
        }
        assert!(Directory::decode(&[FORMAT + 1; HEAD_LEN]).is_none());
        assert!(Directory::decode(&[]).is_none());
    }

    #[test]
    fn the_name_that_was_not_seen_for_longest_makes_room() {
        let mut directory = Directory::begun(4, at(0));
        let turns: Vec<_> =
            (0..4).map(|n| directory.admit(4, n, at(10 * u64::from(n))).unwrap().turn).collect();
        visit(&mut directory, turns[0], 1, at(40));
        let new = directory.admit(4, 9, at(50)).unwrap();
        assert_eq!(new.turn.slot(), turns[1].slot());
        assert!(new.turn > turns[3]);
        let kept: Vec<_> = turns.iter().map(|turn| has(&directory, *turn)).collect();
        assert_eq!(kept, [true, false, true, true]);
    }

    #[test]
    fn names_that_came_again_and_again_stay_whatever_comes_once_or_a_few_times() {
        for (slots, each) in [(8, 1), (64, 3), (1024, 3)] {
            let mut directory = Directory::begun(slots, at(0));
            let honest: Vec<_> = (0..slots * 7 / 8)
                .map(|n| directory.admit(slots, n as u32, at(0)).unwrap().turn)
                .collect();
            for turn in &honest {
                visit(&mut directory, *turn, 3, at(0));
            }
            for n in 0..20_000_u32 {
                let turn = directory.admit(slots, n + 5_000, at(1)).unwrap().turn;
                visit(&mut directory, turn, each - 1, at(1));
            }
            assert!(honest.iter().all(|turn| has(&directory, *turn)), "{slots}");
        }
    }

    #[test]
    fn a_new_name_comes_to_be_safe_though_all_slots_had_names_that_came_often() {
        let mut directory = Directory::begun(16, at(0));
        for n in 0..16 {
            let turn = directory.admit(16, n, at(0)).unwrap().turn;
            visit(&mut directory, turn, 200, at(1));
        }
        let new = directory.admit(16, 99, at(2)).unwrap().turn;
        visit(&mut directory, new, 40, at(3));
        for n in 0..5_000 {
            directory.admit(16, 1_000 + n, at(4)).unwrap();
            visit(&mut directory, new, 1, at(4));
        }
        assert!(has(&directory, new));
    }

    #[test]
    fn a_name_that_is_long_gone_makes_room_however_often_it_came() {
        let mut directory = Directory::begun(2, at(0));
        let often = directory.admit(2, 1, at(0)).unwrap().turn;
        visit(&mut directory, often, 10_000, at(0));
        for n in 0..100 {
            directory.admit(2, 10 + n, at(60)).unwrap();
        }
        assert!(has(&directory, often));
        for n in 0..100 {
            directory.admit(2, 200 + n, at(2 * 60 * 60)).unwrap();
        }
        assert!(!has(&directory, often));
    }

    #[test]
    fn every_other_slot_keeps_its_name_for_a_while_under_any_flood() {
        let mut directory = Directory::begun(64, at(0));
        for n in 0..64 {
            directory.admit(64, n, at(0)).unwrap();
        }
        let first: Vec<_> = (0..64).map(|slot| directory.entry(slot).unwrap().turn).collect();
        for n in 0..10_000 {
            directory.admit(64, 100 + n, at(1)).unwrap();
        }
        assert_eq!(first.iter().filter(|turn| has(&directory, **turn)).count(), 32);
        for n in 0..10_000 {
            directory.admit(64, 20_000 + n, at(6)).unwrap();
        }
        assert!(!first.iter().any(|turn| has(&directory, *turn)));
    }

    #[test]
    fn one_slot_is_the_last_one_s() {
        let mut directory = Directory::begun(1, at(0));
        for n in 0..10 {
            let turn = directory.admit(1, n, at(0)).unwrap().turn;
            visit(&mut directory, turn, 100, at(0));
            assert!(has(&directory, turn));
        }
        assert_eq!(directory.admit(0, 1, at(0)), None);
    }

    #[test]
    fn a_directory_grows_and_keeps_what_it_has() {
        let mut directory = Directory::begun(1, at(0));
        let turn = directory.admit(1, 1, at(0)).unwrap().turn;
        directory.grow(3);
        assert_eq!(directory.admit(3, 2, at(0)).unwrap().turn.slot(), 1);
        assert!(has(&directory, turn));
        directory.grow(2);
        assert_eq!(directory.admit(3, 2, at(0)).unwrap().turn.slot(), 2);
        directory.grow(1_000_000);
        assert_eq!(directory.bytes().len(), HEAD_LEN + MOST_SLOTS * ENTRY_LEN);
    }

    #[test]
    fn a_time_to_come_is_no_reason_to_stay() {
        let mut directory = Directory::begun(2, at(0));
        let turn = directory.admit(2, 1, at(1_000_000)).unwrap().turn;
        directory.admit(2, 2, at(0)).unwrap();
        directory.admit(2, 3, at(0)).unwrap();
        assert!(!has(&directory, turn));
    }
}
