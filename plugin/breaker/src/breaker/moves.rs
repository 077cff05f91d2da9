//! The moves from one state to another. Each begins a period.

use core::time::Duration;

use crate::backoff;
use crate::breaker::Breaker;
use crate::check::Check;
use crate::counts::Counts;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::state::{Closed, HalfOpen, Open, State};
use crate::time::{Now, Timestamp};
use crate::transition::Transition;
use crate::trials::Trials;
use crate::trip::Measured;

impl Breaker {
    /// Leaves a state that only a call finds to be over.
    pub(crate) fn leave_if_over(&mut self, policy: &Policy, now: Timestamp) -> Option<Transition> {
        self.bound(policy, now);
        match &mut self.state {
            State::Open(open) => {
                let is_adaptive = open.is_adaptive(self.adaptive.as_ref(), policy);
                if is_adaptive || policy.health_check.is_some() || now < open.retry_at {
                    return None;
                }
                let open = open.clone();
                Some(self.half_open(open, Timestamp::default(), Reason::WaitElapsed))
            }
            // The policy changed, and there may be no slot left for a trial that would close.
            State::HalfOpen(half_open) if half_open.trials.suffice(&policy.half_open) => {
                let (trips, due) = (half_open.trips, half_open.check_due);
                Some(self.close_after_trials(policy, trips, due, now))
            }
            State::HalfOpen(half_open) => {
                half_open.trials.forgive(&policy.half_open);
                None
            }
            State::Closed(_) => None,
        }
    }

    /// Opens the breaker. From then on the check is made by this policy.
    pub(crate) fn trip(
        &mut self,
        policy: &Policy,
        reason: Reason,
        retry_after: Option<Duration>,
        now: Now,
        random: u32,
    ) -> Transition {
        // What the adaptive rule opens it also closes: no wait grows by that.
        let is_fixed = reason != Reason::Adaptive;
        if is_fixed {
            self.forget_evidence();
        }
        let failures = self.state.failures();
        let trips = self.state.trips().saturating_add(is_fixed.into());
        let interval = policy.health_check.as_ref().map_or(Duration::ZERO, |check| check.interval);
        let wait = match retry_after.filter(|_| reason == Reason::RetryAfter) {
            Some(asked) => asked.min(policy.open.max_wait),
            None => backoff::open_wait(&policy.open, interval, trips, retry_after, random),
        };
        // The interval holds over all states: what fails and succeeds in turn ends each row of trips.
        let left = self.state.check_due().since(now.monotonic).min(interval);
        let retry_at = now.monotonic.after(wait.max(left.min(policy.open.max_wait)));
        if let Some(check) = &policy.health_check {
            self.check_settings = check.settings;
        }
        let (opened_at, check) = (now.monotonic, Check::due_at(retry_at));
        let (connection, trials) = (0, Trials::NONE);
        let open = Open { failures, trips, reason, opened_at, retry_at, check, connection, trials };
        let calls = match (&self.state, reason) {
            (State::Closed(closed), Reason::SlowCallRate) => {
                closed.measured.with_overdue(now.monotonic)
            }
            _ => self.counts(now.monotonic),
        };
        Transition { calls, ..self.enter(State::Open(open), reason) }
    }

    pub(crate) fn half_open(
        &mut self,
        open: Open,
        check_due: Timestamp,
        reason: Reason,
    ) -> Transition {
        self.enter(
            State::HalfOpen(HalfOpen {
                failures: open.failures,
                trips: open.trips,
                reason: open.reason,
                opened_at: open.opened_at,
                retry_at: Timestamp::default(),
                check_due,
                trials: Trials::NONE,
            }),
            reason,
        )
    }

    /// Trials that succeeded end a row of trips, unless there is a ramp, which does.
    pub(crate) fn close_after_trials(
        &mut self,
        policy: &Policy,
        trips: u32,
        check_due: Timestamp,
        now: Timestamp,
    ) -> Transition {
        let trips = if policy.half_open.ramp.is_zero() { 0 } else { trips };
        self.close(policy, trips, check_due, Reason::TrialsSucceeded, now)
    }

    pub(crate) fn close(
        &mut self,
        policy: &Policy,
        trips: u32,
        check_due: Timestamp,
        reason: Reason,
        now: Timestamp,
    ) -> Transition {
        self.forget_evidence();
        let measured = Measured::new(self.window);
        let ramp_began = if policy.half_open.ramp.is_zero() { Timestamp::default() } else { now };
        let closed = Closed { measured, trips, ramp_began, check_due };
        self.enter(State::Closed(closed), reason)
    }

    pub(super) fn enter(&mut self, state: State, reason: Reason) -> Transition {
        let from = self.state.name();
        self.generation = self.generation.next();
        self.state = state;
        Transition {
            from,
            to: self.state.name(),
            reason,
            failures: self.state.failures(),
            calls: Counts::NONE,
            generation: self.generation,
            adaptive: None,
        }
    }
}
