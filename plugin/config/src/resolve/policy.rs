//! How long a breaker stays open, what closes it, and what counts as what.

use std::time::Duration;

use breaker::{HalfOpenPolicy, MAX_PERMITTED_CALLS, Mode, OpenPolicy, Rate};

use super::{Place, SECOND, SHORTEST_INTERVAL, at_least_one};

use crate::duration::written;
use crate::error::ConfigError;
use crate::model::{Classify, UNKNOWN_TO_SERVICE};
use crate::status::{GrpcSet, StatusSet};
use crate::wire::{self, Overflow};

impl Place {
    pub(super) fn open(
        self,
        own: &wire::Open,
        defaults: &wire::Open,
        checked: bool,
    ) -> Result<OpenPolicy, ConfigError> {
        let wait = own.wait_duration.or(defaults.wait_duration).map(|span| span.0);
        let max = own.max_wait_duration.or(defaults.max_wait_duration).map(|span| span.0);
        let wait_path = || self.path_of(own.wait_duration.is_some(), "open.wait_duration");
        if wait == Some(Duration::ZERO) && !checked {
            let remedy = "without a health_check the wait alone keeps the service from being \
                          called again at once: give one, such as \"30s\"";
            return Err(ConfigError::at(wait_path(), "\"0s\"", remedy));
        }
        let wait = wait.unwrap_or(if checked { Duration::ZERO } else { 30 * SECOND });
        let max_wait = max.unwrap_or_else(|| wait.max(300 * SECOND));
        if max_wait < wait {
            let path = self.path_of(own.max_wait_duration.is_some(), "open.max_wait_duration");
            let remedy = format!("give at least open.wait_duration, {}", written(wait));
            return Err(ConfigError::at(path, written(max_wait), remedy));
        }
        let rate = own.backoff_rate.or(defaults.backoff_rate).map_or(2_000, |factor| factor.0);
        Ok(OpenPolicy {
            wait,
            backoff_rate: Rate::from_thousandths(rate),
            max_wait,
            jitter_percent: own.jitter.or(defaults.jitter).map_or(20, |percent| percent.0),
            honor_retry_after: own.honor_retry_after.or(defaults.honor_retry_after).unwrap_or(true),
        })
    }

    pub(super) fn half_open(
        self,
        own: &wire::HalfOpen,
        defaults: &wire::HalfOpen,
    ) -> Result<HalfOpenPolicy, ConfigError> {
        let path = |own: bool, field: &str| self.path_of(own, &format!("half_open.{field}"));
        let permitted_path = || path(own.permitted_calls.is_some(), "permitted_calls");
        let threshold_path = || path(own.success_threshold.is_some(), "success_threshold");
        let permitted = own.permitted_calls.or(defaults.permitted_calls).unwrap_or(1);
        let permitted_calls = at_least_one(permitted, permitted_path)?;
        if permitted > MAX_PERMITTED_CALLS {
            let remedy = format!("permit at most {MAX_PERMITTED_CALLS} trials");
            return Err(ConfigError::at(permitted_path(), permitted, remedy));
        }
        let threshold = own.success_threshold.or(defaults.success_threshold).unwrap_or(1);
        let success_threshold = at_least_one(threshold, threshold_path)?;
        if threshold > permitted {
            let remedy = format!(
                "no more than half_open.permitted_calls ({permitted}) trials can succeed: ask for \
                 fewer, or permit more"
            );
            return Err(ConfigError::at(threshold_path(), threshold, remedy));
        }
        let max_wait = own.max_wait_duration.or(defaults.max_wait_duration);
        let max_wait = max_wait.map_or(30 * SECOND, |span| span.0);
        if max_wait < SHORTEST_INTERVAL {
            let path = path(own.max_wait_duration.is_some(), "max_wait_duration");
            return Err(ConfigError::at(path, written(max_wait), "give at least \"10ms\""));
        }
        let ramp = own.ramp_duration.or(defaults.ramp_duration).map_or(Duration::ZERO, |it| it.0);
        Ok(HalfOpenPolicy { permitted_calls, success_threshold, max_wait, ramp })
    }
}

pub(super) const fn mode(wire: Option<wire::Mode>) -> Mode {
    match wire {
        None | Some(wire::Mode::Enabled) => Mode::Enabled,
        Some(wire::Mode::Disabled) => Mode::Disabled,
        Some(wire::Mode::ForcedOpen) => Mode::ForcedOpen,
        Some(wire::Mode::MetricsOnly) => Mode::MetricsOnly,
    }
}

pub(super) fn classify(own: wire::Classify, defaults: wire::Classify) -> Classify {
    let failure_status = own.failure_status.or(defaults.failure_status);
    let ignore_status = own.ignore_status.or(defaults.ignore_status).unwrap_or_default();
    let min_client_deadline = own.min_client_deadline.or(defaults.min_client_deadline);
    Classify {
        ignore_status: UNKNOWN_TO_SERVICE
            .into_iter()
            .filter(|status| !failure_status.is_some_and(|given| given.contains(*status)))
            .fold(ignore_status, StatusSet::with),
        failure_status: failure_status.unwrap_or_else(|| StatusSet::range(500, 599)),
        // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS
        failure_grpc_status: own
            .failure_grpc_status
            .or(defaults.failure_grpc_status)
            .unwrap_or(const { GrpcSet::of([2, 4, 13, 14, 15]) }),
        ignore_grpc_status: own
            .ignore_grpc_status
            .or(defaults.ignore_grpc_status)
            .unwrap_or_default(),
        min_client_deadline: min_client_deadline.map_or(5 * SECOND, |span| span.0),
        overflow: own.overflow.or(defaults.overflow).unwrap_or(Overflow::Ignore),
    }
}
