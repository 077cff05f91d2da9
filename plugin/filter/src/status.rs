//! A breaker as whoever looks at it sees it: the admin API, or a host that asks.

use breaker::{AdaptiveReport, Breaker, Counts, Mode, Now, Reason, StateName, UnixTime};

use crate::handle::ServiceHandle;
use crate::host::{Host, StoreFault};
use crate::services::Services;

/// A service's breaker as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// The service's name.
    pub service_name: String,
    /// The state, as the mode has it shown.
    pub state: StateName,
    /// The mode in force: an operator's, or else the configured one.
    pub mode: Mode,
    /// Failures since the last success.
    pub failure_count: u32,
    /// The period: each transition begins another.
    pub generation: u64,
    /// Why it is not closed.
    pub trip_reason: Option<Reason>,
    /// The latest calls; `None` if no rule is about them. Good ones may lag by up to a second.
    pub counts: Option<Counts>,
    /// What the adaptive rule goes by; `None`: there is no such rule.
    pub adaptive: Option<AdaptiveReport>,
    /// Calls under way; `None`: nobody counts them, since there is no bulkhead.
    pub in_flight: Option<u32>,
    /// When a call last failed.
    pub last_failure: Option<UnixTime>,
    /// When a call last succeeded. It may lag by up to a second.
    pub last_success: Option<UnixTime>,
    /// Since when it is not closed.
    pub opened_at: Option<UnixTime>,
    /// When an open breaker may leave that state at the earliest, or a half-open one that waits makes
    /// the next trial.
    pub retry_at: Option<UnixTime>,
}

impl ServiceStatus {
    pub(crate) fn of(
        handle: &ServiceHandle<'_>,
        breaker: &Breaker,
        in_flight: Option<u32>,
        now: Now,
    ) -> Self {
        let ServiceHandle { instance, service, .. } = handle;
        let status = breaker.status(service.policy.mode);
        Self {
            service_name: instance.name.clone(),
            state: status.state,
            mode: status.mode,
            failure_count: status.failures,
            generation: status.generation.number(),
            trip_reason: status.trip_reason,
            counts: service.policy.trip.window().map(|_| breaker.counts(now.monotonic)),
            adaptive: breaker.adaptive_report(&service.policy, now.monotonic),
            in_flight,
            last_failure: status.last_failure,
            last_success: status.last_success,
            opened_at: status.opened_at.map(|at| now.wall_time_of(at)),
            retry_at: status.retry_at.map(|at| now.wall_time_of(at)),
        }
    }
}

impl Services {
    /// All breakers there are now, in the order of `Filter::names`. To look changes
    /// nothing: a damaged record shows a new breaker, as it will be taken for one, and is left as it is.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub(crate) fn status(&self, host: &dyn Host) -> Result<Vec<ServiceStatus>, StoreFault> {
        let now = host.now();
        let status = self.handles().map(|handle| {
            let Some(breaker) = handle.record().peek(host)? else {
                return Ok(None);
            };
            let in_flight = handle.permits().map(|permits| permits.in_flight(host)).transpose()?;
            Ok(Some(ServiceStatus::of(&handle, &breaker, in_flight, now)))
        });
        status.filter_map(Result::transpose).collect()
    }
}
