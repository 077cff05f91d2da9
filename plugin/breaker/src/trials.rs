//! The trial slots of a half-open breaker: leases with deadlines, never more than there are.
//!
//! A call whose request is not complete may never become a trial of the service: it is the client
//! that keeps it from that. So it has a second to complete, or its slot returns; and for one more
//! second that slot is for a request that is complete from the start, or those who send requests
//! without an end, and often enough, would have it all the time. Where no such request comes, as to
//! a service that knows requests with bodies only, that second would be lost each time: once it has
//! passed unused, the next one is left out.

use core::time::Duration;

use crate::permit::{Permit, TrialSlot};
use crate::policy::{HalfOpenPolicy, MAX_PERMITTED_CALLS};
use crate::time::Timestamp;

pub(crate) const SLOTS: usize = MAX_PERMITTED_CALLS as usize;

/// How long a trial has to complete its request.
const TO_COMPLETE: Duration = Duration::from_secs(1);

/// The end of a trial's time, in which it is enough that its answer comes: a second, or a quarter of
/// it if that is longer, but no more than half.
const ENDING: Duration = Duration::from_secs(1);

/// How long a slot is kept for complete requests.
const EXCLUSIVE: Duration = Duration::from_secs(1);

/// A deadline of zero marks a free slot; the monotonic clock is never there again.
const FREE: Timestamp = Timestamp::from_nanos(0);

/// Free as well, but complete requests had it to themselves before, and none came.
const UNUSED: Timestamp = Timestamp::from_nanos(1);

/// Trials in flight and done in one half-open period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trials {
    pub(crate) deadlines: [Timestamp; SLOTS],
    pub(crate) successes: u32,
    pub(crate) failures: u32,
}

impl Trials {
    pub(crate) const NONE: Self = Self { deadlines: [FREE; SLOTS], successes: 0, failures: 0 };

    /// Acquires a slot for a request, complete or not, if one is left after those of trials past
    /// their deadline came back.
    pub(crate) fn acquire(
        &mut self,
        policy: &HalfOpenPolicy,
        complete: bool,
        now: Timestamp,
    ) -> Option<TrialSlot> {
        self.expire(now);
        let is_reserved = |at: &Timestamp| is_reserved(*at, now);
        let reserved = count(&self.deadlines, is_reserved);
        let available = if complete { reserved } else { 0 };
        let in_flight = self.in_flight().saturating_sub(available);
        let taken = in_flight.saturating_add(self.successes).saturating_add(self.failures);
        if taken >= policy.permitted_calls.get() {
            return None;
        }
        let complete_deadline = deadline(policy, now);
        // A reserved one first, if it may be had: the others are left to all.
        let mut slots = self.deadlines.iter();
        let number = match available {
            0 => slots.position(is_free),
            _ => slots.position(is_reserved),
        }?;
        let held = self.deadlines.get_mut(number)?;
        let part = complete_deadline.min(now.after(TO_COMPLETE));
        *held = match (complete, *held) {
            (true, _) => complete_deadline,
            (false, UNUSED) => even(part),
            (false, _) => odd(part),
        };
        Some(TrialSlot { number, deadline: *held, complete_deadline })
    }

    /// The request of a trial is complete, and its slot its own for longer. `false`: it has none
    /// any more.
    pub(crate) fn complete(&mut self, slot: TrialSlot, now: Timestamp) -> bool {
        self.set(slot, slot.complete_deadline, now)
    }

    /// Releases a slot. `false` if it was no longer this trial's.
    pub(crate) fn release(&mut self, slot: TrialSlot, now: Timestamp) -> bool {
        self.set(slot, FREE, now)
    }

    /// Gives another deadline to a slot that is this trial's still. `false` if it is not.
    fn set(&mut self, slot: TrialSlot, to: Timestamp, now: Timestamp) -> bool {
        let held = self.deadlines.get_mut(slot.number);
        match held.filter(|held| **held == slot.deadline && now < slot.deadline) {
            Some(held) => {
                *held = to;
                true
            }
            None => false,
        }
    }

    /// No trial has its slot for longer than one that begins now, even one from before the clock
    /// stepped back or the policy changed. Its holder is not known any more then, and comes too late.
    pub(crate) fn bound(&mut self, policy: &HalfOpenPolicy, now: Timestamp) {
        let latest = deadline(policy, now);
        let to_complete = odd(latest.min(now.after(TO_COMPLETE)));
        for at in &mut self.deadlines {
            if !is_odd(*at) || *at > to_complete {
                *at = (*at).min(latest);
            }
        }
    }

    /// Releases the slots of trials past their deadline, unless complete requests have them to
    /// themselves.
    fn expire(&mut self, now: Timestamp) {
        for at in &mut self.deadlines {
            if *at <= now && !is_reserved(*at, now) {
                *at = if is_odd(*at) { UNUSED } else { FREE };
            }
        }
    }

    /// Whether enough have succeeded: as many as asked for, or as may be made.
    pub(crate) fn suffice(&self, policy: &HalfOpenPolicy) -> bool {
        self.successes >= policy.success_threshold.min(policy.permitted_calls).get()
    }

    /// Counts one that failed. `true`: they are too many.
    pub(crate) fn fail(&mut self, policy: &HalfOpenPolicy) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failures >= policy.failure_threshold.get()
    }

    /// Forgets those that failed if none can be made any more, and they decide nothing: that is so
    /// by another policy than they were made by.
    pub(crate) fn forgive(&mut self, policy: &HalfOpenPolicy) {
        if self.successes.saturating_add(self.failures) >= policy.permitted_calls.get() {
            self.failures = 0;
        }
    }

    /// Slots that are not free for all.
    pub(crate) fn in_flight(&self) -> u32 {
        count(&self.deadlines, |at| !is_free(at))
    }
}

impl Permit {
    /// Whether the time of a trial is nearly over. One whose answer began well and comes still has
    /// shown enough by then: its end may be hours away.
    #[must_use]
    pub fn is_nearly_over(&self, policy: &HalfOpenPolicy, now: Timestamp) -> bool {
        let lease = match self.awaits_request() {
            true => policy.max_wait.min(TO_COMPLETE),
            false => policy.max_wait,
        };
        let part = |of| lease.checked_div(of).unwrap_or_default();
        let ending = part(4).max(ENDING).min(part(2));
        self.slot.is_some_and(|slot| now < slot.deadline && slot.deadline <= now.after(ending))
    }
}

/// When a trial that begins now has to have ended. Even one without a deadline to speak of holds its
/// slot for a moment.
fn deadline(policy: &HalfOpenPolicy, now: Timestamp) -> Timestamp {
    even(now.after(policy.max_wait.max(Duration::from_millis(1))))
}

fn count(deadlines: &[Timestamp], matches: impl Fn(&Timestamp) -> bool) -> u32 {
    let matching = deadlines.iter().filter(|at| matches(at)).count();
    u32::try_from(matching).unwrap_or(u32::MAX)
}

fn is_free(at: &Timestamp) -> bool {
    [FREE, UNUSED].contains(at)
}

/// Whether a slot is complete requests' alone: its trial was given up before its request was
/// complete, and not long ago.
fn is_reserved(at: Timestamp, now: Timestamp) -> bool {
    is_odd(at) && at <= now && now < at.after(EXCLUSIVE)
}

/// The lowest bit of a deadline, a nanosecond, says that complete requests are next.
const fn is_odd(at: Timestamp) -> bool {
    at.as_nanos() & 1 != 0
}

const fn odd(at: Timestamp) -> Timestamp {
    Timestamp::from_nanos(at.as_nanos() | 1)
}

const fn even(at: Timestamp) -> Timestamp {
    Timestamp::from_nanos(at.as_nanos() & !1)
}
