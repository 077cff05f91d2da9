//! What a write of the record may change, by what its writer was about.

use std::time::Duration;

use super::{Grant, Oracle};
use crate::record::{Record, State};
use crate::service::{Answer, Outcome};
use crate::trace::Doing;

impl Oracle {
    /// A worker has written the record.
    pub(crate) fn wrote(
        &mut self,
        worker: usize,
        new: Record,
        now: Duration,
    ) -> Result<(), String> {
        let old = self.record();
        self.tally.writes += 1;
        let window = self.windows[worker].as_mut().ok_or("a write out of nowhere")?;
        let (doing, grant, began) = (window.doing, window.grant, window.began);
        window.writes.push((old, new));
        self.history.push_back(new);
        let moved = match (new.generation.checked_sub(old.generation), new.state == old.state) {
            (Some(0), true) => false,
            (Some(1), false) => true,
            // The adaptive rule has others pass.
            (Some(1), true) if self.rules.adaptive => {
                self.tally.turns += 1;
                false
            }
            _ => return Err(format!("no transition leads from {old:?} to {new:?}")),
        };
        self.limits_hold(old, new).map_err(|it| format!("{it}: {doing:?}, {old:?} -> {new:?}"))?;
        let allowed = match doing {
            Doing::Request(_) | Doing::Tick if self.rules.adaptive => {
                self.rule_may_write(old, new, (doing, grant), (began, now))
            }
            Doing::Head(id, answer) | Doing::End(id, answer) if self.rules.adaptive => {
                let allowed = self.rule_may_write(old, new, (doing, grant), (began, now));
                if let Some(grant) = grant {
                    self.note_trial(id, old, grant, grant.outcome(answer));
                }
                allowed
            }
            Doing::Request(_) => self.request_may_write(old, new, now),
            Doing::Tick if moved => self.opened_by_rate(old, new, Answer::Good, (began, now)),
            Doing::Tick => {
                let rest = Record { leased_until: old.leased_until, ..new };
                (rest == old && new.leased_until >= old.leased_until)
                    .then_some(())
                    .ok_or("a tick changed more than to take a check")
            }
            Doing::Check(healthy) => self.check_may_write(old, new, healthy),
            Doing::Diverted(_) => Err("the answer to a diverted call counted"),
            Doing::Configure if new == old => Ok(()),
            Doing::Configure => Err("a new configuration changed the breaker"),
            Doing::Elsewhere => Err("what is about another service changed this one"),
            Doing::Complete(id) => self.completion_may_write(id, old, new, grant, began),
            Doing::Head(id, answer) | Doing::End(id, answer) => match grant {
                Some(Grant::Unprotected) => Err("a call without a permit counted"),
                Some(grant) => {
                    let outcome = grant.outcome(answer);
                    self.result_may_write(old, new, grant, answer, (began, now))
                        .map(|()| self.note_trial(id, old, grant, outcome))
                }
                None => Err("a result without a call"),
            },
        };
        allowed.map_err(|problem| format!("{problem}: {doing:?} {grant:?}, {old:?} -> {new:?}"))?;
        if new.places + new.successes > self.rules.permitted_calls {
            return Err(format!("more places than there are: {new:?}"));
        }
        if moved {
            self.healthy = 0;
            self.tally.transitions[new.state as usize] += 1;
            self.periods.retain(|generation, _| *generation + 4 > new.generation);
        }
        Ok(())
    }

    fn request_may_write(
        &self,
        old: Record,
        new: Record,
        now: Duration,
    ) -> Result<(), &'static str> {
        match (old.state, new.state) {
            (State::HalfOpen, State::HalfOpen) => {
                let rest = Record { places: old.places, retry_at: old.retry_at, ..new };
                (rest == old && new.places > 0 && new.retry_at == 0)
                    .then_some(())
                    .ok_or("more than a place was taken")?;
                (now >= Duration::from_nanos(old.retry_at))
                    .then_some(())
                    .ok_or("a trial was made too soon after one that was turned away")
            }
            (State::Open, State::Open) => Err("a request changed an open record"),
            (State::Open, State::HalfOpen) if self.rules.check.is_some() => {
                Err("a request ended the open state, where the health check is to")
            }
            (State::Open, State::HalfOpen) if now < Duration::from_nanos(old.retry_at) => {
                Err("the wait was not over")
            }
            (State::Open, State::HalfOpen) => {
                let waits = new.retry_at != 0;
                (new.places == 1 && new.successes == 0 && new.trips == old.trips && !waits)
                    .then_some(())
                    .ok_or("a half-open period that does not begin with one trial")
            }
            _ => Err("a request may take a place, and nothing else"),
        }
    }

    /// A trial whose request is complete keeps its place, from its admission for as long as any.
    fn completion_may_write(
        &mut self,
        id: u64,
        old: Record,
        new: Record,
        grant: Option<Grant>,
        began: Duration,
    ) -> Result<(), &'static str> {
        let Some(Grant::Trial { generation, since, by, lease }) = grant else {
            return Err("the end of a request counted that is no trial");
        };
        if began > by + lease {
            return Err("a trial was complete whose place was given back");
        }
        if new != old || generation != old.generation {
            return Err("the end of a request did more than to keep a place");
        }
        let period = self.periods.entry(generation).or_default();
        period.active.retain(|(trial, _)| *trial != id);
        period.active.push((id, since + self.rules.trial_wait));
        Ok(())
    }

    fn check_may_write(&self, old: Record, new: Record, healthy: bool) -> Result<(), &'static str> {
        let Some(check) = &self.rules.check else {
            return Err("there is no health check");
        };
        if new.generation == old.generation {
            let rest = Record { leased_until: old.leased_until, ..new };
            return (rest == old).then_some(()).ok_or("a health check changed more than its own");
        }
        if !healthy || self.healthy < check.healthy_threshold {
            return Err("too few health checks have passed");
        }
        let leads_to = if check.closes { State::Closed } else { State::HalfOpen };
        (old.state == State::Open && new.state == leads_to)
            .then_some(())
            .ok_or("a health check led elsewhere")
    }

    fn result_may_write(
        &self,
        old: Record,
        new: Record,
        grant: Grant,
        answer: Answer,
        (began, now): (Duration, Duration),
    ) -> Result<(), &'static str> {
        let outcome = grant.outcome(answer);
        if let Grant::Trial { by, lease, .. } = grant
            && began > by + lease
        {
            return Err("a trial counted whose place was given back");
        }
        if grant.generation().is_some_and(|generation| generation != old.generation) {
            return Err("a late result changed the record");
        }
        let rest = Record { places: old.places, successes: old.successes, ..new };
        let gave_back = new.places + 1 == old.places;
        match (old.state, new.state, outcome) {
            (State::Closed, State::Closed, Outcome::Success) => {
                (new.failures == 0 && new.trips == 0).then_some(()).ok_or("a run went on")
            }
            (State::Closed, State::Closed, Outcome::Failure) => {
                let counted = new.failures == old.failures + 1 && new.trips == old.trips;
                let trips = new.failures >= self.rules.consecutive_failures;
                (counted && !trips)
                    .then_some(())
                    .ok_or("a failure was not counted as it should be")?;
                match self.rules.rate {
                    Some(rate) => self.calls.stays_closed(rate, old.generation, (began, now)),
                    None => Ok(()),
                }
            }
            (State::Closed, State::Open, _) if self.rules.rate.is_some() => {
                self.opened_by_rate(old, new, answer, (began, now))
            }
            (State::Closed, State::Open, Outcome::Failure) => {
                let last = old.failures + 1 == self.rules.consecutive_failures;
                (last && !grant.is_trial()).then_some(()).ok_or("a trip out of turn")?;
                self.trip_is_right(old, new, answer, began)
            }
            (State::HalfOpen, State::HalfOpen, Outcome::Success) => {
                let counted = new.successes == old.successes + 1;
                (rest == old && gave_back && counted && grant.is_trial())
                    .then_some(())
                    .ok_or("a trial's success was not counted as it should be")
            }
            (State::HalfOpen, State::HalfOpen, Outcome::Ignored | Outcome::Aborted) => {
                let same = new.successes == old.successes;
                let rest = Record { retry_at: old.retry_at, ..rest };
                (rest == old && gave_back && same && grant.is_trial())
                    .then_some(())
                    .ok_or("a trial without a result did more than to give its place back")?;
                self.pause_is_right(old, new, answer, (began, now))
            }
            (State::HalfOpen, State::Open, Outcome::Failure) if grant.is_trial() => {
                self.trip_is_right(old, new, answer, began)
            }
            (State::HalfOpen, State::Closed, Outcome::Success) if grant.is_trial() => {
                let period = self.periods.get(&old.generation);
                let succeeded = period.map_or(0, |period| period.succeeded) + 1;
                (succeeded >= self.rules.success_threshold)
                    .then_some(())
                    .ok_or("closed after too few trials")
            }
            _ => Err("a result led elsewhere"),
        }
    }

    /// A service that turned a trial away is left alone for a while; of others nothing is known.
    fn pause_is_right(
        &self,
        old: Record,
        new: Record,
        answer: Answer,
        (began, now): (Duration, Duration),
    ) -> Result<(), &'static str> {
        let until = Duration::from_nanos(new.retry_at);
        let pause = self.rules.pause();
        let right = match answer {
            Answer::TooMany => {
                let old = Duration::from_nanos(old.retry_at);
                until >= (began + pause).max(old) && until <= (now + pause).max(old)
            }
            _ => new.retry_at == old.retry_at,
        };
        right.then_some(()).ok_or("the wait after a trial that was turned away is wrong")
    }

    fn opened_by_rate(
        &self,
        old: Record,
        new: Record,
        answer: Answer,
        (began, now): (Duration, Duration),
    ) -> Result<(), &'static str> {
        let rate = self.rules.rate.ok_or("there is no rate")?;
        if (old.state, new.state) != (State::Closed, State::Open) {
            return Err("a rate opens a closed breaker, and does nothing else");
        }
        self.calls.opens(rate, old.generation, (began, now))?;
        self.trip_is_right(old, new, answer, began)
    }

    fn trip_is_right(
        &self,
        old: Record,
        new: Record,
        answer: Answer,
        began: Duration,
    ) -> Result<(), &'static str> {
        let wait = Duration::from_nanos(new.retry_at.saturating_sub(new.opened_at));
        // Who asks for more than the longest wait gets the longest.
        let expected = match answer.retry_after() {
            Some(_) => self.rules.max_wait,
            None => self.rules.wait_after(new.trips),
        };
        // There is an interval between two health checks, whatever comes between them.
        let checked = self.rules.check.map_or(0, |_| old.check_due.saturating_sub(new.opened_at));
        let expected = expected.max(Duration::from_nanos(checked).min(self.rules.max_wait));
        if new.trips != old.trips + 1 || wait != expected {
            return Err("the wait after a trip is wrong");
        }
        let opened_at = Duration::from_nanos(new.opened_at);
        (opened_at >= began).then_some(()).ok_or("a trip of another time")
    }

    /// Keeps count of a trial whose result was written down.
    fn note_trial(&mut self, id: u64, old: Record, grant: Grant, outcome: Outcome) {
        if !grant.is_trial() {
            return;
        }
        let period = self.periods.entry(old.generation).or_default();
        period.active.retain(|(trial, _)| *trial != id);
        if outcome == Outcome::Success && old.state == State::HalfOpen {
            period.succeeded += 1;
        }
    }
}
