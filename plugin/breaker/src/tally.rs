//! What one worker knows of the latest calls and the others do not, yet.

use core::time::Duration;

use crate::breaker::Breaker;
use crate::permit::{Generation, Permit};
use crate::policy::{Policy, WindowPolicy};
use crate::time::Timestamp;
use crate::window::{Counts, Timed};

/// Good calls that one worker has not written down yet, since a healthy service should cost no
/// write for each. Any other call is written down as it ends, and these with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    pub(crate) generation: Generation,
    /// Calls of the period that were worth a hurry, as of the last write.
    pub(crate) seen: u32,
    pub(crate) calls: Timed,
}

impl Default for Tally {
    /// No calls, whose times do not matter.
    fn default() -> Self {
        Self { generation: Generation::FIRST, seen: 0, calls: Timed::new(Duration::MAX) }
    }
}

impl Tally {
    /// No calls.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        match policy.trip.rates.map(|rates| rates.window) {
            Some(WindowPolicy::Time(length)) => {
                Self { calls: Timed::new(length), ..Self::default() }
            }
            Some(WindowPolicy::Calls(_)) | None => Self::default(),
        }
    }

    /// Adds a good call that has just ended.
    pub fn add(&mut self, permit: &Permit, now: Timestamp) {
        if permit.is_trial() || permit.generation() < self.generation {
            return;
        }
        if permit.generation() > self.generation {
            self.start(permit.generation(), 0);
        }
        self.calls.add(Counts::well(1), now, now);
    }

    /// Whether there is nothing to write down.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.by_time().all(|(_, counts)| counts == Counts::NONE)
    }

    /// Begins anew, after this breaker was stored and had been [credited](Breaker::credit) with all.
    pub fn begin(&mut self, stored: &Breaker) {
        self.start(stored.generation, stored.remarkable());
    }

    /// Whether this worker knows of so many remarkable calls of a period.
    pub(crate) fn knows(&self, generation: Generation, remarkable: u32) -> bool {
        remarkable == if generation == self.generation { self.seen } else { 0 }
    }

    fn start(&mut self, generation: Generation, seen: u32) {
        let empty = Timed { newest: 0, buckets: Default::default(), ..self.calls };
        *self = Self { generation, seen, calls: empty };
    }
}
