//! Who looks at the counters: one worker of all, until its lease is over.

use std::time::Duration;

use breaker::Timestamp;
use shared::Reader;

use super::pieces::{PIECE, number_at};
use crate::parts::FORMAT;

/// How long a lease holds. It is renewed when half of it is over.
const LEASE: Duration = Duration::from_secs(3);

/// Who looks, and since when somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// The number of whoever has it: one more than the last who had.
    turn: u64,
    until: Timestamp,
    /// The first piece that was looked at from its beginning on, with no longer pause since than a piece.
    pub(crate) since: u64,
}

impl Lease {
    /// Whether somebody has it. One that is longer than any may be was written by nobody.
    fn is_held(&self, now: Timestamp) -> bool {
        now < self.until && self.until <= now.after(LEASE)
    }

    /// The lease as it is, if nobody may take it now; `Err`: as it is once this one has taken it, or
    /// renewed it.
    pub(super) fn ask(
        lease: Option<Self>,
        mine: Option<u64>,
        now: Timestamp,
    ) -> Result<Self, Self> {
        let until = now.after(LEASE);
        let Some(lease) = lease else {
            return Err(Self { turn: 1, until, since: number_at(now).saturating_add(1) });
        };
        if lease.is_settled(mine, now) {
            return Ok(lease);
        }
        let is_mine = mine == Some(lease.turn);
        let turn = if is_mine { lease.turn } else { lease.turn.saturating_add(1) };
        Err(Self { turn, until, since: lease.known_since(now) })
    }

    /// Whether there is nothing to ask for whoever has this turn: another has the lease, or it is its own
    /// and need not be renewed.
    pub(super) fn is_settled(&self, mine: Option<u64>, now: Timestamp) -> bool {
        let is_ending = self.until < now.after(LEASE / 2);
        self.is_held(now) && !(mine == Some(self.turn) && is_ending)
    }

    pub(super) const fn turn(&self) -> u64 {
        self.turn
    }

    /// The first piece since which somebody looks, up to now.
    pub(super) fn known_since(&self, now: Timestamp) -> u64 {
        let is_unbroken = now < self.until.after(PIECE) && self.until <= now.after(LEASE);
        if is_unbroken { self.since } else { number_at(now).saturating_add(1) }
    }
}

impl Lease {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        for number in [self.turn, self.until.as_nanos(), self.since] {
            bytes.extend(number.to_le_bytes());
        }
        bytes
    }

    /// `None`: the bytes are no lease.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes.strip_prefix(&[FORMAT])?);
        let (turn, until) = (rest.u64()?, Timestamp::from_nanos(rest.u64()?));
        let since = rest.u64()?;
        rest.is_empty().then_some(Self { turn, until, since })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use super::*;

    #[test]
    fn a_lease_reads_as_it_was_written() {
        let lease = Lease { turn: 7, until: Timestamp::from_nanos(8), since: 9 };
        let bytes = lease.encode();
        assert_eq!(Lease::decode(&bytes), Some(lease));
        for len in 0..bytes.len() {
            assert_eq!(Lease::decode(bytes.get(..len).unwrap()), None, "{len}");
        }
        assert_eq!(Lease::decode(&[bytes, vec![0]].concat()), None);
    }
}
