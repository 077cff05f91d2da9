//! A proxy's breaker: the real one, and what the filter is to do with it by a fleet's word.

use std::num::NonZeroU32;
use std::time::Duration;

use breaker::{
    Admission, AfterCheck, Breaker, CheckResult, HalfOpenPolicy, HealthCheckPolicy, Mode, Now,
    OpenPolicy, Outcome, Policy, Rate, StateName, Timestamp, TripPolicy, UnixTime,
};
use fleet::{By, CheckSaid, NextCheck, Opened, Own};

pub(crate) struct Guard {
    pub(crate) breaker: Breaker,
    pub(crate) policy: Policy,
    by: By,
    succeeded: Option<Timestamp>,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    Succeeded,
    Failed,
    Diverted,
}

/// Three failures in a row trip; a wait of a second, a check every five, one trial.
pub(crate) fn policy() -> Policy {
    let one = NonZeroU32::MIN;
    Policy {
        mode: Mode::Enabled,
        trip: TripPolicy { consecutive_failures: NonZeroU32::new(3), ..TripPolicy::default() },
        open: OpenPolicy {
            wait: Duration::from_secs(1),
            backoff_rate: Rate::from_thousandths(2_000),
            max_wait: Duration::from_secs(60),
            jitter_percent: 20,
            honor_retry_after: true,
            on_retry_after: false,
        },
        half_open: HalfOpenPolicy {
            permitted_calls: one,
            success_threshold: one,
            failure_threshold: one,
            max_wait: Duration::from_secs(30),
            ramp: Duration::ZERO,
        },
        health_check: Some(HealthCheckPolicy {
            settings: 7,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            healthy_threshold: one,
            then: AfterCheck::HalfOpen,
            retry: None,
        }),
    }
}

fn both(now: Timestamp) -> Now {
    Now { monotonic: now, wall: UnixTime::from_nanos(now.as_nanos()) }
}

impl Guard {
    pub(crate) fn new(policy: Policy) -> Self {
        Self { breaker: Breaker::new(), policy, by: By::Itself, succeeded: None }
    }

    pub(crate) fn state(&self) -> StateName {
        self.breaker.state()
    }

    /// Whether its own calls, trials or checks hold it open.
    pub(crate) fn tripped(&self) -> bool {
        self.state() == StateName::Open && self.by == By::Itself
    }

    pub(crate) fn call(&mut self, works: bool, now: Timestamp, random: u32) -> Called {
        let (admission, _) = self.breaker.admit(&self.policy, true, now, random);
        let Admission::Admitted(permit) = admission else {
            return Called::Diverted;
        };
        let outcome = if works { Outcome::Success } else { Outcome::FAILURE };
        let call = permit.end(outcome);
        self.breaker.settle(&self.policy, &call, both(now), random);
        if self.state() == StateName::Open {
            self.by = By::Itself;
        }
        if works {
            self.succeeded = Some(now);
            Called::Succeeded
        } else {
            Called::Failed
        }
    }

    pub(crate) fn own(&self) -> Own {
        let status = self.breaker.status(Mode::Enabled);
        match self.state() {
            StateName::Closed => Own::Closed { succeeded: self.succeeded },
            StateName::HalfOpen => Own::HalfOpen,
            StateName::Disabled | StateName::ForcedOpen | StateName::MetricsOnly => Own::Aside,
            StateName::Open => Own::Open(Opened {
                generation: status.generation,
                by: self.by,
                check: self.policy.health_check.as_ref().map(|check| NextCheck {
                    interval: check.interval,
                    due: self.breaker.next_check(&self.policy).unwrap_or_default(),
                }),
                until: status.opened_at.unwrap_or_default().after(self.policy.open.max_wait),
            }),
        }
    }

    /// Opens on another's word: here, by a policy that one failure trips.
    pub(crate) fn open_by_fleet(&mut self, now: Timestamp, random: u32) {
        let trip =
            TripPolicy { consecutive_failures: Some(NonZeroU32::MIN), ..TripPolicy::default() };
        let policy = Policy { trip, ..self.policy.clone() };
        if let (Admission::Admitted(permit), _) = self.breaker.admit(&policy, true, now, random) {
            let call = permit.end(Outcome::FAILURE);
            self.breaker.settle(&policy, &call, both(now), random);
            self.by = By::Fleet;
        }
    }

    /// Becomes half-open on another's word: here, by a check that passes under a policy by which it
    /// is due.
    pub(crate) fn half_open_by_fleet(&mut self, now: Timestamp) {
        let mut hurried = self.policy.clone();
        hurried.open.max_wait = Duration::ZERO;
        let Some(check) = &mut hurried.health_check else {
            return;
        };
        (check.interval, check.timeout) = (Duration::ZERO, Duration::ZERO);
        check.then = AfterCheck::HalfOpen;
        if let Some(ticket) = self.breaker.take_check(&hurried, now) {
            let report = ticket.end(CheckResult::Healthy);
            self.breaker.finish_check(&hurried, &report, now);
        }
    }

    /// Makes the health check that is due, if this process may.
    pub(crate) fn check(&mut self, may: bool, works: bool, now: Timestamp) -> Option<CheckSaid> {
        if !may || self.breaker.next_check(&self.policy).is_none_or(|due| now < due) {
            return None;
        }
        let ticket = self.breaker.take_check(&self.policy, now)?;
        let result = if works { CheckResult::Healthy } else { CheckResult::Unhealthy };
        self.breaker.finish_check(&self.policy, &ticket.end(result), now);
        if !works {
            self.by = By::Itself;
        }
        Some(match (works, self.state()) {
            (false, _) => CheckSaid::Failed,
            (true, StateName::Open) => CheckSaid::Passing,
            (true, _) => CheckSaid::Passed,
        })
    }
}
