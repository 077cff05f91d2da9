//! No result is lost, and each is counted once.

use std::time::Duration;

use super::{Grant, Oracle};
use crate::record::{Record, State};
use crate::service::{Answer, Outcome};

impl Oracle {
    /// A callback has ended that settles a call.
    pub(crate) fn settled(
        &mut self,
        worker: usize,
        grant: Grant,
        answer: Answer,
        now: Duration,
    ) -> Result<(), String> {
        let (window, records) = self.close(worker)?;
        self.calls.settled(worker, !window.gave_up, now);
        if grant == Grant::Unprotected {
            return Ok(());
        }
        let counted = records.iter().all(|it| Some(it.generation) == grant.generation());
        self.count(grant, answer, counted && !window.gave_up);
        let outcome = grant.outcome(answer);
        self.tally.outcomes[outcome as usize] += 1;
        if window.writes.len() > 1 {
            return Err(format!("a result was written down twice: {:?}", window.writes));
        }
        let Some(generation) = grant.generation() else {
            return Ok(());
        };
        let in_time = records.iter().all(|record| record.generation == generation);
        if records.first().is_some_and(|record| record.generation != generation) {
            self.tally.late += 1;
        }
        if !window.writes.is_empty() || !in_time || window.gave_up {
            return Ok(());
        }
        match must_be_written(&records, grant, outcome, now) {
            None => Ok(()),
            Some(problem) => Err(format!("{problem}: {grant:?} {answer:?}, {records:?}")),
        }
    }
}

/// Why a result that came in time and was not written down should have been.
fn must_be_written(
    records: &[Record],
    grant: Grant,
    outcome: Outcome,
    now: Duration,
) -> Option<&'static str> {
    let all = |state| records.iter().all(|record| record.state == state);
    match (grant, outcome) {
        (Grant::Closed(_), Outcome::Failure) if all(State::Closed) => Some("a failure was lost"),
        (Grant::Closed(_), Outcome::Success)
            if all(State::Closed) && records.iter().all(|r| r.failures > 0 || r.trips > 0) =>
        {
            Some("a success was lost")
        }
        (Grant::Trial { since, lease, .. }, _)
            if (all(State::HalfOpen) || all(State::Open)) && now < since + lease =>
        {
            Some("a trial was lost")
        }
        _ => None,
    }
}
