//! What becomes of a breaker as calls end.

use core::time::Duration;

use crate::adaptive::call::AdaptiveCall;
use crate::adaptive::tally::Usual;
use crate::breaker::Breaker;
use crate::counts::Counts;
use crate::outcome::{Ended, Impact, Outcome};
use crate::permit::Settlement;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::state::{HalfOpen, Open, State};
use crate::tally::Tally;
use crate::time::{Now, Timestamp};
use crate::transition::Transition;

/// A call that ended as it should, in no time.
const WELL: AdaptiveCall = AdaptiveCall { failed: false, took: Duration::ZERO, told: None };

/// What settling a call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The outcome counted, and may have moved the breaker to another state.
    Counted(Option<Transition>),
    /// The period that admitted the call is over, or its slot was released: nothing changed.
    Late,
}

impl Breaker {
    /// What settling this call would change; `tally` is that of its worker. The time is asked for
    /// if it matters.
    #[must_use]
    pub fn impact(
        &self,
        policy: &Policy,
        call: &Settlement,
        tally: &Tally,
        now: impl FnOnce() -> Timestamp,
    ) -> Impact {
        let late = call.permit.generation != self.generation;
        match &self.state {
            _ if late => Impact::None,
            State::Closed(closed) => match call.ended.impact(Impact::TallyOnly) {
                Impact::TallyOnly if !closed.is_clean(&policy.trip) => Impact::Write,
                Impact::TallyOnly if self.is_to_be_told(policy, call.ended, tally, now) => {
                    Impact::Write
                }
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
        let of_rule = self.rule(policy).map(|(rule, of)| rule.may_wait(of, &WELL).is_some());
        match (policy.trip.window(), of_rule) {
            _ if !tally.knows(self.generation, self.bad()) => Impact::Write,
            (_, Some(false)) => Impact::Write,
            (None, None) => Impact::None,
            (Some(_), _) | (None, Some(true)) => Impact::TallyOnly,
        }
    }

    /// Changes the breaker by what became of a call. `random` is uniform over all its values: it
    /// spreads the wait of a trip.
    pub fn settle(&mut self, policy: &Policy, call: &Settlement, now: Now, random: u32) -> Settled {
        let Settlement { permit, ended } = call;
        if permit.generation != self.generation {
            return Settled::Late;
        }
        if let State::Closed(closed) = &mut self.state
            && ended.told.is_slow()
        {
            let says_more = ended.of_adaptive().is_some();
            closed.measured.end_overdue(says_more, now.monotonic);
        }
        if let State::HalfOpen(HalfOpen { trials, .. }) | State::Open(Open { trials, .. }) =
            &mut self.state
        {
            let released = permit.slot.is_some_and(|slot| trials.release(slot, now.monotonic));
            if !released {
                return Settled::Late;
            }
        }
        Settled::Counted(match ended.outcome {
            Outcome::Success => self.succeed(policy, *ended, now, random),
            Outcome::Failure { retry_after, at_once } => {
                self.fail(policy, *ended, (retry_after, at_once), now, random)
            }
            Outcome::Declined { retry_after } => {
                self.decline(policy, retry_after, now.monotonic);
                None
            }
            Outcome::Ignored | Outcome::Aborted => None,
        })
    }

    /// Adds the good calls that a worker has kept to itself. Once this breaker is stored, the
    /// worker goes on with [another tally](Self::next_tally).
    pub fn merge(
        &mut self,
        policy: &Policy,
        tally: &Tally,
        now: Now,
        random: u32,
    ) -> Option<Transition> {
        self.ensure_kept(policy);
        let State::Closed(closed) = &mut self.state else {
            return None;
        };
        if tally.generation != self.generation || tally.is_empty() {
            return None;
        }
        let at = now.monotonic;
        for (end, counts) in tally.calls.by_time() {
            if counts != Counts::NONE {
                closed.measured.window.add(counts, end.min(at), at);
            }
        }
        self.tell(policy, now, random, |rule, of| rule.merge(of, &tally.adaptive, at))
    }

    /// What a worker has to know of the adaptive rule to keep good calls to itself; `None`: there
    /// is no such rule.
    #[must_use]
    pub fn usual(&self, policy: &Policy) -> Option<Usual> {
        self.rule(policy).map(|(rule, of)| rule.usual(of))
    }

    /// Whether the adaptive rule is to be told of a good call at once, and of those that its worker
    /// has kept.
    fn is_to_be_told(
        &self,
        policy: &Policy,
        ended: Ended,
        tally: &Tally,
        now: impl FnOnce() -> Timestamp,
    ) -> bool {
        let Some(((rule, of), call)) = self.rule(policy).zip(ended.of_adaptive()) else {
            return false;
        };
        match rule.may_wait(of, &call) {
            None => true,
            Some(wait) if rule.is_limiting() => {
                tally.kept_since(self.generation).is_some_and(|since| now().since(since) >= wait)
            }
            // The timer does.
            Some(_) => false,
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
        ended: Ended,
        now: Now,
        random: u32,
    ) -> Option<Transition> {
        self.note_success(now.wall);
        self.ensure_kept(policy);
        match &mut self.state {
            State::Closed(closed) => {
                // What succeeds while it is spared says less.
                if !closed.is_ramping() {
                    closed.trips = 0;
                }
                let call = Counts::one(false, ended.is_slow());
                match policy.trip.count(&mut closed.measured, call, now.monotonic) {
                    Some(reason) => Some(self.trip(policy, reason, None, now, random)),
                    None => self.tell_end(policy, ended, now, random),
                }
            }
            // What is too slow for a closed breaker is too slow to close one.
            State::HalfOpen(half_open) if ended.slow => {
                let enough = half_open.trials.fail(&policy.half_open);
                enough.then(|| self.trip(policy, Reason::TrialFailed, None, now, random))
            }
            State::HalfOpen(half_open) => {
                half_open.trials.successes = half_open.trials.successes.saturating_add(1);
                let (trips, due) = (half_open.trips, half_open.check_due);
                let enough = half_open.trials.suffice(&policy.half_open);
                enough.then(|| self.close_after_trials(policy, trips, due, now.monotonic))
            }
            State::Open(_) => self.tell_end(policy, ended, now, random),
        }
    }

    fn fail(
        &mut self,
        policy: &Policy,
        ended: Ended,
        (retry_after, at_once): (Option<Duration>, bool),
        now: Now,
        random: u32,
    ) -> Option<Transition> {
        self.last_failure = Some(now.wall);
        self.ensure_kept(policy);
        let transition = match &mut self.state {
            State::Closed(closed) => {
                let call = Counts::one(true, ended.is_slow());
                let reached = policy.trip.count(&mut closed.measured, call, now.monotonic);
                match at_once.then_some(Reason::RetryAfter).or(reached) {
                    Some(reason) => Some(self.trip(policy, reason, retry_after, now, random)),
                    None => self.tell_end(policy, ended, now, random),
                }
            }
            State::HalfOpen(half_open) => {
                half_open.failures = half_open.failures.saturating_add(1);
                let enough = half_open.trials.fail(&policy.half_open);
                enough.then(|| self.trip(policy, Reason::TrialFailed, retry_after, now, random))
            }
            State::Open(_) => self.tell_end(policy, ended, now, random),
        };
        if let Some(asked) = retry_after.filter(|_| policy.open.honor_retry_after) {
            self.postpone_trial(policy, asked, now.monotonic);
        }
        transition
    }

    fn tell_end(
        &mut self,
        policy: &Policy,
        ended: Ended,
        now: Now,
        random: u32,
    ) -> Option<Transition> {
        let call = ended.of_adaptive()?;
        self.tell(policy, now, random, |rule, of| rule.settle(of, &call, now.monotonic))
    }

    /// A trial was answered, and it is as open as before whether the service is well.
    fn decline(&mut self, policy: &Policy, retry_after: Option<Duration>, now: Timestamp) {
        // No time at all, or a date that has passed, would have it asked as fast as calls come.
        let honored = |asked: &Duration| policy.open.honor_retry_after && !asked.is_zero();
        let asked = retry_after.filter(honored);
        let wait = asked.unwrap_or_else(|| policy.pause());
        match &mut self.state {
            State::HalfOpen(half_open) => {
                half_open.pause(wait.min(policy.half_open.max_wait), now);
            }
            State::Open(_) => self.postpone_trial(policy, wait, now),
            State::Closed(_) => {}
        }
    }
}
