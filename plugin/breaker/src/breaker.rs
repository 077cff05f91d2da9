//! The state machine: admit, settle, check.

use core::time::Duration;

use crate::backoff;
use crate::check::{Check, CheckResult, CheckTicket};
use crate::outcome::Outcome;
use crate::permit::{Generation, Permit};
use crate::policy::{AfterCheck, Policy};
use crate::reason::{DivertReason, Reason, StateName, Transition};
use crate::state::{Closed, HalfOpen, Open, State};
use crate::time::{Now, Timestamp, UnixTime};
use crate::trials::Trials;

/// The circuit breaker of one service. See the [crate's contract](crate).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    pub(crate) generation: Generation,
    pub(crate) state: State,
    pub(crate) last_failure: Option<UnixTime>,
    pub(crate) last_success: Option<UnixTime>,
    /// By which settings the health check is made, over all states; zero: none was named yet.
    pub(crate) check_settings: u32,
}

/// Whether a call may be made.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may, and its outcome is to be settled.
    Admitted(Permit),
    /// It may not.
    Diverted(DivertReason),
}

/// What settling a call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The outcome counted, and may have moved the breaker to another state.
    Counted(Option<Transition>),
    /// The period that admitted the call is over, or its place was given back: nothing changed.
    Late,
}

/// What there is to show of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: StateName,
    /// The period.
    pub generation: Generation,
    /// Failures since the last success.
    pub failures: u32,
    /// Why it is not closed.
    pub trip_reason: Option<Reason>,
    /// Since when it is not closed.
    pub opened_at: Option<Timestamp>,
    /// When an open breaker may leave that state at the earliest.
    pub retry_at: Option<Timestamp>,
    /// Trials in flight.
    pub trials_in_flight: u32,
    /// When a call last failed.
    pub last_failure: Option<UnixTime>,
    /// When a call last succeeded.
    pub last_success: Option<UnixTime>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Breaker {
    /// A closed breaker that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            generation: Generation::FIRST,
            state: State::Closed(Closed { failures: 0, trips: 0 }),
            last_failure: None,
            last_success: None,
            check_settings: 0,
        }
    }

    /// Admits a call without a look at the clock, which a closed breaker does not need.
    /// `None`: ask [`admit`](Self::admit).
    #[must_use]
    pub const fn admit_closed(&self) -> Option<Permit> {
        match self.state {
            State::Closed(_) => Some(Permit { generation: self.generation, place: None }),
            _ => None,
        }
    }

    /// The period of a breaker that is closed and has nothing to forget: as long as it is so, each
    /// call may be made with [`Permit::closed`], and none but a failure changes anything.
    #[must_use]
    pub const fn clean_generation(&self) -> Option<Generation> {
        match self.state {
            State::Closed(Closed { failures: 0, trips: 0 }) => Some(self.generation),
            _ => None,
        }
    }

    /// Whether settling this outcome would change nothing, so that no clock need be read.
    #[must_use]
    pub fn is_unmoved_by(&self, permit: &Permit, outcome: Outcome) -> bool {
        let late = permit.generation != self.generation;
        late || match (&self.state, outcome) {
            (State::Closed(closed), Outcome::Success) => *closed == Closed::default(),
            (State::Closed(_), Outcome::Ignored | Outcome::Aborted) => true,
            _ => false,
        }
    }

    /// Admits or diverts a call. The wait of an open breaker without a health check ends here:
    /// the first call after it is the first trial.
    pub fn admit(&mut self, policy: &Policy, now: Timestamp) -> (Admission, Option<Transition>) {
        let transition = self.leave_if_over(policy, now);
        let generation = self.generation;
        let admission = match &mut self.state {
            State::Closed(_) => Admission::Admitted(Permit { generation, place: None }),
            State::Open(_) => Admission::Diverted(DivertReason::Open),
            State::HalfOpen(half_open) => match half_open.trials.take(&policy.half_open, now) {
                Some(place) => Admission::Admitted(Permit { generation, place: Some(place) }),
                None => Admission::Diverted(DivertReason::HalfOpen),
            },
        };
        (admission, transition)
    }

    /// Writes down what became of a call. `random` is uniform and spreads the wait of a trip.
    pub fn settle(
        &mut self,
        policy: &Policy,
        permit: Permit,
        outcome: Outcome,
        now: Now,
        random: u32,
    ) -> Settlement {
        if permit.generation != self.generation {
            return Settlement::Late;
        }
        if let State::HalfOpen(half_open) = &mut self.state {
            let given_back =
                permit.place.is_some_and(|place| half_open.trials.give_back(place, now.monotonic));
            if !given_back {
                return Settlement::Late;
            }
        }
        let transition = match outcome {
            Outcome::Success => self.succeed(policy, now),
            Outcome::Failure { retry_after } => self.fail(policy, retry_after, now, random),
            Outcome::Ignored | Outcome::Aborted => None,
        };
        Settlement::Counted(transition)
    }

    /// Puts a policy's health check in force, in place of another's. That of a policy which is
    /// still at work elsewhere, as that of a replaced configuration may be, is not made from now
    /// on; unless the one in force is abandoned. A policy without a check puts none out of force:
    /// it may be that of a listener which only shows what there is.
    pub fn adopt_check(&mut self, policy: &Policy, now: Timestamp) {
        let Some(check) = &policy.health_check else {
            return;
        };
        if check.settings == self.check_settings {
            return;
        }
        self.check_settings = check.settings;
        if let State::Open(open) = &mut self.state {
            open.check.start_over(open.retry_at.max(now));
        }
    }

    /// Takes the lease on the next health check, if this breaker is open, has one, and it is due.
    pub fn take_check(&mut self, policy: &Policy, now: Timestamp) -> Option<CheckTicket> {
        let health_check = policy.health_check.as_ref()?;
        let State::Open(open) = &mut self.state else {
            return None;
        };
        if self.check_settings != health_check.settings {
            if !open.check.is_abandoned(health_check, now) {
                return None;
            }
            self.check_settings = health_check.settings;
            open.check.start_over(now);
        }
        let turn = open.check.take(health_check, policy.open.max_wait, now)?;
        Some(CheckTicket { generation: self.generation, turn })
    }

    /// Writes down what a health check said. One that was not asked for, or whose lease another
    /// has taken since, changes nothing.
    pub fn finish_check(
        &mut self,
        policy: &Policy,
        ticket: CheckTicket,
        result: CheckResult,
        now: Timestamp,
    ) -> Option<Transition> {
        let health_check = policy.health_check.as_ref()?;
        let State::Open(open) = &mut self.state else {
            return None;
        };
        let held = ticket.generation == self.generation && ticket.turn == open.check.turn;
        if !held || !open.check.finish(health_check, result, now) {
            return None;
        }
        let open = open.clone();
        Some(match health_check.then {
            AfterCheck::Close => self.close(open.trips, Reason::HealthCheck),
            AfterCheck::HalfOpen => self.half_open(open, Reason::HealthCheck),
        })
    }

    /// Writes down when a call last succeeded, which admission and settling leave out so that a
    /// healthy service costs no write. An earlier time than the one known changes nothing.
    pub fn note_success(&mut self, at: UnixTime) {
        if self.last_success.is_none_or(|known| known.as_nanos() < at.as_nanos()) {
            self.last_success = Some(at);
        }
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> StateName {
        self.state.name()
    }

    /// What there is to show.
    #[must_use]
    pub fn status(&self) -> Status {
        let (trip_reason, opened_at, retry_at, trials_in_flight) = match &self.state {
            State::Closed(_) => (None, None, None, 0),
            State::Open(open) => (Some(open.reason), Some(open.opened_at), Some(open.retry_at), 0),
            State::HalfOpen(half_open) => (
                Some(half_open.reason),
                Some(half_open.opened_at),
                None,
                half_open.trials.in_flight(),
            ),
        };
        Status {
            state: self.state.name(),
            generation: self.generation,
            failures: self.state.failures(),
            trip_reason,
            opened_at,
            retry_at,
            trials_in_flight,
            last_failure: self.last_failure,
            last_success: self.last_success,
        }
    }

    /// Leaves a state that only a call finds to be over.
    fn leave_if_over(&mut self, policy: &Policy, now: Timestamp) -> Option<Transition> {
        match &mut self.state {
            State::Open(open) => {
                // No wait is longer than the longest, even one from before the clock stepped back
                // or the policy changed.
                open.retry_at = open.retry_at.min(now.after(policy.open.max_wait));
                if policy.health_check.is_some() || now < open.retry_at {
                    return None;
                }
                let open = open.clone();
                Some(self.half_open(open, Reason::WaitElapsed))
            }
            // The policy changed, and there may be no place left for a trial that would close.
            State::HalfOpen(half_open) if half_open.trials.suffice(&policy.half_open) => {
                Some(self.close(0, Reason::TrialsSucceeded))
            }
            _ => None,
        }
    }

    fn succeed(&mut self, policy: &Policy, now: Now) -> Option<Transition> {
        self.note_success(now.wall);
        match &mut self.state {
            State::Closed(closed) => *closed = Closed::default(),
            State::HalfOpen(half_open) => {
                half_open.trials.successes = half_open.trials.successes.saturating_add(1);
                if half_open.trials.suffice(&policy.half_open) {
                    return Some(self.close(0, Reason::TrialsSucceeded));
                }
            }
            State::Open(_) => {}
        }
        None
    }

    fn fail(
        &mut self,
        policy: &Policy,
        retry_after: Option<Duration>,
        now: Now,
        random: u32,
    ) -> Option<Transition> {
        self.last_failure = Some(now.wall);
        let (failures, trips, reason) = match &mut self.state {
            State::Closed(closed) => {
                closed.failures = closed.failures.saturating_add(1);
                let limit = policy.trip.consecutive_failures?;
                if closed.failures < limit.get() {
                    return None;
                }
                (closed.failures, closed.trips, Reason::ConsecutiveFailures)
            }
            State::HalfOpen(half_open) => {
                (half_open.failures.saturating_add(1), half_open.trips, Reason::TrialFailed)
            }
            State::Open(_) => return None,
        };
        let trips = trips.saturating_add(1);
        let wait = backoff::open_wait(&policy.open, trips, retry_after, random);
        let retry_at = now.monotonic.after(wait);
        Some(self.enter(
            State::Open(Open {
                failures,
                trips,
                reason,
                opened_at: now.monotonic,
                retry_at,
                check: Check::due_at(retry_at),
            }),
            reason,
        ))
    }

    fn half_open(&mut self, open: Open, reason: Reason) -> Transition {
        self.enter(
            State::HalfOpen(HalfOpen {
                failures: open.failures,
                trips: open.trips,
                reason: open.reason,
                opened_at: open.opened_at,
                trials: Trials::NONE,
            }),
            reason,
        )
    }

    fn close(&mut self, trips: u32, reason: Reason) -> Transition {
        self.enter(State::Closed(Closed { failures: 0, trips }), reason)
    }

    fn enter(&mut self, state: State, reason: Reason) -> Transition {
        let from = self.state.name();
        self.generation = self.generation.next();
        self.state = state;
        Transition {
            from,
            to: self.state.name(),
            reason,
            failures: self.state.failures(),
            generation: self.generation,
        }
    }
}
