//! The places of a half-open breaker: leases with deadlines, never more than there are.

use core::time::Duration;

use crate::permit::Place;
use crate::policy::{HalfOpenPolicy, MAX_PERMITTED_CALLS};
use crate::time::Timestamp;

pub(crate) const SLOTS: usize = MAX_PERMITTED_CALLS as usize;

/// A deadline of zero marks a free slot; the monotonic clock is never there again.
const FREE: Timestamp = Timestamp::from_nanos(0);

/// Trials in flight and done in one half-open period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trials {
    pub(crate) deadlines: [Timestamp; SLOTS],
    pub(crate) successes: u32,
}

impl Trials {
    pub(crate) const NONE: Self = Self { deadlines: [FREE; SLOTS], successes: 0 };

    /// Takes a place, if one is left after those of trials past their deadline came back.
    pub(crate) fn take(&mut self, policy: &HalfOpenPolicy, now: Timestamp) -> Option<Place> {
        for deadline in &mut self.deadlines {
            if *deadline <= now {
                *deadline = FREE;
            }
        }
        if self.in_flight().saturating_add(self.successes) >= policy.permitted_calls.get() {
            return None;
        }
        let deadline = deadline(policy, now);
        let (slot, free) = self.deadlines.iter_mut().enumerate().find(|(_, at)| **at == FREE)?;
        *free = deadline;
        Some(Place { slot, deadline })
    }

    /// No trial has its place for longer than one that begins now, even one from before the clock
    /// stepped back or the policy changed. Its holder is not known any more then, and comes too late.
    pub(crate) fn bound(&mut self, policy: &HalfOpenPolicy, now: Timestamp) {
        let latest = deadline(policy, now);
        for deadline in &mut self.deadlines {
            *deadline = (*deadline).min(latest);
        }
    }

    /// Gives a place back. `false` if it was no longer this trial's.
    pub(crate) fn give_back(&mut self, place: Place, now: Timestamp) -> bool {
        match self.deadlines.get_mut(place.slot) {
            Some(held) if *held == place.deadline && now < place.deadline => {
                *held = FREE;
                true
            }
            _ => false,
        }
    }

    /// Whether enough have succeeded: as many as asked for, or as may be made.
    pub(crate) fn suffice(&self, policy: &HalfOpenPolicy) -> bool {
        self.successes >= policy.success_threshold.min(policy.permitted_calls).get()
    }

    pub(crate) fn in_flight(&self) -> u32 {
        let taken = self.deadlines.iter().filter(|at| **at != FREE).count();
        u32::try_from(taken).unwrap_or(u32::MAX)
    }
}

/// When a trial that begins now has to have ended. Even one without a deadline to speak of holds its
/// place for a moment.
fn deadline(policy: &HalfOpenPolicy, now: Timestamp) -> Timestamp {
    now.after(policy.max_wait.max(Duration::from_millis(1)))
}
