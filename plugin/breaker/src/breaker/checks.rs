//! The health check of an open breaker: by whom it is made, and what it leads to.

use crate::breaker::Breaker;
use crate::check::{CheckReport, CheckResult, CheckTicket};
use crate::policy::{AfterCheck, Policy};
use crate::reason::Reason;
use crate::state::State;
use crate::state_name::StateName;
use crate::time::Timestamp;
use crate::transition::Transition;

impl Breaker {
    /// Whether the check in force is that of another policy than this one, by which calls come as
    /// well: then it is to [know](Self::claim_check) on which connection.
    #[must_use]
    pub fn is_checked_by_others(&self, policy: &Policy) -> bool {
        let settings = policy.health_check.as_ref().map(|check| check.settings);
        let others = settings.is_some_and(|own| own != self.check_settings);
        others && self.check_settings != 0 && self.state() == StateName::Open
    }

    /// Puts the check of this policy in force, whose call tripped this breaker or found it open,
    /// unless a call on a later connection has shown that another configuration is at work.
    /// `connection` is the number of the call's; later ones have higher numbers.
    ///
    /// A configuration that is put back before its successor is gone does not learn of that: its
    /// next call is the first sign of it. Calls of a replaced configuration go on for a while, but
    /// on earlier connections.
    pub fn claim_check(&mut self, policy: &Policy, connection: u64, now: Timestamp) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        let Some(check) = policy.health_check.as_ref().filter(|_| connection >= open.connection)
        else {
            return;
        };
        if check.settings != self.check_settings {
            if !open.check.is_at_rest(now) {
                return;
            }
            self.check_settings = check.settings;
            open.check.pass_on(check, open.retry_at, now);
        }
        open.connection = connection;
    }

    /// When the next check is due, whoever makes it; it may be under way. `None`: none is to be made.
    #[must_use]
    pub fn check_due(&self, policy: &Policy) -> Option<Timestamp> {
        policy.health_check.as_ref().filter(|_| self.mode(policy.mode).decides())?;
        match &self.state {
            State::Open(open) => Some(open.check.due),
            State::Closed(_) | State::HalfOpen(_) => None,
        }
    }

    /// The earliest moment at which there is something to be done by [`take_check`](Self::take_check), as
    /// long as this breaker stays as it is and no wait [is too long](Self::bound); `None`: never.
    #[must_use]
    pub fn next_check(&self, policy: &Policy) -> Option<Timestamp> {
        let check = policy.health_check.as_ref().filter(|_| self.mode(policy.mode).decides())?;
        let State::Open(open) = &self.state else {
            return None;
        };
        Some(match self.check_settings {
            settings if settings == check.settings => open.check.free_at(),
            0 => Timestamp::default(),
            _ => open.check.abandoned_at(check),
        })
    }

    /// Takes the lease on the next health check, if this breaker is open, has one, and it is due.
    /// None is where an operator has decided what becomes of the calls.
    pub fn take_check(&mut self, policy: &Policy, now: Timestamp) -> Option<CheckTicket> {
        if !self.mode(policy.mode).decides() {
            return None;
        }
        let health_check = policy.health_check.as_ref()?;
        if self.check_settings == 0 {
            // Nobody's, so there is nobody to leave it to.
            self.sync_check(policy, now);
        }
        self.bound(policy, now);
        let State::Open(open) = &mut self.state else {
            return None;
        };
        if self.check_settings != health_check.settings {
            if now < open.check.abandoned_at(health_check) {
                return None;
            }
            self.check_settings = health_check.settings;
            open.check.start_over(now);
        }
        let turn = open.check.take(health_check, now)?;
        Some(CheckTicket { generation: self.generation, turn })
    }

    /// Writes down what a health check said, or that it could not be made, which says nothing: it
    /// is tried again after an interval, and once the breaker has been open for the longest wait,
    /// trials decide. A check that was not asked for, or whose lease another has taken since,
    /// changes nothing.
    pub fn finish_check(
        &mut self,
        policy: &Policy,
        report: &CheckReport,
        now: Timestamp,
    ) -> Option<Transition> {
        let health_check = policy.health_check.as_ref()?;
        let State::Open(open) = &mut self.state else {
            return None;
        };
        if !report.ticket.holds(self.generation, &open.check) {
            return None;
        }
        let is_adaptive = open.is_adaptive(self.adaptive.as_ref(), policy);
        let longest = open.opened_at.after(policy.open.max_wait);
        let (is_over, then, reason) = match report.result {
            Some(result) => {
                let passed = open.check.finish(health_check, result, now);
                (passed, health_check.then, Reason::HealthCheck)
            }
            None => {
                open.check.skip(health_check, now);
                if now < longest {
                    open.check.due = open.check.due.min(longest);
                }
                (now >= longest, AfterCheck::HalfOpen, Reason::WaitElapsed)
            }
        };
        if is_adaptive {
            // The rule closes it, by trials: a check only says when they are worth making.
            match report.result {
                Some(CheckResult::Healthy) if !is_over => {}
                Some(result) => self.heed_check(policy, result, now),
                None => {}
            }
            return None;
        }
        if !is_over {
            return None;
        }
        let (open, due) = (open.clone(), open.check.due);
        Some(match then {
            AfterCheck::Close => self.close(policy, open.trips, due, reason, now),
            AfterCheck::HalfOpen => self.half_open(open, due, reason),
        })
    }
}
