//! Which events were posted, as all workers see it, and its bytes.
//!
//! Events are posted in batches, by their numbers. A batch belongs to the worker that has taken it
//! until its lease is over; what of it was not taken well by then is due again, up to as many
//! times as are allowed.

use std::time::Duration;

use breaker::Timestamp;
use shared::{Decoded, Kind, Reader};

use crate::events::Ring;
use config::Notify;

/// How many events are under way at a time.
const BATCH: u8 = 16;
/// What a worker has beside the time that its calls may take.
const SLACK: Duration = Duration::from_secs(1);
/// Between the first attempt and the second; twice as long before each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

const FORMAT: u8 = 1;

/// The outbox.
pub(crate) struct OutboxKind;

impl Kind for OutboxKind {
    type Value = Outbox;

    fn decode(&self, bytes: &[u8]) -> Decoded<Outbox> {
        Decoded::new(Outbox::decode(bytes), bytes, FORMAT, "outbox")
    }

    fn encode(&self, outbox: &Outbox) -> impl AsRef<[u8]> {
        outbox.encode()
    }
}

/// Where the posting of events stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outbox {
    /// Which list the numbers are of.
    epoch: u64,
    /// The oldest event that is not done with.
    first: u64,
    /// How many, from there on, are in the batch that is under way.
    batch: u8,
    /// The attempts at it.
    attempt: u8,
    /// Those of the batch that are done with, a bit each.
    done: u16,
    /// Those that were not taken well this time.
    refused: u16,
    /// Nobody takes anything before.
    until: Timestamp,
}

/// What is to be posted, and what never will be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) numbers: Vec<u64>,
    /// Events that were overwritten before they were posted.
    pub(super) dropped: u32,
    /// Events that were not taken well as often as is allowed.
    pub(super) given_up: u32,
}

impl Outbox {
    /// One that begins with the event of this number.
    pub(super) fn after(epoch: u64, first: u64) -> Self {
        Self { epoch, first, ..Self::default() }
    }

    pub(super) const fn attempt(&self) -> u8 {
        self.attempt
    }

    /// Whether a worker is at it, or a wait is not over. One that is longer than any may be is from
    /// before the clock stepped back.
    pub(super) fn is_busy(&self, notify: &Notify, now: Timestamp) -> bool {
        let longest = LONGEST_WAIT.max(notify.timeout.saturating_add(SLACK));
        now < self.until && self.until <= now.after(longest)
    }

    /// Takes what is due; `None`: there is nothing to do.
    pub(super) fn take(&mut self, ring: &Ring, notify: &Notify, now: Timestamp) -> Option<Taken> {
        if self.epoch != ring.epoch() || self.first > ring.next() {
            // There was no list yet, or it was lost and has begun anew; or this is of no list.
            *self = Self::after(ring.epoch(), 0);
        }
        let mut taken = Taken { numbers: Vec::new(), dropped: 0, given_up: 0 };
        if self.batch > 0 && u32::from(self.attempt) > notify.num_retries {
            taken.given_up = self.left().count_ones();
            self.end_batch();
        }
        if self.batch == 0 {
            taken.dropped = self.skip_to(ring.oldest());
            let due = ring.next().saturating_sub(self.first).min(BATCH.into());
            self.batch = u8::try_from(due).unwrap_or(BATCH);
        }
        for number in self.numbers_left() {
            if ring.get(number).is_none() {
                // It was overwritten since.
                taken.dropped = taken.dropped.saturating_add(1);
                self.done |= self.bit(number);
            } else {
                taken.numbers.push(number);
            }
        }
        if taken.numbers.is_empty() {
            self.end_batch();
        } else {
            self.attempt = self.attempt.saturating_add(1);
            self.refused = 0;
            self.until = now.after(notify.timeout.saturating_add(SLACK));
        }
        (taken != Taken { numbers: Vec::new(), dropped: 0, given_up: 0 }).then_some(taken)
    }

    /// Takes note of an answer: whether that changes anything.
    pub(super) fn answered(
        &mut self,
        epoch: u64,
        number: u64,
        attempt: u8,
        well: bool,
        now: Timestamp,
    ) -> bool {
        let bit = self.bit(number);
        if epoch != self.epoch || bit & self.left() == 0 {
            return false;
        }
        if well {
            self.done |= bit;
        } else if attempt == self.attempt {
            self.refused |= bit;
        } else {
            return false;
        }
        let left = self.left();
        if left == 0 {
            self.end_batch();
        } else if left & !self.refused == 0 {
            let doublings = u32::from(self.attempt).saturating_sub(1).min(16);
            let wait = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
            self.until = now.after(wait);
        }
        true
    }

    /// Those of the batch that are not done with.
    fn left(&self) -> u16 {
        let all = u16::MAX.checked_shr(u32::from(BATCH.saturating_sub(self.batch))).unwrap_or(0);
        all & !self.done
    }

    fn numbers_left(&self) -> Vec<u64> {
        let (left, mut numbers) = (self.left(), Vec::new());
        for index in 0..u64::from(self.batch) {
            if left & (1 << index) != 0 {
                numbers.push(self.first.saturating_add(index));
            }
        }
        numbers
    }

    /// The bit of an event; none if it is not in the batch.
    fn bit(&self, number: u64) -> u16 {
        match number.checked_sub(self.first) {
            Some(index) if index < u64::from(self.batch) => 1 << index,
            _ => 0,
        }
    }

    fn end_batch(&mut self) {
        let first = self.first.saturating_add(self.batch.into());
        *self = Self::after(self.epoch, first);
    }

    /// Goes on with this event, or a later one: how many are left out.
    fn skip_to(&mut self, oldest: u64) -> u32 {
        let skipped = oldest.saturating_sub(self.first);
        self.first = self.first.max(oldest);
        // Each is counted one by one, so that a damaged number must not count for long.
        u32::try_from(skipped).unwrap_or(u32::MAX).min(4_096)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT, self.batch, self.attempt];
        bytes.extend_from_slice(&self.done.to_le_bytes());
        bytes.extend_from_slice(&self.refused.to_le_bytes());
        for number in [self.epoch, self.first, self.until.as_nanos()] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// `None`: the bytes are no outbox.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let [FORMAT, batch, attempt] = rest.array()? else {
            return None;
        };
        let (done, refused) = (rest.u16()?, rest.u16()?);
        let (epoch, first) = (rest.u64()?, rest.u64()?);
        let until = Timestamp::from_nanos(rest.u64()?);
        let outbox = Self { epoch, first, batch, attempt, done, refused, until };
        (rest.is_empty() && batch <= BATCH).then_some(outbox)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use std::collections::BTreeMap;

    use breaker::{Counts, Mode, Reason, StateName, UnixTime};

    use super::*;
    use crate::events::Event;

    fn ring(events: u64) -> Ring {
        let mut ring = Ring::begun(UnixTime::from_nanos(9));
        for generation in 0..events {
            ring.push(Event {
                at: UnixTime::from_nanos(0),
                service: "a".to_owned(),
                from: StateName::Closed,
                to: StateName::Open,
                reason: Reason::Operator,
                mode: Mode::Enabled,
                failures: 0,
                calls: Counts::NONE,
                generation,
                adaptive: String::new(),
            });
        }
        ring
    }

    fn notify() -> Notify {
        Notify {
            cluster: "ops".to_owned(),
            headers: Vec::new(),
            timeout: Duration::from_secs(2),
            num_retries: 2,
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn an_outbox_reads_as_it_was_written() {
        let mut outbox = Outbox::after(9, 0);
        outbox.take(&ring(3), &notify(), at(1)).unwrap();
        outbox.answered(9, 1, 1, true, at(1));
        assert_eq!(Outbox::decode(&outbox.encode()), Some(outbox.clone()));
        let bytes = outbox.encode();
        for len in 0..bytes.len() {
            assert_eq!(Outbox::decode(bytes.get(..len).unwrap()), None);
        }
    }

    #[test]
    fn who_takes_a_batch_has_it_until_its_lease_is_over() {
        let (ring, notify) = (ring(3), notify());
        let mut outbox = Outbox::after(9, 0);
        assert_eq!(outbox.take(&ring, &notify, at(1)).unwrap().numbers, [0, 1, 2]);
        assert!(outbox.is_busy(&notify, at(3)));
        assert!(!outbox.is_busy(&notify, at(4)));
        assert!(outbox.answered(9, 1, 1, true, at(3)));
        assert_eq!(outbox.take(&ring, &notify, at(4)).unwrap().numbers, [0, 2]);
        // A late word of the first attempt is heeded if it is a good one.
        assert!(!outbox.answered(9, 0, 1, false, at(5)));
        assert!(outbox.answered(9, 0, 1, true, at(5)));
        assert!(outbox.answered(9, 2, 2, true, at(5)));
        assert!(!outbox.is_busy(&notify, at(5)));
        assert_eq!(outbox.take(&ring, &notify, at(5)), None);
    }

    #[test]
    fn what_is_refused_is_tried_again_after_a_wait_and_given_up_in_the_end() {
        let (ring, notify) = (ring(2), notify());
        let mut outbox = Outbox::after(9, 0);
        let mut now = 10;
        for (attempt, wait) in [(1, 1), (2, 2), (3, 4)] {
            let taken = outbox.take(&ring, &notify, at(now)).unwrap();
            assert_eq!(taken.numbers.len(), if attempt == 1 { 2 } else { 1 });
            if attempt == 1 {
                assert!(outbox.answered(9, 0, attempt, true, at(now)));
            }
            assert!(outbox.answered(9, 1, attempt, false, at(now)));
            assert!(outbox.is_busy(&notify, at(now + wait - 1)));
            now += wait;
            assert!(!outbox.is_busy(&notify, at(now)));
        }
        let taken = outbox.take(&ring, &notify, at(now)).unwrap();
        assert_eq!(taken, Taken { numbers: Vec::new(), dropped: 0, given_up: 1 });
        assert_eq!(outbox.take(&ring, &notify, at(now)), None);
    }

    #[test]
    fn what_was_overwritten_is_dropped_and_counted() {
        let (ring, notify) = (ring(200), notify());
        let mut outbox = Outbox::after(9, 0);
        let taken = outbox.take(&ring, &notify, at(1)).unwrap();
        assert_eq!((taken.dropped, taken.numbers.first()), (72, Some(&72)));
        assert_eq!(taken.numbers.len(), 16);
    }

    #[test]
    fn a_list_that_was_lost_is_posted_from_its_beginning() {
        let mut outbox = Outbox::after(8, 50);
        let taken = outbox.take(&ring(2), &notify(), at(1)).unwrap();
        assert_eq!(taken, Taken { numbers: vec![0, 1], dropped: 0, given_up: 0 });
    }

    #[test]
    fn a_number_that_no_event_has_yet_ends_nothing() {
        for first in [3, 4, u64::MAX - 1, u64::MAX] {
            let mut outbox = Outbox::after(9, first);
            let taken = outbox.take(&ring(2), &notify(), at(1)).unwrap();
            assert_eq!(taken.numbers, [0, 1], "{first}");
        }
    }

    /// Workers that take, answer, refuse and vanish at random: each event is posted, none is left, and
    /// none is posted again once it was taken well.
    #[test]
    fn each_event_is_posted_until_it_is_taken_or_given_up() {
        let notify = notify();
        for seed in 0..200_u64 {
            let mut chance = seed;
            let mut draw = |of: u64| {
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (chance >> 33) % of
            };
            let (mut outbox, mut now, mut given_up) = (Outbox::after(9, 0), 1, 0);
            let mut well = BTreeMap::new();
            for round in 1..120_u64 {
                let ring = ring((round / 2).min(40));
                now += draw(5);
                if outbox.is_busy(&notify, at(now)) {
                    continue;
                }
                let Some(taken) = outbox.take(&ring, &notify, at(now)) else {
                    continue;
                };
                given_up += taken.given_up;
                assert_eq!(taken.dropped, 0);
                let attempt = outbox.attempt();
                for number in taken.numbers {
                    assert!(!well.contains_key(&number), "{number} was taken before");
                    match draw(4) {
                        0 => {}
                        1 => {
                            outbox.answered(9, number, attempt, false, at(now));
                        }
                        _ => {
                            outbox.answered(9, number, attempt, true, at(now));
                            well.insert(number, ());
                        }
                    }
                }
            }
            for _ in 0..20 {
                now += 100;
                if let Some(taken) = outbox.take(&ring(40), &notify, at(now)) {
                    given_up += taken.given_up;
                }
            }
            assert_eq!(well.len() + given_up as usize, 40, "seed {seed}");
        }
    }
}
