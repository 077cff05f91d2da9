//! What opens a breaker.

use std::num::NonZeroU32;
use std::time::Duration;

use breaker::{AdaptivePolicy, MAX_WINDOW_CALLS, Percentage, RatePolicy, TripPolicy, WindowPolicy};

use crate::duration::written;
use crate::error::ConfigError;
use crate::fields::{AdaptiveFields, TripFields, WindowType};
use crate::reader::Reader;
use crate::value::WindowSize;

const SECOND: Duration = Duration::from_secs(1);
/// Below, what is known of other workers' calls lags by more than a window's length.
const SHORTEST_WINDOW: Duration = SECOND;

/// A setting of a rule in force.
#[derive(Clone, Copy, Debug)]
pub enum Setting {
    /// So many.
    Count(NonZeroU32),
    /// So many thousandths.
    Thousandths(u32),
    /// So long.
    Time(Duration),
    /// Whether it is so.
    Flag(bool),
}

/// What opens a breaker, and what is to be measured for it.
pub(super) struct Trip {
    pub(super) policy: TripPolicy,
    /// A call is slow if it took this long.
    pub(super) slow_after: Option<Duration>,
}

/// A service's rules stand in for all of the defaults': a rule that is absent does not exist.
pub(super) fn trip(from: Option<&Reader<'_>>, max_wait: Duration) -> Result<Trip, ConfigError> {
    let Some(from) = from else {
        let policy =
            TripPolicy { consecutive_failures: NonZeroU32::new(3), ..TripPolicy::default() };
        return Ok(Trip { policy, slow_after: None });
    };
    let mut refused = Ok(());
    let fields = TripFields::read(from, &mut refused);
    refused?;
    let rules = Rules { from, fields: &fields };
    let rates = rules.rates()?;
    let TripFields { consecutive_failures, count_overdue, ref adaptive, .. } = fields;
    let adaptive = adaptive.as_ref().map(|fields| self::adaptive(fields, max_wait));
    let slow_after = fields.slow_call_duration_threshold;
    let overdue_after = slow_after.filter(|_| count_overdue);
    let policy = TripPolicy { consecutive_failures, rates, overdue_after, adaptive };
    if policy == TripPolicy::default() {
        let remedy = "give at least one rule, such as {\"consecutive_failures\": 3}";
        return Err(ConfigError::at(&from.path(), &"{}", &remedy));
    }
    Ok(Trip { policy, slow_after })
}

/// Tells the rules that there are, by the names of the configuration, but for the adaptive one.
#[inline(never)]
pub fn tell_trip(
    policy: &TripPolicy,
    slow_after: Option<Duration>,
    tell: &mut dyn FnMut(&str, Setting),
) {
    if let Some(failures) = policy.consecutive_failures {
        tell("consecutive_failures", Setting::Count(failures));
    }
    let Some(rates) = &policy.rates else {
        return;
    };
    if let Some(share) = rates.failures {
        tell("failure_rate_threshold", Setting::Thousandths(share.thousandths()));
    }
    if let Some(share) = rates.slow {
        tell("slow_call_rate_threshold", Setting::Thousandths(share.thousandths()));
    }
    if let Some(slow) = slow_after {
        tell("slow_call_duration_threshold", Setting::Time(slow));
        tell("count_overdue", Setting::Flag(policy.overdue_after.is_some()));
    }
    tell("minimum_number_of_calls", Setting::Count(rates.minimum_calls));
    let size = match rates.window {
        WindowPolicy::Time(time) => Setting::Time(time),
        WindowPolicy::Calls(calls) => Setting::Count(calls),
    };
    tell("sliding_window_size", size);
}

/// Tells how the adaptive rule is set.
#[inline(never)]
pub fn tell_adaptive(policy: &AdaptivePolicy, tell: &mut dyn FnMut(&str, Setting)) {
    tell("tolerate", Setting::Thousandths(policy.tolerate.thousandths()));
    tell("false_trips", Setting::Time(policy.false_trips));
    tell("shed", Setting::Flag(policy.shed));
    tell("latency", Setting::Flag(policy.latency_floor.is_some()));
    if let Some(floor) = policy.latency_floor {
        tell("latency_floor", Setting::Time(floor));
    }
}

/// `max_gap`: the longest time between two trials.
fn adaptive(fields: &AdaptiveFields, max_gap: Duration) -> AdaptivePolicy {
    let AdaptiveFields { tolerate, false_trips, shed, latency, latency_floor } = *fields;
    AdaptivePolicy {
        tolerate: Percentage::from_thousandths(tolerate),
        false_trips,
        shed,
        latency_floor: latency.then_some(latency_floor),
        max_gap,
    }
}

/// The rules that are given, and where.
struct Rules<'a> {
    from: &'a Reader<'a>,
    fields: &'a TripFields,
}

impl Rules<'_> {
    fn rates(&self) -> Result<Option<RatePolicy>, ConfigError> {
        let failures = self.fields.failure_rate_threshold.map(Percentage::from_thousandths);
        let slow = self.fields.slow_call_rate_threshold.map(Percentage::from_thousandths);
        self.check_slow_calls()?;
        if failures.is_none() && slow.is_none() {
            self.refuse_window_without_rate()?;
            return Ok(None);
        }
        let window = self.window()?;
        let minimum_calls = self.minimum_calls(window)?;
        Ok(Some(RatePolicy { window, minimum_calls, failures, slow }))
    }

    /// A rule about slow calls and what is slow: neither is of use without the other.
    fn check_slow_calls(&self) -> Result<(), ConfigError> {
        let fields = self.fields;
        let is_used = fields.slow_call_rate_threshold.is_some();
        let (value, remedy) = match (is_used, fields.slow_call_duration_threshold) {
            (true, None) => {
                ("absent".to_owned(), "say from which duration on a call is slow, such as \"2s\"")
            }
            (false, Some(slow)) => {
                (written(slow), "it belongs to a slow_call_rate_threshold: give one, such as 80")
            }
            (true, Some(Duration::ZERO)) => {
                (written(Duration::ZERO), "every call is as slow as that: give more")
            }
            _ => return self.refuse_overdue_without_rate(),
        };
        Err(self.from.error("slow_call_duration_threshold", value, remedy))
    }

    fn refuse_overdue_without_rate(&self) -> Result<(), ConfigError> {
        match self.from.value("count_overdue") {
            Some(value) if self.fields.slow_call_rate_threshold.is_none() => {
                let remedy = "it belongs to a slow_call_rate_threshold: give one, such as 80";
                Err(self.from.error("count_overdue", value, remedy))
            }
            _ => Ok(()),
        }
    }

    fn refuse_window_without_rate(&self) -> Result<(), ConfigError> {
        let type_name = |kind| match kind {
            WindowType::TimeBased => "\"time_based\"",
            WindowType::CountBased => "\"count_based\"",
        };
        for field in ["minimum_number_of_calls", "sliding_window_type", "sliding_window_size"] {
            let Some(value) = self.from.value(field) else { continue };
            let remedy = "it belongs to a failure_rate_threshold or slow_call_rate_threshold: \
                          give one, such as 50";
            return Err(match self.fields.sliding_window_type {
                Some(kind) if field == "sliding_window_type" => {
                    self.from.error(field, type_name(kind), remedy)
                }
                _ => self.from.error(field, value, remedy),
            });
        }
        Ok(())
    }

    fn window(&self) -> Result<WindowPolicy, ConfigError> {
        let refused =
            |value: String, remedy| Err(self.from.error("sliding_window_size", value, remedy));
        let (kind, size) = (self.fields.sliding_window_type, self.fields.sliding_window_size);
        match (kind, size) {
            (None | Some(WindowType::TimeBased), None) => Ok(WindowPolicy::Time(10 * SECOND)),
            (Some(WindowType::CountBased), None) => {
                Ok(WindowPolicy::Calls(const { NonZeroU32::new(100).unwrap() }))
            }
            (Some(WindowType::CountBased), Some(WindowSize::Time(span))) => {
                refused(written(span), "a count_based window has a number of calls, such as 100")
            }
            (_, Some(WindowSize::Time(span))) if span < SHORTEST_WINDOW => {
                refused(written(span), "give at least \"1s\"")
            }
            (_, Some(WindowSize::Time(span))) => Ok(WindowPolicy::Time(span)),
            (Some(WindowType::TimeBased), Some(WindowSize::Calls(calls))) => {
                refused(calls.to_string(), "a time_based window has a duration, such as \"10s\"")
            }
            (_, Some(WindowSize::Calls(calls))) => match NonZeroU32::new(calls) {
                None => refused(calls.to_string(), "give at least 1"),
                Some(_) if calls > MAX_WINDOW_CALLS => {
                    let remedy = format!("give at most {MAX_WINDOW_CALLS} calls");
                    Err(self.from.error("sliding_window_size", calls, remedy))
                }
                Some(calls) => Ok(WindowPolicy::Calls(calls)),
            },
        }
    }

    /// As many as a window over calls can hold would be a rule that never trips.
    fn minimum_calls(&self, window: WindowPolicy) -> Result<NonZeroU32, ConfigError> {
        const DEFAULT: NonZeroU32 = NonZeroU32::new(20).unwrap();
        match (self.fields.minimum_number_of_calls, window) {
            (Some(minimum), WindowPolicy::Calls(size)) if minimum > size => {
                let remedy = format!(
                    "the window holds {size} calls, so it would never trip: give at most that, or \
                     a larger sliding_window_size"
                );
                Err(self.from.error("minimum_number_of_calls", minimum, remedy))
            }
            (Some(minimum), _) => Ok(minimum),
            (None, WindowPolicy::Calls(size)) => Ok(DEFAULT.min(size)),
            (None, WindowPolicy::Time(_)) => Ok(DEFAULT),
        }
    }
}
