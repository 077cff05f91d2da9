//! The product's fixed rules: failures in a row, and shares of the latest calls.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use breaker::{
    Admission, Breaker, Ended as BreakerEnded, HalfOpenPolicy, Mode, Now, OpenPolicy, Outcome,
    Percentage, Permit, Policy, Rate, RatePolicy, Timestamp, TripPolicy, UnixTime, WindowPolicy,
};

use crate::rule::{Ended, MS, Rule};
use crate::scenario::Scenario;

/// What is configured; the rest is as by default.
pub(super) struct Settings {
    pub(super) in_a_row: Option<u32>,
    /// Percent of the latest calls that fail, and that are slow.
    pub(super) failures: Option<u32>,
    pub(super) slow: Option<u32>,
    /// Nanoseconds from which on a call is slow.
    pub(super) slow_from: u64,
    pub(super) window: Duration,
    pub(super) wait: Duration,
    pub(super) max_wait: Duration,
    pub(super) trials: u32,
    pub(super) successes: u32,
    pub(super) ramp: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            in_a_row: None,
            failures: None,
            slow: None,
            slow_from: u64::MAX,
            window: Duration::from_secs(10),
            wait: Duration::from_secs(30),
            max_wait: Duration::from_secs(300),
            trials: 1,
            successes: 1,
            ramp: Duration::ZERO,
        }
    }
}

pub(super) struct FixedRule {
    breaker: Breaker,
    policy: Policy,
    slow_from: u64,
    permits: HashMap<u64, Permit>,
    calls: u64,
}

impl FixedRule {
    pub(super) fn new(settings: Settings) -> Self {
        let share = |percent: u32| Percentage::from_thousandths(percent * 1000);
        let count = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let rates = RatePolicy {
            window: WindowPolicy::Time(settings.window),
            minimum_calls: count(20),
            failures: settings.failures.map(share),
            slow: settings.slow.map(share),
        };
        let policy = Policy {
            mode: Mode::Enabled,
            trip: TripPolicy {
                consecutive_failures: settings.in_a_row.map(count),
                rates: (rates.failures.is_some() || rates.slow.is_some()).then_some(rates),
                adaptive: None,
            },
            open: OpenPolicy {
                wait: settings.wait,
                backoff_rate: Rate::from_thousandths(2000),
                max_wait: settings.max_wait,
                jitter_percent: 20,
                honor_retry_after: true,
            },
            half_open: HalfOpenPolicy {
                permitted_calls: count(settings.trials),
                success_threshold: count(settings.successes),
                failure_threshold: count(1),
                max_wait: Duration::from_secs(30),
                ramp: settings.ramp,
            },
            health_check: None,
        };
        let slow_from = settings.slow_from;
        Self { breaker: Breaker::new(), policy, slow_from, permits: HashMap::new(), calls: 0 }
    }

    /// A share of the calls of 10 s, and half of them slow where the scenario says what that is.
    pub(super) fn rate(scenario: &Scenario, percent: u32) -> Self {
        Self::new(Settings { failures: Some(percent), ..Settings::slow(scenario) })
    }

    /// What loses the least of what can be configured.
    pub(super) fn short_waits(scenario: &Scenario) -> Self {
        Self::new(Settings {
            in_a_row: Some(10),
            failures: Some(50),
            window: Duration::from_secs(2),
            wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(10),
            trials: 5,
            successes: 3,
            ramp: Duration::from_secs(2),
            ..Settings::slow(scenario)
        })
    }
}

impl Settings {
    fn slow(scenario: &Scenario) -> Self {
        if scenario.slow_ms == 0.0 {
            return Self::default();
        }
        let slow_from = (scenario.slow_ms * MS as f64) as u64;
        Self { slow: Some(50), slow_from, ..Self::default() }
    }
}

impl Rule for FixedRule {
    fn admit(&mut self, now: u64, random: u32) -> Option<u64> {
        let now = Timestamp::from_nanos(now);
        let admission = match self.breaker.admit_closed(&self.policy) {
            Some(admission) => admission,
            None => self.breaker.admit(&self.policy, true, now, random).0,
        };
        let Admission::Admitted(permit) = admission else { return None };
        self.calls += 1;
        self.permits.insert(self.calls, permit);
        Some(self.calls)
    }

    fn settle(&mut self, call: Ended, now: u64, random: u32) {
        let Some(permit) = self.permits.remove(&call.ticket) else { return };
        let outcome = if call.ok { Outcome::Success } else { Outcome::FAILURE };
        let settlement =
            permit.end(BreakerEnded { slow: call.took >= self.slow_from, ..outcome.into() });
        let monotonic = Timestamp::from_nanos(now);
        let now = Now { monotonic, wall: UnixTime::from_nanos(now) };
        let _ = self.breaker.settle(&self.policy, &settlement, now, random);
    }
}
