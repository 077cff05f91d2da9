//! Who holds a slot, and which values of it are its own.
//!
//! Client-named services share slots, each for a time. All values of a slot begin with the turn of
//! the holder who wrote them, so that nobody takes another's for its own, and no write can be another
//! holder's: it would find the turn changed, or lose the race.

use std::cell::Cell;

use shared::{Decoded, Kind, Reader, push_text};

use config::naming::{LONGEST_NAME, is_name_byte};

pub(crate) const FORMAT: u8 = 1;

/// The most slots that a template may have.
pub(crate) const MOST_SLOTS: usize = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 12;

/// How often a name comes before it came again and again.
pub(crate) const AGAIN: u8 = 4;

/// Who has a slot: a number that tells each holder of each slot, over all time, from all others, and
/// has the slot in it. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn(u64);

/// What one worker knows of a name's slot.
#[derive(Debug)]
pub(crate) struct Tenure {
    pub(crate) turn: Turn,
    /// The number of the gauge of its slot's writes.
    pub(crate) gauge: usize,
    /// The name as it was made.
    pub(crate) name: String,
    /// What its record's value begins with.
    head: Vec<u8>,
    /// How often it came, as far as it is not in the directory yet; and as far as it is.
    pub(crate) visits: Cell<u32>,
    pub(crate) written: Cell<u8>,
    /// Whether it has metrics of its own.
    pub(crate) has_own_series: Cell<bool>,
    /// Whether it has made room.
    pub(crate) is_gone: Cell<bool>,
}

/// The value of a slot's record, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held<'a> {
    pub(crate) turn: Turn,
    pub(crate) name: &'a str,
    pub(crate) record: &'a [u8],
}

impl Turn {
    /// The turn of this number in a slot.
    pub(crate) fn new(number: u64, slot: usize) -> Self {
        Self((number << SLOT_BITS) | u64::try_from(slot).unwrap_or_default())
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    pub(crate) fn slot(self) -> usize {
        // It is below `MOST_SLOTS`.
        usize::try_from(self.0 & ((1 << SLOT_BITS) - 1)).unwrap_or_default()
    }
}

impl<'a> Held<'a> {
    /// `None`: the bytes are no slot's.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (turn, rest) = split_turn(bytes)?;
        let mut rest = Reader(rest);
        let name = rest.text(LONGEST_NAME, is_name_byte)?;
        Some(Self { turn, name, record: rest.0 })
    }
}

fn split_turn(bytes: &[u8]) -> Option<(Turn, &[u8])> {
    let mut rest = Reader(bytes.strip_prefix(&[FORMAT])?);
    Some((Turn(rest.u64()?), rest.0))
}

impl Tenure {
    pub(crate) fn new(turn: Turn, gauge: usize, name: &str) -> Self {
        let mut head = turn_head(turn);
        push_text(&mut head, name);
        Self {
            turn,
            gauge,
            name: name.to_owned(),
            head,
            visits: Cell::default(),
            written: Cell::default(),
            has_own_series: Cell::default(),
            is_gone: Cell::default(),
        }
    }

    /// Whether the directory has to have it at once that it came: who makes room depends on the first few
    /// times, and these may be seen by a worker each.
    pub(crate) fn is_young(&self) -> bool {
        self.written.get() < 2 * AGAIN && self.visits.get() > 0
    }

    /// Its record as a value of its slot.
    pub(crate) fn with_record(&self, record: &[u8]) -> Vec<u8> {
        [&self.head, record].concat()
    }

    /// Another value beside its record.
    pub(crate) fn with_part(&self, part: &[u8]) -> Vec<u8> {
        [&turn_head(self.turn), part].concat()
    }

    /// Reads what follows the turn in a value, if the turn is its own.
    fn open<V>(&self, turn: Turn, decode: impl FnOnce() -> Decoded<V>) -> Decoded<V> {
        match turn.cmp(&self.turn) {
            std::cmp::Ordering::Equal => decode(),
            std::cmp::Ordering::Less => Decoded::Former,
            std::cmp::Ordering::Greater => {
                self.is_gone.set(true);
                Decoded::Latter
            }
        }
    }
}

fn turn_head(turn: Turn) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    bytes.extend_from_slice(&turn.0.to_le_bytes());
    bytes
}

/// Reads a record, which is in its slot's value if it has a slot.
#[inline(always)]
pub(crate) fn decode_record<V>(
    tenure: Option<&Tenure>,
    bytes: &[u8],
    decode: impl FnOnce(&[u8]) -> Decoded<V>,
) -> Decoded<V> {
    let Some(tenure) = tenure else {
        return decode(bytes);
    };
    match Held::read(bytes) {
        Some(held) => tenure.open(held.turn, || decode(held.record)),
        None => Decoded::unreadable(bytes, FORMAT, "slot"),
    }
}

/// Reads a value beside a record, which begins with the turn if there is a slot.
pub(crate) fn decode_part<V>(
    tenure: Option<&Tenure>,
    bytes: &[u8],
    what: &'static str,
    decode: impl FnOnce(&[u8]) -> Decoded<V>,
) -> Decoded<V> {
    let Some(tenure) = tenure else {
        return decode(bytes);
    };
    match split_turn(bytes) {
        Some((turn, part)) => tenure.open(turn, || decode(part)),
        None => Decoded::unreadable(bytes, FORMAT, what),
    }
}

/// A slot, for whoever takes it: who holds it. An empty value is nobody's.
#[derive(Debug)]
pub(crate) struct Slot<'a>(pub(crate) &'a Tenure);

impl Kind for Slot<'_> {
    /// The turn and the name of the holder, and the record of its breaker.
    type Value = (Turn, String, Vec<u8>);

    fn decode(&self, bytes: &[u8]) -> Decoded<Self::Value> {
        if bytes.is_empty() {
            return Decoded::Former;
        }
        let held = Held::read(bytes).map(|it| (it.turn, it.name.to_owned(), it.record.to_vec()));
        Decoded::new(held, bytes, FORMAT, "slot")
    }

    fn encode(&self, (_, _, record): &Self::Value) -> impl AsRef<[u8]> {
        self.0.with_record(record)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use super::*;

    #[test]
    fn a_slot_reads_as_it_was_written() {
        let turn = Turn::from_bits(0x0102_0304_0506_0708);
        let bytes = Tenure::new(turn, 0, "x-a").with_record(b"record");
        assert!(bytes.starts_with(b"\x01\x08\x07\x06\x05\x04\x03\x02\x01\x03x-a"));
        let held = Held { turn, name: "x-a", record: b"record" };
        assert_eq!(Held::read(&bytes), Some(held));
        for len in 0..bytes.len() - b"record".len() {
            assert_eq!(Held::read(bytes.get(..len).unwrap()), None, "{len}");
        }
    }
}
