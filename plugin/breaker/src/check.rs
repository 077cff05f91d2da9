//! Which health check is due, and who holds it: one lease, whatever the number of workers.

use core::time::Duration;

use crate::backoff;
use crate::permit::Generation;
use crate::policy::{HealthCheckPolicy, RetryPolicy};
use crate::table::table;
use crate::time::Timestamp;

/// How long a check has to be overdue for whoever made it to be taken for gone: those who make
/// checks look after them several times a second.
const GONE: Duration = Duration::from_secs(30);

table! {
    /// What a health check said.
    pub enum CheckResult: CheckResultRow {
        /// The name in logs and metrics.
        pub name: &'static str,
    }
    /// The service answered as expected, in time.
    Healthy { name: "healthy" }
    /// It did not.
    Unhealthy { name: "unhealthy" }
}

/// The right, and duty, to make one health check, given by
/// [`Breaker::take_check`](crate::Breaker::take_check). It cannot be copied, and ends with a
/// report. Lost, it expires.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a check that is taken is made"]
pub struct CheckTicket {
    pub(crate) generation: Generation,
    pub(crate) turn: u32,
}

impl CheckTicket {
    /// The check has been made.
    pub const fn end(self, result: CheckResult) -> CheckReport {
        CheckReport { ticket: self, result: Some(result) }
    }

    /// The check could not be made, since there is nobody to ask.
    pub const fn skip(self) -> CheckReport {
        CheckReport { ticket: self, result: None }
    }

    /// Whether its holder has a say still: the open period is the same, and nobody has taken the
    /// check since.
    pub(crate) fn holds(&self, generation: Generation, check: &Check) -> bool {
        (self.generation, self.turn) == (generation, check.turn)
    }
}

/// A check that has ended, for [`Breaker::finish_check`](crate::Breaker::finish_check). Whoever
/// could not store the breaker writes it down again, on the one that another has stored meanwhile.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a check that has ended is written down"]
pub struct CheckReport {
    pub(crate) ticket: CheckTicket,
    /// What it said; `None`: it could not be made.
    pub result: Option<CheckResult>,
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

    /// Starts over with other settings. Whoever holds the lease has no say any more.
    pub(crate) fn start_over(&mut self, due: Timestamp) {
        *self = Self { turn: self.turn.wrapping_add(1), ..Self::due_at(due) };
    }

    /// Goes over to other settings, in the rhythm that there is: sooner if an interval of theirs is
    /// over before, but not before the breaker's wait is.
    pub(crate) fn pass_on(
        &mut self,
        policy: &HealthCheckPolicy,
        retry_at: Timestamp,
        now: Timestamp,
    ) {
        self.start_over(self.due.min(retry_at.max(now.after(policy.interval))));
    }

    /// Whether it can be passed on: nobody is making it, and it has not begun to pass.
    pub(crate) fn is_at_rest(&self, now: Timestamp) -> bool {
        self.passed == 0 && now >= self.leased_until
    }

    /// From when on the check may be taken by those whose it is.
    pub(crate) fn free_at(&self) -> Timestamp {
        self.due.max(self.leased_until)
    }

    /// From when on nobody has taken a check for so long that nobody will.
    pub(crate) fn abandoned_at(&self, policy: &HealthCheckPolicy) -> Timestamp {
        self.free_at().after(GONE.saturating_add(policy.interval))
    }

    /// Takes the lease, if a check is due and nobody else holds it.
    pub(crate) fn take(&mut self, policy: &HealthCheckPolicy, now: Timestamp) -> Option<u32> {
        if now < self.free_at() {
            return None;
        }
        self.leased_until = now.after(lease(policy));
        self.turn = self.turn.wrapping_add(1);
        Some(self.turn)
    }

    /// No wait is longer than the longest, even one from before the clock stepped back or the policy
    /// changed. The first check is due after a wait of at most `max_open_wait`.
    pub(crate) fn bound(
        &mut self,
        policy: &HealthCheckPolicy,
        max_open_wait: Duration,
        now: Timestamp,
    ) {
        let retry_wait = match (&policy.retry, self.attempts.checked_sub(1)) {
            (Some(retry), Some(waits_before)) => {
                wait_before_retry(retry, waits_before.min(retry.num_retries.saturating_sub(1)))
            }
            _ => Duration::ZERO,
        };
        let longest = max_open_wait.max(policy.interval).max(retry_wait);
        self.due = self.due.min(now.after(longest));
        self.leased_until = self.leased_until.min(now.after(lease(policy)));
    }

    /// The same for a check by other settings, of which no more is known than that an open breaker
    /// waits for at most `max_open_wait`.
    pub(crate) fn bound_of_others(
        &mut self,
        policy: &HealthCheckPolicy,
        max_open_wait: Duration,
        now: Timestamp,
    ) {
        let latest = now.after(max_open_wait.max(policy.interval).max(lease(policy)));
        self.due = self.due.min(latest);
        self.leased_until = self.leased_until.min(latest);
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

    /// It could not be made: no row of checks goes on with it.
    pub(crate) fn skip(&mut self, policy: &HealthCheckPolicy, now: Timestamp) {
        self.start_over(now.after(policy.interval));
    }

    fn wait_after_failure(&mut self, policy: &HealthCheckPolicy) -> Duration {
        match &policy.retry {
            Some(retry) if self.attempts < retry.num_retries => {
                let wait = wait_before_retry(retry, self.attempts);
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

/// Half an interval more than the check may take: its holder always answers in time, and one that
/// vanished is replaced within two intervals.
fn lease(policy: &HealthCheckPolicy) -> Duration {
    policy.timeout.saturating_add(policy.interval.checked_div(2).unwrap_or_default())
}

fn wait_before_retry(retry: &RetryPolicy, waits_before: u32) -> Duration {
    backoff::grown(retry.interval, retry.backoff_rate, waits_before, Duration::MAX)
}
