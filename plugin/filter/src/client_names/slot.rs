//! What a slot has: who holds it, and the record of its breaker, in one value. So no write can be
//! another's than the holder's: it would find the holder changed, or lose the race.

use super::directory::Turn;
use crate::naming::{is_name_byte, push_text, take_text};

pub(crate) const FORMAT: u8 = 1;

/// A slot's value, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held<'a> {
    pub(crate) turn: Turn,
    pub(crate) name: &'a str,
    pub(crate) record: &'a [u8],
}

impl<'a> Held<'a> {
    /// `None`: the bytes are no slot's.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (turn, rest) = split_turn(bytes)?;
        let (name, record) = take_text(rest, is_name_byte)?;
        Some(Self { turn, name, record })
    }
}

/// What comes before the record.
pub(crate) fn head(turn: Turn, name: &str) -> Vec<u8> {
    let mut bytes = turn_head(turn);
    push_text(&mut bytes, name);
    bytes
}

/// What comes before any other value of a slot.
pub(crate) fn turn_head(turn: Turn) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    bytes.extend_from_slice(&turn.bits().to_le_bytes());
    bytes
}

/// Whose value it is, and the value.
pub(crate) fn split_turn(bytes: &[u8]) -> Option<(Turn, &[u8])> {
    let (turn, rest) = bytes.strip_prefix(&[FORMAT])?.split_first_chunk()?;
    Some((Turn::from_bits(u64::from_le_bytes(*turn)), rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use super::*;

    #[test]
    fn a_slot_reads_as_it_was_written() {
        let turn = Turn::from_bits(0x0102_0304_0506_0708);
        let mut bytes = head(turn, "x-a");
        bytes.extend_from_slice(b"record");
        assert!(bytes.starts_with(b"\x01\x08\x07\x06\x05\x04\x03\x02\x01\x03x-a"));
        let held = Held { turn, name: "x-a", record: b"record" };
        assert_eq!(Held::read(&bytes), Some(held));
        for len in 0..bytes.len() - b"record".len() {
            assert_eq!(Held::read(bytes.get(..len).unwrap()), None, "{len}");
        }
    }
}
