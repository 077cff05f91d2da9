//! Which health check is due, and who holds it: one lease, whatever the number of workers.

use core::time::Duration;

use crate::Generation;
use crate::backoff;
use crate::policy::HealthCheckPolicy;
use crate::time::Timestamp;

/// What a health check said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// The service answered as expected, in time.
    Healthy,
    /// It did not.
    Unhealthy,
}

impl CheckResult {
    /// The name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// The right, and duty, to make one health check, given by
/// [`Breaker::take_check`](crate::Breaker::take_check). Lost, it expires.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a check that is taken is made"]
pub struct CheckTicket {
    pub(crate) generation: Generation,
    pub(crate) turn: u32,
}

impl CheckTicket {
    /// The same ticket, for an update that lost a race and is decided anew. Only one of the two
    /// updates may be stored.
    pub const fn for_retry(&self) -> Self {
        Self { generation: self.generation, turn: self.turn }
    }
}

/// The health check of an open breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// When the next one may be taken.
    pub(crate) due: Timestamp,
    /// Until when the one taken last is its holder's alone.
    pub(crate) leased_until: Timestamp,
    /// Which one was taken last, so that a holder that came too late is known.
    pub(crate) turn: u32,
    /// Failed attempts of the check under way.
    pub(crate) attempts: u32,
    /// Checks passed in a row.
    pub(crate) passed: u32,
}

impl Check {
    pub(crate) const fn due_at(due: Timestamp) -> Self {
        Self { due, leased_until: Timestamp::from_nanos(0), turn: 0, attempts: 0, passed: 0 }
    }

    /// Takes the lease, if a check is due and nobody else holds it.
    pub(crate) fn take(&mut self, policy: &HealthCheckPolicy, now: Timestamp) -> Option<u32> {
        if now < self.due || now < self.leased_until {
            return None;
        }
        // Half an interval more than the check may take: its holder always answers in time, and
        // one that vanished is replaced within two intervals.
        let lease =
            policy.timeout.saturating_add(policy.interval.checked_div(2).unwrap_or_default());
        self.leased_until = now.after(lease);
        self.turn = self.turn.wrapping_add(1);
        Some(self.turn)
    }

    /// Writes down a result. `true` if it is one check passed more, and they are enough in a row.
    pub(crate) fn finish(
        &mut self,
        policy: &HealthCheckPolicy,
        result: CheckResult,
        now: Timestamp,
    ) -> bool {
        self.leased_until = Timestamp::from_nanos(0);
        match result {
            CheckResult::Healthy => {
                self.attempts = 0;
                self.passed = self.passed.saturating_add(1);
                self.due = now.after(policy.interval);
                self.passed >= policy.healthy_threshold.get()
            }
            CheckResult::Unhealthy => {
                self.due = now.after(self.wait_after_failure(policy));
                false
            }
        }
    }

    fn wait_after_failure(&mut self, policy: &HealthCheckPolicy) -> Duration {
        match &policy.retry {
            Some(retry) if self.attempts < retry.num_retries => {
                let wait = backoff::grown(
                    retry.interval,
                    retry.backoff_rate,
                    self.attempts,
                    Duration::MAX,
                );
                self.attempts = self.attempts.saturating_add(1);
                wait
            }
            _ => {
                self.attempts = 0;
                self.passed = 0;
                policy.interval
            }
        }
    }
}
