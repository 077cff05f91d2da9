//! What one worker knows of the latest calls and the others do not, yet.

use core::time::Duration;

use crate::adaptive::tally::{AdaptiveTally, Usual};
use crate::counts::Counts;
use crate::permit::{Generation, Permit};
use crate::policy::Policy;
use crate::time::Timestamp;
use crate::window::{Timed, WindowPolicy};

/// Good calls that one worker has not written down yet, since a healthy service should cost no
/// write for each. Any other call is written down as it ends, and these with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    pub(crate) generation: Generation,
    /// Calls of the period that failed or were slow, as of the last write.
    bad: u32,
    pub(crate) calls: Timed,
    /// The same for the adaptive rule, and since when there are any.
    pub(crate) adaptive: AdaptiveTally,
    since: Timestamp,
}

impl Default for Tally {
    /// No calls, whose times do not matter.
    fn default() -> Self {
        Self {
            generation: Generation::FIRST,
            bad: 0,
            calls: Timed::new(Duration::MAX),
            adaptive: AdaptiveTally::default(),
            since: Timestamp::default(),
        }
    }
}

impl Tally {
    /// No calls.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        match policy.trip.window() {
            Some(WindowPolicy::Time(length)) => {
                Self { calls: Timed::new(length), ..Self::default() }
            }
            Some(WindowPolicy::Calls(_)) | None => Self::default(),
        }
    }

    /// Adds a good call that took so long and has just ended. `usual`: what the adaptive rule takes
    /// for usual, if there is that rule.
    pub fn add(&mut self, permit: &Permit, took: Duration, usual: Option<Usual>, now: Timestamp) {
        let generation = permit.generation;
        if permit.is_trial() || generation < self.generation {
            return;
        }
        if generation > self.generation {
            *self = self.emptied(generation, 0);
        }
        self.calls.add(Counts::well(1), now, now);
        if let Some(usual) = usual {
            if self.adaptive.is_empty() {
                self.since = now;
            }
            self.adaptive.add(usual, took, now);
        }
    }

    /// Since when this worker has kept calls of a period from the adaptive rule.
    pub(crate) fn kept_since(&self, generation: Generation) -> Option<Timestamp> {
        (generation == self.generation && !self.adaptive.is_empty()).then_some(self.since)
    }

    /// Whether there is nothing to write down.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.buckets.iter().all(|counts| counts.calls == 0)
    }

    /// Whether this worker knows of so many bad calls of a period.
    pub(crate) fn knows(&self, generation: Generation, bad: u32) -> bool {
        bad == if generation == self.generation { self.bad } else { 0 }
    }

    /// No calls, of a period of which so many bad ones are known.
    pub(crate) fn emptied(&self, generation: Generation, bad: u32) -> Self {
        let calls = Timed { newest: 0, buckets: Default::default(), ..self.calls };
        Self { generation, bad, calls, ..Self::default() }
    }
}
