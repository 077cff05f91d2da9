//! Who looks at the counters: one worker of all, until its lease is over.

use std::time::Duration;

use breaker::Timestamp;
use shared::{Decoded, Kind, Reader};

use super::pieces::{PIECE, number_at};

const FORMAT: u8 = 1;
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

/// The lease, as it is stored.
pub(crate) struct LeaseKind;

impl Kind for LeaseKind {
    type Value = Lease;

    fn decode(&self, bytes: &[u8]) -> Decoded<Lease> {
        Decoded::new(decode(bytes), bytes, FORMAT, "lease")
    }

    fn encode(&self, lease: &Lease) -> impl AsRef<[u8]> {
        let mut bytes = vec![FORMAT];
        for number in [lease.turn, lease.until.as_nanos(), lease.since] {
            bytes.extend(number.to_le_bytes());
        }
        bytes
    }
}

fn decode(bytes: &[u8]) -> Option<Lease> {
    let mut rest = Reader(bytes.strip_prefix(&[FORMAT])?);
    let (turn, until) = (rest.u64()?, Timestamp::from_nanos(rest.u64()?));
    let since = rest.u64()?;
    rest.is_empty().then_some(Lease { turn, until, since })
}
