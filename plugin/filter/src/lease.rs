//! Who does what only one worker of a process is to do: the holder of a lease.
//!
//! Each worker asks for it, and finds most of the time that another has it, without a look at the
//! store. The one that has it renews it; if that one is gone, another takes it when it is over.

use std::cell::Cell;
use std::time::Duration;

use breaker::Timestamp;
use shared::{Lost, Reader, Watch};

use crate::effects::Effects;
use crate::host::Host;
use crate::parts::{FORMAT, Part};

/// How long a lease holds. It is renewed when half of it is over.
const LEASE: Duration = Duration::from_secs(3);
/// After a longer time without a holder, what the first one has noted counts no more.
const PAUSE: Duration = Duration::from_secs(5);

/// Who has it, and what was noted when somebody began to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// The number of whoever has it: one more than the last who had.
    turn: u64,
    until: Timestamp,
    /// What the first holder noted, with no longer pause since than may be.
    since: u64,
}

impl Lease {
    /// Whether somebody has it. One that is longer than any may be was written by nobody.
    fn is_held(&self, now: Timestamp) -> bool {
        now < self.until && self.until <= now.after(LEASE)
    }

    /// The lease as it is, if nobody may take it now; `Err`: as it is once this one has taken it, or
    /// renewed it. `note`: what is noted if somebody begins anew.
    fn ask(
        lease: Option<Self>,
        mine: Option<u64>,
        note: u64,
        now: Timestamp,
    ) -> Result<Self, Self> {
        let until = now.after(LEASE);
        let Some(lease) = lease else {
            return Err(Self { turn: 1, until, since: note });
        };
        if lease.is_settled(mine, now) {
            return Ok(lease);
        }
        let is_mine = mine == Some(lease.turn);
        let turn = if is_mine { lease.turn } else { lease.turn.saturating_add(1) };
        Err(Self { turn, until, since: lease.since(note, now) })
    }

    /// Whether there is nothing to ask for whoever has this turn: another has the lease, or it is its own
    /// and need not be renewed.
    fn is_settled(&self, mine: Option<u64>, now: Timestamp) -> bool {
        let is_ending = self.until < now.after(LEASE / 2);
        self.is_held(now) && !(mine == Some(self.turn) && is_ending)
    }

    /// What was noted when somebody began to have it without a pause up to now; `note` if nobody has.
    fn since(&self, note: u64, now: Timestamp) -> u64 {
        let is_unbroken = now < self.until.after(PAUSE) && self.until <= now.after(LEASE);
        if is_unbroken { self.since } else { note }
    }
}

/// A lease, as one worker knows it.
#[derive(Debug, Default)]
pub(crate) struct WorkerLease {
    /// As it was seen last, and the turn in which it was this worker's.
    lease: Cell<Option<Lease>>,
    mine: Cell<Option<u64>>,
    watch: Watch,
}

/// That a worker has a lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// Whether it has just come to have it: another may have had it before.
    pub(crate) is_new: bool,
    /// What was noted when somebody began to have it.
    pub(crate) since: u64,
}

impl WorkerLease {
    fn part<'a>(&'a self, key: &'a str) -> Part<'a> {
        Part {
            key,
            watch: &self.watch,
            service: None,
            tenure: None,
            what: "lease",
            is_one: |bytes| Lease::decode(bytes).is_some(),
        }
    }

    /// Takes the lease of this key, or renews it; `None`: another worker has it. `note`: what is to be noted
    /// if nobody has had it for long.
    ///
    /// # Errors
    ///
    /// If the store cannot be used.
    pub(crate) fn hold(
        &self,
        key: &str,
        note: u64,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<Option<Held>, Lost> {
        let (now, mine) = (host.now().monotonic, self.mine.get());
        if let Some(lease) = self.lease.get().filter(|lease| lease.is_settled(mine, now)) {
            let held = Held { is_new: false, since: lease.since };
            return Ok((mine == Some(lease.turn)).then_some(held));
        }
        let mut asked = None;
        self.part(key).update(host, effects, &mut |bytes| {
            let lease = bytes.and_then(Lease::decode);
            let answer = Lease::ask(lease, mine, note, host.now().monotonic);
            asked = Some(answer);
            answer.err().map(|taken| taken.encode())
        })?;
        let (lease, is_taken) = match asked {
            Some(Ok(held)) => (held, false),
            Some(Err(taken)) => (taken, true),
            None => return Ok(None),
        };
        self.lease.set(Some(lease));
        let is_new = is_taken && self.mine.replace(Some(lease.turn)) != Some(lease.turn);
        let held = Held { is_new, since: lease.since };
        Ok((self.mine.get() == Some(lease.turn)).then_some(held))
    }

    /// What was noted when somebody began to have it, up to now; `None`: it cannot be read, or nobody ever
    /// had it.
    pub(crate) fn since(
        &self,
        key: &str,
        note: u64,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<u64> {
        let bytes = self.part(key).load(host, effects).ok()??;
        Some(Lease::decode(&bytes)?.since(note, host.now().monotonic))
    }
}

impl Lease {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        for number in [self.turn, self.until.as_nanos(), self.since] {
            bytes.extend(number.to_le_bytes());
        }
        bytes
    }

    /// `None`: the bytes are no lease.
    fn decode(bytes: &[u8]) -> Option<Self> {
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
