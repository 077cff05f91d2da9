//! How many calls each worker has under way, as all workers see it: a list of leases, and its bytes.

use std::time::Duration;

use breaker::Timestamp;

/// How long a worker's word holds. A worker that has crashed says nothing any more, and its calls
/// are forgotten after this time; one that is at work renews its word with each call, and by the
/// timer.
pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// The format of the bytes.
pub(crate) const FORMAT: u8 = 1;
const HEAD_LEN: usize = 8;
const ENTRY_LEN: usize = 24;

/// More than the threads of any machine, with every partition in use, during an update.
const MOST_ENTRIES: usize = 4_096;

/// What is left of them for calls whose requests are complete, whatever others come.
const KEPT_ENTRIES: usize = MOST_ENTRIES / 2;

pub(crate) use crate::config::ClassId;

/// Calls of one worker under way, by its own count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    worker: u32,
    class: ClassId,
    calls: u32,
    until: Timestamp,
}

/// What all workers have under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leases {
    /// The number that was given to a worker last.
    last: u32,
    entries: Vec<Entry>,
}

/// The bytes were written by nobody, or by a version that this one does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl Leases {
    /// Leases where there are none, or none any more: workers may be at work that have a number from
    /// those which were lost, so the numbers go on from somewhere else, by chance.
    pub(crate) const fn begun(chance: u32) -> Self {
        Self { last: chance, entries: Vec::new() }
    }

    /// A number for a worker that has none yet. The same again unless these leases are stored.
    pub(crate) fn next_worker(&self) -> u32 {
        self.last.wrapping_add(1).max(1)
    }

    /// All calls that are under way.
    pub(crate) fn total(&self) -> u32 {
        self.entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.calls))
    }

    /// Those of a class.
    pub(crate) fn of(&self, class: ClassId) -> u32 {
        let entries = self.entries.iter().filter(|entry| entry.class == class);
        entries.fold(0, |sum, entry| sum.saturating_add(entry.calls))
    }

    /// Forgets whose time is over. A lease that is longer than any may be was written by nobody.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let longest = now.after(LEASE);
        self.entries.retain(|entry| now < entry.until && entry.until <= longest);
    }

    /// Takes a worker's word for what it has under way, instead of what it said before: calls
    /// whose requests are complete, and those whose are not, with the end of their time.
    pub(crate) fn set(
        &mut self,
        worker: u32,
        complete: impl Iterator<Item = (ClassId, u32)>,
        partial: impl Iterator<Item = (ClassId, u32, Timestamp)>,
        now: Timestamp,
    ) {
        if worker == self.next_worker() {
            self.last = worker;
        }
        self.entries.retain(|entry| entry.worker != worker);
        let until = now.after(LEASE);
        let complete = complete.map(|(class, calls)| Entry { worker, class, calls, until });
        self.extend(complete, MOST_ENTRIES);
        let partial = partial.map(|(class, calls, end)| {
            let until = until.min(end);
            Entry { worker, class, calls, until }
        });
        self.extend(partial, KEPT_ENTRIES);
    }

    fn extend(&mut self, entries: impl Iterator<Item = Entry>, most: usize) {
        let room = most.saturating_sub(self.entries.len());
        self.entries.extend(entries.filter(|entry| entry.calls > 0).take(room));
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let len = self.entries.len().saturating_mul(ENTRY_LEN).saturating_add(HEAD_LEN);
        let mut bytes = Vec::with_capacity(len);
        bytes.extend([FORMAT, 0, 0, 0]);
        bytes.extend(self.last.to_le_bytes());
        for Entry { worker, class, calls, until } in &self.entries {
            for number in [*worker, *class, *calls, 0] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.extend(until.as_nanos().to_le_bytes());
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (head, rest) = bytes.split_first_chunk::<HEAD_LEN>().ok_or(Unreadable)?;
        let [FORMAT, _, _, _, last @ ..] = *head else {
            return Err(Unreadable);
        };
        let (entries, rest) = rest.as_chunks::<ENTRY_LEN>();
        if !rest.is_empty() || entries.len() > MOST_ENTRIES {
            return Err(Unreadable);
        }
        let entries = entries.iter().map(|entry| {
            let (numbers, time) = entry.split_at(16);
            let (numbers, _) = numbers.as_chunks::<4>();
            let number = |at: usize| numbers.get(at).map_or(0, |bytes| u32::from_le_bytes(*bytes));
            let until = time.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            let until = Timestamp::from_nanos(until);
            Entry { worker: number(0), class: number(1), calls: number(2), until }
        });
        Ok(Self { last: u32::from_le_bytes(last), entries: entries.collect() })
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;
    use crate::config::NO_CLASS;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    /// A worker's word of complete calls alone.
    fn set(leases: &mut Leases, worker: u32, complete: &[(ClassId, u32)], now: Timestamp) {
        leases.set(worker, complete.iter().copied(), std::iter::empty(), now);
    }

    #[test]
    fn a_workers_word_takes_the_place_of_what_it_said_before() {
        let mut leases = Leases::begun(0);
        set(&mut leases, 1, &[(NO_CLASS, 3), (7, 2)], at(0));
        set(&mut leases, 2, &[(7, 4)], at(0));
        assert_eq!((leases.total(), leases.of(7), leases.next_worker()), (9, 6, 3));
        set(&mut leases, 1, &[(NO_CLASS, 1), (7, 0)], at(1));
        assert_eq!((leases.total(), leases.of(7)), (5, 4));
    }

    #[test]
    fn a_lease_is_over_in_time_and_none_is_longer_than_it_may_be() {
        let mut leases = Leases::begun(0);
        set(&mut leases, 1, &[(NO_CLASS, 3)], at(1_000));
        leases.expire(at(5_999));
        assert_eq!(leases.total(), 3);
        leases.expire(at(6_000));
        assert_eq!(leases.total(), 0);
        set(&mut leases, 1, &[(NO_CLASS, 3)], at(9_000));
        leases.expire(at(8_999));
        assert_eq!(leases.total(), 0, "as if the clock had stepped back");
    }

    #[test]
    fn calls_whose_requests_are_not_complete_are_over_when_their_time_is() {
        let mut leases = Leases::begun(0);
        let partial = [(NO_CLASS, 2, at(1_000)), (7, 4, at(60_000))];
        leases.set(1, [(7, 1)].into_iter(), partial.into_iter(), at(0));
        assert_eq!((leases.total(), leases.of(7)), (7, 5));
        leases.expire(at(1_000));
        assert_eq!(leases.total(), 5);
        leases.expire(at(5_000));
        assert_eq!(leases.total(), 0, "no word holds longer than a lease");
    }

    #[test]
    fn there_is_room_for_complete_calls_however_many_others_there_are() {
        let mut leases = Leases::begun(0);
        for worker in 1..10_u32 {
            let partial = (0..1_000).map(|class| (class, 1, at(1_000)));
            leases.set(worker, std::iter::empty(), partial, at(0));
        }
        assert_eq!(leases.total(), 2_048);
        set(&mut leases, 10, &[(NO_CLASS, 3)], at(0));
        assert_eq!(leases.total(), 2_051);
        assert_eq!(Leases::decode(&leases.encode()), Ok(leases));
    }

    #[test]
    fn the_bytes_hold_all_there_is_and_damage_is_told() {
        let mut leases = Leases::begun(0);
        set(&mut leases, 1, &[(NO_CLASS, 3), (u32::MAX, 1)], at(1));
        set(&mut leases, 9, &[(7, u32::MAX)], at(2));
        let bytes = leases.encode();
        assert_eq!(Leases::decode(&bytes), Ok(leases));
        for len in
            (0..bytes.len()).filter(|len| *len != HEAD_LEN && (*len < 8 || (len - 8) % 24 > 0))
        {
            assert_eq!(Leases::decode(&bytes[..len]), Err(Unreadable), "{len} bytes");
        }
        let mut newer = bytes;
        newer[0] = 2;
        assert_eq!(Leases::decode(&newer), Err(Unreadable));
        assert!(Leases::decode(&vec![1; HEAD_LEN + ENTRY_LEN * (MOST_ENTRIES + 1)]).is_err());
    }
}
