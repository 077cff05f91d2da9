//! What the adaptive rule makes of a breaker: a share of its calls diverted while it is closed, or
//! all of them by opening it. It leads back itself, so that its breaker is never half-open.

use core::time::Duration;

use crate::adaptive::Adaptive;
use crate::adaptive::call::{AdaptiveCall, AdaptiveChange};
use crate::adaptive::policy::AdaptivePolicy;
use crate::adaptive::report::AdaptiveReport;
use crate::breaker::Breaker;
use crate::check::CheckResult;
use crate::counts::Counts;
use crate::outcome::{Ended, Outcome};
use crate::policy::Policy;
use crate::reason::{DivertReason, Reason};
use crate::state::{Closed, Open, State};
use crate::time::{Now, Timestamp};
use crate::transition::Transition;
use crate::trip::{Measured, OverdueCalls};

impl Breaker {
    /// What the adaptive rule goes by; `None`: there is no such rule.
    #[must_use]
    pub fn adaptive_report(&self, policy: &Policy, now: Timestamp) -> Option<AdaptiveReport> {
        self.rule(policy).map(|(rule, of)| rule.report(of, now))
    }

    /// Whether the breaker has the adaptive rule, or had it and keeps what that has learned.
    #[must_use]
    pub fn knows_adaptive(&self, policy: &Policy) -> bool {
        self.adaptive.is_some() || policy.trip.adaptive.is_some()
    }

    /// The share of calls that the adaptive rule diverts, in thousandths of a percent; zero where the
    /// policy has no such rule, or has it no more.
    #[must_use]
    pub fn diverted(&self, policy: &Policy, now: Timestamp) -> u32 {
        self.rule(policy).map_or(0, |(rule, _)| rule.diverted(now))
    }

    /// The rule, and how it is set.
    pub(crate) fn rule<'a>(
        &'a self,
        policy: &'a Policy,
    ) -> Option<(&'a Adaptive, &'a AdaptivePolicy)> {
        self.adaptive.as_ref().zip(policy.trip.adaptive.as_ref())
    }

    /// Whether the rule diverts a share of the calls, or did and they come back.
    pub(crate) fn is_limiting(&self, policy: &Policy) -> bool {
        self.rule(policy).is_some_and(|(rule, _)| rule.is_limiting())
    }

    /// Drops what the rule takes for an outage.
    pub(crate) fn forget_evidence(&mut self) {
        if let Some(rule) = &mut self.adaptive {
            rule.forget_evidence();
        }
    }

    /// Tells the rule something of calls of this period, and does what it says. Nothing is told
    /// while another rule has the breaker open, or half-open.
    pub(crate) fn tell(
        &mut self,
        policy: &Policy,
        now: Now,
        random: u32,
        tell: impl FnOnce(&mut Adaptive, &AdaptivePolicy) -> Option<AdaptiveChange>,
    ) -> Option<Transition> {
        let (rule, of) = self.adaptive.as_mut().zip(policy.trip.adaptive.as_ref())?;
        let is_open = match &self.state {
            State::Closed(_) => false,
            State::Open(open) if open.reason == Reason::Adaptive => true,
            State::Open(_) | State::HalfOpen(_) => return None,
        };
        let change = tell(rule, of);
        let report = || AdaptiveChange::Limited(rule.report(of, now.monotonic));
        let transition = match (is_open, rule.diverts_all()) {
            (false, true) => {
                let change = change.unwrap_or_else(report);
                (self.trip(policy, Reason::Adaptive, None, now, random), change)
            }
            (true, false) => {
                let change = change.unwrap_or_else(report);
                (self.close_adaptively(), change)
            }
            _ => match change? {
                AdaptiveChange::Returning => {
                    self.begin_period();
                    return None;
                }
                change @ (AdaptiveChange::Closed | AdaptiveChange::Stays(_)) => {
                    (self.stay(), change)
                }
                change => {
                    self.begin_period();
                    (self.stay(), change)
                }
            },
        };
        let (transition, change) = transition;
        Some(Transition { adaptive: Some(change), ..transition })
    }

    /// Where the adaptive rule diverts all calls, no trial is made for so long.
    pub(crate) fn postpone_trial(&mut self, policy: &Policy, wait: Duration, now: Timestamp) {
        if let Some((rule, of)) = self.adaptive.as_mut().zip(policy.trip.adaptive.as_ref())
            && rule.diverts_all()
        {
            rule.postpone(of, now.after(wait), now);
        }
    }

    /// A health check of a service all of whose calls the rule diverts has passed, or it failed:
    /// then no trial is made for as long as may be.
    pub(crate) fn heed_check(&mut self, policy: &Policy, result: CheckResult, now: Timestamp) {
        match (&mut self.adaptive, result) {
            (Some(rule), CheckResult::Healthy) => rule.try_now(now),
            (_, CheckResult::Unhealthy) => {
                self.postpone_trial(policy, policy.open.max_wait, now);
            }
            (None, CheckResult::Healthy) => {}
        }
    }

    /// The calls come back by the rule, not by the ramp of others.
    fn close_adaptively(&mut self) -> Transition {
        let measured = Measured::new(self.window);
        let (trips, check_due) = (self.state.trips(), self.state.check_due());
        let closed = Closed { measured, trips, check_due, ..Closed::default() };
        self.enter(State::Closed(closed), Reason::Adaptive)
    }

    /// Calls from before this say nothing any more, and those that are under way do not count.
    fn begin_period(&mut self) {
        self.generation = self.generation.next();
        if let State::Closed(closed) = &mut self.state {
            closed.measured.overdue = OverdueCalls::NONE;
        }
    }

    fn stay(&self) -> Transition {
        let (from, to) = (self.state.name(), self.state.name());
        let (failures, generation) = (self.state.failures(), self.generation);
        let (reason, calls) = (Reason::Adaptive, Counts::NONE);
        Transition { from, to, reason, failures, calls, generation, adaptive: None }
    }
}

impl Open {
    /// Whether the adaptive rule opened it, and is there still to close it.
    pub(crate) fn is_adaptive(&self, rule: Option<&Adaptive>, policy: &Policy) -> bool {
        let is_set = rule.is_some() && policy.trip.adaptive.is_some();
        is_set && self.reason == Reason::Adaptive
    }

    pub(crate) fn divert_reason(&self) -> DivertReason {
        match self.reason {
            Reason::Adaptive => DivertReason::Adaptive,
            Reason::Fleet => DivertReason::Fleet,
            _ => DivertReason::Open,
        }
    }
}

impl Ended {
    /// What the rule is told of it; `None`: how it ended says nothing of the service.
    pub(crate) fn of_adaptive(self) -> Option<AdaptiveCall> {
        let Self { outcome, took, told, .. } = self;
        let call = |failed| AdaptiveCall { failed, took, told: told.to_adaptive() };
        match outcome {
            Outcome::Success => Some(call(false)),
            Outcome::Failure { .. } => Some(call(true)),
            Outcome::Ignored | Outcome::Declined { .. } | Outcome::Aborted => None,
        }
    }
}
