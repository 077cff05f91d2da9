//! What opens a breaker.

use std::num::NonZeroU32;
use std::time::Duration;

use breaker::{MAX_WINDOW_CALLS, Percentage, RatePolicy, TripPolicy, WindowPolicy};

use super::{Place, SECOND, at_least_one};
use crate::duration::written;
use crate::error::ConfigError;
use crate::wire::{self, WindowSize, WindowType};

/// Below, what is known of other workers' calls lags by more than a window's length.
const SHORTEST_WINDOW: Duration = SECOND;

/// What opens a breaker, and what is to be measured for it.
pub(super) struct Trip {
    pub(super) policy: TripPolicy,
    /// A call is slow if it took this long.
    pub(super) slow_after: Option<Duration>,
}

impl Place {
    /// A service's rules stand in for all of the defaults': a rule that is absent does not exist.
    pub(super) fn trip(
        self,
        own: Option<&wire::Trip>,
        defaults: Option<&wire::Trip>,
    ) -> Result<Trip, ConfigError> {
        let Some(trip) = own.or(defaults) else {
            let policy = TripPolicy { consecutive_failures: NonZeroU32::new(3), rates: None };
            return Ok(Trip { policy, slow_after: None });
        };
        let rules = Rules { place: self, own: own.is_some(), trip };
        let consecutive_failures = rules.consecutive_failures()?;
        let rates = rules.rates()?;
        if consecutive_failures.is_none() && rates.is_none() {
            let remedy = "give at least one rule, such as {\"consecutive_failures\": 3}";
            return Err(ConfigError::at(rules.path(""), "{}", remedy));
        }
        let slow_after = trip.slow_call_duration_threshold.map(|span| span.0);
        Ok(Trip { policy: TripPolicy { consecutive_failures, rates }, slow_after })
    }
}

/// The rules that are given, and where.
struct Rules<'a> {
    place: Place,
    own: bool,
    trip: &'a wire::Trip,
}

impl Rules<'_> {
    fn consecutive_failures(&self) -> Result<Option<NonZeroU32>, ConfigError> {
        let limit = self.trip.consecutive_failures;
        limit.map(|limit| at_least_one(limit, || self.path("consecutive_failures"))).transpose()
    }

    fn rates(&self) -> Result<Option<RatePolicy>, ConfigError> {
        let trip = self.trip;
        let share =
            |share: Option<wire::Share>| share.map(|share| Percentage::from_thousandths(share.0));
        let failures = share(trip.failure_rate_threshold);
        let slow = share(trip.slow_call_rate_threshold);
        self.check_slow_calls()?;
        if failures.is_none() && slow.is_none() {
            self.refuse_window_without_rate()?;
            return Ok(None);
        }
        let window = self.window()?;
        let minimum_calls = self.minimum_calls(window)?;
        Ok(Some(RatePolicy { window, minimum_calls, failures, slow }))
    }

    /// A rate of slow calls and what is slow: neither is of use without the other.
    fn check_slow_calls(&self) -> Result<(), ConfigError> {
        match (self.trip.slow_call_rate_threshold, self.trip.slow_call_duration_threshold) {
            (Some(_), None) => {
                let remedy = "say from which duration on a call is slow, such as \"2s\"";
                Err(ConfigError::at(self.path("slow_call_duration_threshold"), "absent", remedy))
            }
            (None, Some(span)) => {
                let remedy = "it belongs to a slow_call_rate_threshold: give one, such as 80";
                let path = self.path("slow_call_duration_threshold");
                Err(ConfigError::at(path, written(span.0), remedy))
            }
            (Some(_), Some(span)) if span.0 == Duration::ZERO => {
                let remedy = "every call is as slow as that: give more";
                let path = self.path("slow_call_duration_threshold");
                Err(ConfigError::at(path, written(span.0), remedy))
            }
            _ => Ok(()),
        }
    }

    fn refuse_window_without_rate(&self) -> Result<(), ConfigError> {
        let trip = self.trip;
        let size = trip.sliding_window_size.map(|size| match size {
            WindowSize::Time(span) => written(span.0),
            WindowSize::Calls(calls) => calls.to_string(),
        });
        let kind = trip.sliding_window_type.map(|kind| format!("\"{}\"", kind.name()));
        let minimum = trip.minimum_number_of_calls.map(|calls| calls.to_string());
        for (field, value) in [
            ("minimum_number_of_calls", minimum),
            ("sliding_window_type", kind),
            ("sliding_window_size", size),
        ] {
            if let Some(value) = value {
                let remedy = "it belongs to a failure_rate_threshold or slow_call_rate_threshold: \
                              give one, such as 50";
                return Err(ConfigError::at(self.path(field), value, remedy));
            }
        }
        Ok(())
    }

    fn window(&self) -> Result<WindowPolicy, ConfigError> {
        let kind = self.trip.sliding_window_type;
        let path = || self.path("sliding_window_size");
        match (kind, self.trip.sliding_window_size) {
            (None | Some(WindowType::TimeBased), None) => Ok(WindowPolicy::Time(10 * SECOND)),
            (None | Some(WindowType::TimeBased), Some(WindowSize::Time(span))) => {
                if span.0 < SHORTEST_WINDOW {
                    let remedy = "give at least \"1s\"";
                    return Err(ConfigError::at(path(), written(span.0), remedy));
                }
                Ok(WindowPolicy::Time(span.0))
            }
            (Some(WindowType::TimeBased), Some(WindowSize::Calls(calls))) => {
                let remedy = "a time_based window has a duration, such as \"10s\"";
                Err(ConfigError::at(path(), calls, remedy))
            }
            (Some(WindowType::CountBased), None) => {
                Ok(WindowPolicy::Calls(const { NonZeroU32::new(100).unwrap() }))
            }
            (None | Some(WindowType::CountBased), Some(WindowSize::Calls(calls))) => {
                let size = at_least_one(calls, path)?;
                if calls > MAX_WINDOW_CALLS {
                    let remedy = format!("give at most {MAX_WINDOW_CALLS} calls");
                    return Err(ConfigError::at(path(), calls, remedy));
                }
                Ok(WindowPolicy::Calls(size))
            }
            (Some(WindowType::CountBased), Some(WindowSize::Time(span))) => {
                let remedy = "a count_based window has a number of calls, such as 100";
                Err(ConfigError::at(path(), written(span.0), remedy))
            }
        }
    }

    /// As many as a window over calls can hold would be a rule that never trips.
    fn minimum_calls(&self, window: WindowPolicy) -> Result<NonZeroU32, ConfigError> {
        const DEFAULT: NonZeroU32 = NonZeroU32::new(20).unwrap();
        let path = || self.path("minimum_number_of_calls");
        let given = self.trip.minimum_number_of_calls;
        let given = given.map(|calls| at_least_one(calls, path)).transpose()?;
        match (given, window) {
            (Some(minimum), WindowPolicy::Calls(size)) if minimum > size => {
                let remedy = format!(
                    "the window holds {size} calls, so it would never trip: give at most that, or \
                     a larger sliding_window_size"
                );
                Err(ConfigError::at(path(), minimum, remedy))
            }
            (Some(minimum), _) => Ok(minimum),
            (None, WindowPolicy::Calls(size)) => Ok(DEFAULT.min(size)),
            (None, WindowPolicy::Time(_)) => Ok(DEFAULT),
        }
    }

    fn path(&self, field: &str) -> String {
        let path = if field.is_empty() { "trip".to_owned() } else { format!("trip.{field}") };
        self.place.path_of(self.own, &path)
    }
}

impl WindowType {
    const fn name(self) -> &'static str {
        match self {
            Self::TimeBased => "time_based",
            Self::CountBased => "count_based",
        }
    }
}
