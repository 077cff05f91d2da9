//! What must become of a breaker, by the rules alone.

use std::hash::{Hash, Hasher};

use breaker::{AfterCheck, Policy, StateName, Status};

use crate::settings::deadline;
use crate::worker::{Ending, Job};

/// A check's lease: what it may take and half an interval more, in half steps.
const LEASE: u8 = 3;

/// A rule that was broken.
pub(crate) type Flaw = &'static str;

/// What is known of a breaker by what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Oracle {
    pub(crate) generation: u64,
    pub(crate) state: StateName,
    /// Failures in a row.
    run: u8,
    /// Trials that have succeeded.
    successes: u8,
    /// When it opened.
    opened: u8,
    /// When the check that is being made was taken.
    checked: Option<u8>,
}

/// A record that was written in the place of another.
pub(crate) struct Written<'a> {
    pub(crate) job: &'a Job,
    pub(crate) policy: &'a Policy,
    /// When it was decided.
    pub(crate) now: u8,
    pub(crate) before: Status,
    pub(crate) after: Status,
}

impl Hash for Oracle {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { generation, state, run, successes, opened, checked } = self;
        (generation, *state as u8, run, successes, opened, checked).hash(hasher);
    }
}

impl Oracle {
    pub(crate) const fn new() -> Self {
        let state = StateName::Closed;
        Self { generation: 1, state, run: 0, successes: 0, opened: 0, checked: None }
    }

    /// Takes note of what was written. An error: it breaks a rule.
    pub(crate) fn note(&mut self, written: &Written<'_>) -> Result<(), Flaw> {
        let Written { before, after, .. } = written;
        if (before.generation.number(), before.state) != (self.generation, self.state) {
            return Err("what was written in between is lost");
        }
        let (state, successes) = self.next(written)?;
        let moved = state != self.state;
        if after.state != state {
            return Err("it is in another state than the rules say");
        }
        if after.generation.number() != self.generation.saturating_add(moved.into()) {
            return Err("a period begins without a transition, or not with one");
        }
        if state == StateName::Closed && after.failures != u32::from(self.run) {
            return Err("a failure was lost or counted twice");
        }
        self.generation = after.generation.number();
        self.successes = if moved { 0 } else { successes };
        self.state = state;
        if moved {
            (self.checked, self.run) = (None, 0);
            if state == StateName::Open {
                self.opened = written.now;
            }
        }
        Ok(())
    }

    /// The state that it is to be in, and how many trials have succeeded.
    fn next(&mut self, written: &Written<'_>) -> Result<(StateName, u8), Flaw> {
        let Written { job, policy, now, .. } = written;
        let stays = Ok((self.state, self.successes));
        match (job, self.state) {
            (Job::Settle(call, _), _) if call.generation != self.generation => {
                Err("a late result changes the record")
            }
            (Job::Settle(_, ending), StateName::Closed) => {
                self.run = match ending {
                    Ending::Success => 0,
                    Ending::Failure => self.run.saturating_add(1),
                    Ending::Aborted => return Err("an aborted call changes a closed breaker"),
                };
                let limit = policy.trip.consecutive_failures.map_or(u32::MAX, |it| it.get());
                let is_over = u32::from(self.run) >= limit;
                Ok((if is_over { StateName::Open } else { StateName::Closed }, 0))
            }
            (Job::Settle(call, _), _) if *now >= deadline(call.permit.since) => {
                Err("a trial past its deadline decides")
            }
            (Job::Settle(_, ending), StateName::HalfOpen) => match ending {
                Ending::Failure => Ok((StateName::Open, 0)),
                Ending::Aborted => stays,
                Ending::Success => {
                    let successes = self.successes.saturating_add(1);
                    let enough = u32::from(successes) >= policy.half_open.success_threshold.get();
                    Ok((if enough { StateName::Closed } else { StateName::HalfOpen }, successes))
                }
            },
            (Job::Settle(..), _) => Err("an open breaker has calls of its period"),
            (Job::Admit(_), StateName::Open) => {
                if policy.health_check.is_some() {
                    return Err("a call ends the wait for a health check");
                }
                if *now <= self.opened {
                    return Err("it is asked before its wait is over");
                }
                Ok((StateName::HalfOpen, 0))
            }
            (Job::Admit(_), StateName::HalfOpen) => stays,
            (Job::Admit(_), _) => Err("a call that comes changes a closed breaker"),
            (Job::TakeCheck(_), StateName::Open) => {
                let is_leased = |taken: u8| (*now - taken).saturating_mul(2) < LEASE;
                if self.checked.is_some_and(is_leased) {
                    return Err("two checks are made at once");
                }
                if *now <= self.opened {
                    return Err("it is checked before its wait is over");
                }
                self.checked = Some(*now);
                stays
            }
            (Job::FinishCheck(_, healthy), StateName::Open) => {
                self.checked = None;
                let then = policy.health_check.as_ref().map(|check| check.then);
                match then.filter(|_| *healthy) {
                    None => stays,
                    Some(AfterCheck::Close) => Ok((StateName::Closed, 0)),
                    Some(AfterCheck::HalfOpen) => Ok((StateName::HalfOpen, 0)),
                }
            }
            (Job::TakeCheck(_) | Job::FinishCheck(..), _) => {
                Err("a breaker that is not open is checked")
            }
            (Job::Sync(_), _) => {
                self.checked = None;
                stays
            }
        }
    }
}
