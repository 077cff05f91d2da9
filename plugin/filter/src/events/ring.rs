//! The latest events, and their bytes in the shared store.
//!
//! Each has a number, from 0 on; of those before the oldest kept, nothing is known any more. The
//! states and reasons are written by their names, so that a module of another version that shares
//! the store never takes one for another.

use std::collections::VecDeque;

use breaker::{Counts, Mode, Now, Reason, StateName, UnixTime};
use shared::{Decoded, Kind, Reader, push_text};

use super::event::Event;
use config::naming::{LONGEST_NAME, is_shown_byte};

/// How many are kept.
pub(crate) const MOST_EVENTS: usize = 128;

/// The first format has no word of the adaptive rule. A list without any is written in it still, so
/// that an older module can read it.
const FORMAT: u8 = 2;
const PLAIN_FORMAT: u8 = 1;

/// No number of an event comes near it.
const MOST_NUMBERS: u64 = 1 << 62;

/// The latest events of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ring {
    /// When its first event came, in nanoseconds: with an event's number it is unlike any other's.
    epoch: u64,
    /// The number of the next event.
    next: u64,
    events: VecDeque<Event>,
}

/// The list of events.
pub(crate) struct RingKind;

impl Kind for RingKind {
    type Value = Ring;

    fn decode(&self, bytes: &[u8]) -> Decoded<Ring> {
        Decoded::new(Ring::decode(bytes), bytes, FORMAT, "events")
    }

    fn encode(&self, ring: &Ring) -> impl AsRef<[u8]> {
        ring.encode()
    }

    fn replacement(&self, now: Now) -> Option<Ring> {
        Some(Ring::begun(now.wall))
    }
}

impl Ring {
    /// One without events.
    pub(crate) const fn begun(at: UnixTime) -> Self {
        Self { epoch: at.as_nanos(), next: 0, events: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, event: Event) {
        if self.events.len() >= MOST_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
        self.next = self.next.saturating_add(1);
    }

    /// Which list it is, of all that were ever begun.
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The number of the event that will come next.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// The number of the oldest event that is kept.
    pub(crate) fn oldest(&self) -> u64 {
        self.next.saturating_sub(self.events.len() as u64)
    }

    /// The event of a number.
    pub(crate) fn get(&self, number: u64) -> Option<&Event> {
        let index = number.checked_sub(self.oldest())?;
        self.events.get(usize::try_from(index).ok()?)
    }

    /// An event, and a text that stands for it and for no other of any process.
    pub(crate) fn identified(&self, number: u64) -> Option<(String, &Event)> {
        Some((format!("{:x}-{number}", self.epoch), self.get(number)?))
    }

    /// All of them, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = (String, &Event)> {
        (self.oldest()..self.next).rev().filter_map(|number| self.identified(number))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let is_plain = self.events.iter().all(|event| event.adaptive.is_empty());
        let mut bytes = vec![if is_plain { PLAIN_FORMAT } else { FORMAT }];
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.next.to_le_bytes());
        for event in &self.events {
            bytes.extend_from_slice(&event.at.as_nanos().to_le_bytes());
            bytes.extend_from_slice(&event.generation.to_le_bytes());
            let Counts { calls, failures, slow } = event.calls;
            for number in [event.failures, calls, failures, slow] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            let names = [
                event.service.as_str(),
                event.from.name(),
                event.to.name(),
                event.reason.name(),
                event.mode.name(),
            ];
            for name in names {
                push_text(&mut bytes, name);
            }
            if !is_plain {
                push_text(&mut bytes, &event.adaptive);
            }
        }
        bytes
    }

    /// `None`: the bytes are no list of events.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (format, rest) = bytes.split_first()?;
        let is_plain = match *format {
            PLAIN_FORMAT => true,
            FORMAT => false,
            _ => return None,
        };
        let mut rest = Reader(rest);
        let (epoch, next) = (rest.u64()?, rest.u64()?);
        let mut events = VecDeque::new();
        while !rest.is_empty() {
            events.push_back(read_event(&mut rest, is_plain)?);
        }
        let possible =
            events.len() <= MOST_EVENTS && events.len() as u64 <= next && next <= MOST_NUMBERS;
        possible.then_some(Self { epoch, next, events })
    }
}

fn read_event(rest: &mut Reader<'_>, is_plain: bool) -> Option<Event> {
    let (at, generation) = (UnixTime::from_nanos(rest.u64()?), rest.u64()?);
    let failures = rest.u32()?;
    let calls = Counts { calls: rest.u32()?, failures: rest.u32()?, slow: rest.u32()? };
    let mut name = || rest.text(LONGEST_NAME, is_shown_byte);
    let (service, from, to, reason, mode) = (name()?, name()?, name()?, name()?, name()?);
    let adaptive = if is_plain { "" } else { read_line(rest)? };
    Some(Event {
        at,
        service: service.to_owned(),
        from: StateName::named(from.as_bytes())?,
        to: StateName::named(to.as_bytes())?,
        reason: Reason::named(reason.as_bytes())?,
        mode: Mode::named(mode.as_bytes())?,
        failures,
        calls,
        generation,
        adaptive: adaptive.to_owned(),
    })
}

/// A line in words, or nothing.
fn read_line<'a>(rest: &mut Reader<'a>) -> Option<&'a str> {
    let len = usize::from(rest.u8()?);
    let line = std::str::from_utf8(rest.bytes(len)?).ok()?;
    let is_shown = line.bytes().all(|byte| matches!(byte, b' ' | b'!' | b'#'..=b'~'));
    is_shown.then_some(line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use super::*;

    fn event(generation: u64) -> Event {
        Event {
            at: UnixTime::from_nanos(7),
            service: "payment-service".to_owned(),
            from: StateName::Closed,
            to: StateName::Open,
            reason: Reason::FailureRate,
            mode: Mode::MetricsOnly,
            failures: 3,
            calls: Counts { calls: 20, failures: 10, slow: 1 },
            generation,
            adaptive: String::new(),
        }
    }

    #[test]
    fn a_list_in_which_the_adaptive_rule_has_a_word_is_of_the_next_format() {
        let mut ring = Ring::begun(UnixTime::from_nanos(255));
        ring.push(event(2));
        assert_eq!(ring.encode().first(), Some(&1));
        ring.push(Event { adaptive: "base 1.9 % (at most 2.0)".to_owned(), ..event(3) });
        assert_eq!(ring.encode().first(), Some(&2));
        assert_eq!(Ring::decode(&ring.encode()), Some(ring));
    }

    #[test]
    fn a_list_reads_as_it_was_written() {
        let mut ring = Ring::begun(UnixTime::from_nanos(255));
        assert_eq!(Ring::decode(&ring.encode()), Some(ring.clone()));
        ring.push(event(2));
        ring.push(event(3));
        let read = Ring::decode(&ring.encode()).unwrap();
        assert_eq!(read, ring);
        assert_eq!(read.identified(1), Some(("ff-1".to_owned(), &event(3))));
        assert_eq!(read.get(2), None);
    }

    #[test]
    fn the_latest_events_are_kept_and_keep_their_numbers() {
        let mut ring = Ring::begun(UnixTime::from_nanos(0));
        for generation in 0..200 {
            ring.push(event(generation));
        }
        assert_eq!((ring.oldest(), ring.next()), (72, 200));
        assert_eq!(ring.newest_first().count(), MOST_EVENTS);
        assert!((72..200).all(|number| ring.get(number).unwrap().generation == number));
        assert_eq!(ring.newest_first().next().unwrap().0, "0-199");
        assert_eq!(ring.get(71), None);
    }

    #[test]
    fn a_damaged_list_is_none_or_a_shorter_one() {
        let mut ring = Ring::begun(UnixTime::from_nanos(0));
        ring.push(event(1));
        ring.push(event(2));
        let bytes = ring.encode();
        for len in 0..bytes.len() {
            let read = Ring::decode(bytes.get(..len).unwrap());
            assert!(read.is_none() || len > 16, "cut at {len}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            *damaged.get_mut(at).unwrap() ^= 0xff;
            // Whatever is read, it is read without harm.
            let _ = Ring::decode(&damaged);
        }
        let mut late = Ring::begun(UnixTime::from_nanos(0));
        late.next = u64::MAX;
        assert_eq!(Ring::decode(&late.encode()), None, "no other event would have a number");
        assert_eq!(Ring::decode(&[FORMAT + 1]), None);
    }
}
