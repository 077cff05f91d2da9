//! The adaptive rule: what its writes may change, and that each call is counted once.
//!
//! How much evidence there is, is for the rule to say. From outside it is known what follows: when
//! all calls are diverted, the breaker is open; what changes whose calls pass begins a period; a
//! trial is made when it is time for one; and what is counted are the calls that ended.

use std::time::Duration;

use super::counted::Counted;
use super::{Grant, Oracle};
use crate::record::{Limits, Phase, Record, State};
use crate::service::{Answer, Outcome};
use crate::trace::Doing;

impl Oracle {
    /// What the rule has, before and after a write.
    pub(super) fn limits_of(old: Record, new: Record) -> Option<(Limits, Limits)> {
        Some((old.limits.or(new.limits)?, new.limits?))
    }

    /// What must hold after each write, whoever wrote.
    pub(super) fn limits_hold(&mut self, old: Record, new: Record) -> Result<(), &'static str> {
        let Some((before, after)) = Self::limits_of(old, new) else {
            return if self.rules.adaptive { Err("the rule is gone") } else { Ok(()) };
        };
        if (new.state == State::Open) != after.diverts_all() {
            return Err("open, and not all calls are diverted, or the other way round");
        }
        let comes_back = (before.phase, after.phase) == (Phase::Ramp, Phase::Closed);
        if before.phase != after.phase && new.generation == old.generation && !comes_back {
            return Err("other calls pass than before, and it is the same period");
        }
        let counted = &mut self.counted;
        if new.generation != counted.generation {
            let known = after.phase != Phase::Limited;
            let (from, halved) = (after.calls, after.halved);
            *counted =
                Counted { generation: new.generation, from, halved, known, ..Counted::default() };
        }
        counted.known &= after.halved == counted.halved;
        Ok(())
    }

    /// Whether a write is one that the rule makes.
    pub(super) fn rule_may_write(
        &self,
        old: Record,
        new: Record,
        (doing, grant): (Doing, Option<Grant>),
        (began, now): (Duration, Duration),
    ) -> Result<(), &'static str> {
        let tries = new.places > old.places;
        match (doing, old.state, new.state) {
            (Doing::Request(_), State::Open, State::Open) => {
                let due = old.limits.map_or(0, |it| it.next_trial);
                (now >= Duration::from_nanos(due))
                    .then_some(())
                    .ok_or("a trial was made before it was time")
            }
            (Doing::Request(_), State::Closed, State::Closed) => Ok(()),
            (Doing::Tick, State::Closed, State::Closed) => Ok(()),
            (Doing::Tick, State::Open, State::Open) if !tries => Ok(()),
            (Doing::Head(_, answer) | Doing::End(_, answer), State::Closed | State::Open, to) => {
                let grant = grant.ok_or("a result without a call")?;
                if grant.generation().is_some_and(|generation| generation != old.generation) {
                    return Err("a late result changed the record");
                }
                if let Grant::Trial { by, lease, .. } = grant
                    && began > by + lease
                {
                    return Err("a trial counted whose place was given back");
                }
                let opens = (old.state, to) == (State::Closed, State::Open);
                let failed = grant.outcome(answer) == Outcome::Failure;
                (!tries && to != State::HalfOpen && (!opens || failed))
                    .then_some(())
                    .ok_or("a result led elsewhere")
            }
            _ => Err("the rule does not do that"),
        }
    }

    /// A result was told, of a call that a breaker has let pass that was not open.
    pub(super) fn count(&mut self, grant: Grant, answer: Answer, certain: bool) {
        let judged = matches!(grant.outcome(answer), Outcome::Success | Outcome::Failure);
        let Grant::Closed(generation) = grant else { return };
        let counted = &mut self.counted;
        if judged && generation.is_none_or(|it| it == counted.generation) {
            match certain && generation.is_some() {
                true => counted.certain += 1,
                false => counted.maybe += 1,
            }
        }
    }

    /// A VM has died, and what it knew alone with it.
    pub(super) fn forget_certain(&mut self) {
        let counted = &mut self.counted;
        counted.maybe += std::mem::take(&mut counted.certain);
    }

    /// At rest all calls of the period are in the record.
    pub(crate) fn check_counted(&self) -> Result<(), String> {
        let Some(limits) = self.record().limits else { return Ok(()) };
        let Counted { generation, from, halved, known, certain, maybe } = self.counted;
        let comparable = known && halved == limits.halved && limits.phase != Phase::Limited;
        if !comparable || generation != self.record().generation {
            return Ok(());
        }
        let found = limits.calls - from.min(limits.calls);
        match (certain..=certain + maybe).contains(&found) {
            true => Ok(()),
            false => Err(format!(
                "at rest: the rule has counted {found} calls of generation {generation}, and \
                 should have counted {certain}, or at most {maybe} more"
            )),
        }
    }
}
