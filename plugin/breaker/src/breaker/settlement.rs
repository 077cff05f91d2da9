//! What becomes of a breaker as calls end.

use core::time::Duration;

use crate::breaker::Breaker;
use crate::counts::Counts;
use crate::outcome::{Ended, Impact, Outcome};
use crate::permit::Settlement;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::state::State;
use crate::tally::Tally;
use crate::time::{Now, Timestamp};
use crate::transition::Transition;

/// What settling a call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The outcome counted, and may have moved the breaker to another state.
    Counted(Option<Transition>),
    /// The period that admitted the call is over, or its slot was released: nothing changed.
    Late,
}

impl Breaker {
    /// What settling this call would change; `tally` is that of its worker.
    #[must_use]
    pub fn impact(&self, policy: &Policy, call: &Settlement, tally: &Tally) -> Impact {
        let late = call.permit.generation != self.generation;
        match &self.state {
            _ if late => Impact::None,
            State::Closed(closed) => match call.ended.impact(Impact::TallyOnly) {
                Impact::TallyOnly if !closed.is_clean(&policy.trip) => Impact::Write,
                Impact::TallyOnly => self.impact_where_clean(policy, tally),
                impact => impact,
            },
            State::Open(_) | State::HalfOpen(_) => Impact::Write,
        }
    }

    /// What a good call changes of a [clean](Self::clean) breaker. If there are failures or slow
    /// calls that its worker has not seen, it is time to write down the good ones that it has kept
    /// to itself, so that the share of the others is not taken for larger than it is.
    #[must_use]
    pub fn impact_where_clean(&self, policy: &Policy, tally: &Tally) -> Impact {
        match policy.trip.window() {
            _ if !tally.knows(self.generation, self.bad()) => Impact::Write,
            Some(_) => Impact::TallyOnly,
            None => Impact::None,
        }
    }

    /// Changes the breaker by what became of a call. `random` is uniform over all its values: it
    /// spreads the wait of a trip.
    pub fn settle(&mut self, policy: &Policy, call: &Settlement, now: Now, random: u32) -> Settled {
        let Settlement { permit, ended: Ended { outcome, slow } } = call;
        if permit.generation != self.generation {
            return Settled::Late;
        }
        if let State::HalfOpen(half_open) = &mut self.state {
            let released =
                permit.slot.is_some_and(|slot| half_open.trials.release(slot, now.monotonic));
            if !released {
                return Settled::Late;
            }
        }
        Settled::Counted(match *outcome {
            Outcome::Success => self.succeed(policy, *slow, now, random),
            Outcome::Failure { retry_after } => self.fail(policy, *slow, retry_after, now, random),
            Outcome::Declined { retry_after } => {
                self.decline(policy, retry_after, now.monotonic);
                None
            }
            Outcome::Ignored | Outcome::Aborted => None,
        })
    }

    /// Adds the good calls that a worker has kept to itself. Once this breaker is stored, the
    /// worker goes on with [another tally](Self::next_tally).
    pub fn merge(&mut self, policy: &Policy, tally: &Tally, now: Timestamp) {
        self.ensure_window(policy);
        if let State::Closed(closed) = &mut self.state
            && tally.generation == self.generation
            && !tally.is_empty()
        {
            for (end, counts) in tally.calls.by_time() {
                if counts != Counts::NONE {
                    closed.measured.window.add(counts, end.min(now), now);
                }
            }
        }
    }

    /// What a worker goes on with whose tally was merged, once this breaker is stored.
    #[must_use]
    pub fn next_tally(&self, merged: &Tally) -> Tally {
        merged.emptied(self.generation, self.bad())
    }

    /// Opens a closed breaker if a rate has been reached: calls that were
    /// [merged](Self::merge) may have made them enough.
    pub fn evaluate(&mut self, policy: &Policy, now: Now, random: u32) -> Option<Transition> {
        let State::Closed(closed) = &self.state else {
            return None;
        };
        let reason = policy.trip.reached(&closed.measured, Counts::NONE, now.monotonic)?;
        Some(self.trip(policy, reason, None, now, random))
    }

    fn succeed(
        &mut self,
        policy: &Policy,
        slow: bool,
        now: Now,
        random: u32,
    ) -> Option<Transition> {
        self.note_success(now.wall);
        self.ensure_window(policy);
        match &mut self.state {
            State::Closed(closed) => {
                // What succeeds while it is spared says less.
                if !closed.is_ramping() {
                    closed.trips = 0;
                }
                let call = Counts::one(false, slow);
                let reason = policy.trip.count(&mut closed.measured, call, now.monotonic)?;
                Some(self.trip(policy, reason, None, now, random))
            }
            // What is too slow for a closed breaker is too slow to close one.
            State::HalfOpen(_) if slow => {
                Some(self.trip(policy, Reason::TrialFailed, None, now, random))
            }
            State::HalfOpen(half_open) => {
                half_open.trials.successes = half_open.trials.successes.saturating_add(1);
                let (trips, due) = (half_open.trips, half_open.check_due);
                let enough = half_open.trials.suffice(&policy.half_open);
                enough.then(|| self.close_after_trials(policy, trips, due, now.monotonic))
            }
            State::Open(_) => None,
        }
    }

    fn fail(
        &mut self,
        policy: &Policy,
        slow: bool,
        retry_after: Option<Duration>,
        now: Now,
        random: u32,
    ) -> Option<Transition> {
        self.last_failure = Some(now.wall);
        self.ensure_window(policy);
        match &mut self.state {
            State::Closed(closed) => {
                let call = Counts::one(true, slow);
                let reason = policy.trip.count(&mut closed.measured, call, now.monotonic)?;
                Some(self.trip(policy, reason, retry_after, now, random))
            }
            State::HalfOpen(half_open) => {
                half_open.failures = half_open.failures.saturating_add(1);
                Some(self.trip(policy, Reason::TrialFailed, retry_after, now, random))
            }
            State::Open(_) => None,
        }
    }

    /// A trial was answered, and it is as open as before whether the service is well.
    fn decline(&mut self, policy: &Policy, retry_after: Option<Duration>, now: Timestamp) {
        if let State::HalfOpen(half_open) = &mut self.state {
            // No time at all, or a date that has passed, would have it asked as fast as calls come.
            let honored = |asked: &Duration| policy.open.honor_retry_after && !asked.is_zero();
            let asked = retry_after.filter(honored);
            let wait = asked.unwrap_or_else(|| policy.pause());
            half_open.pause(wait.min(policy.half_open.max_wait), now);
        }
    }
}
