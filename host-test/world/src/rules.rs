//! What an outsider knows of how the service is guarded: the configuration, as its operator
//! wrote it, and what follows from it.

use std::time::Duration;

use fastrand::Rng;
use serde_json::json;

/// How the service is guarded. All spreading of waits is off, so that they can be predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `trip.consecutive_failures`.
    pub consecutive_failures: u32,
    /// `trip.failure_rate_threshold`, if there is one: then the other is out of reach.
    pub rate: Option<RateRules>,
    /// Whether there is `trip.adaptive`, by failures alone: then the first is out of reach.
    pub adaptive: bool,
    /// `open.wait_duration`. Each trip in a row doubles it.
    pub wait: Duration,
    /// `open.max_wait_duration`.
    pub max_wait: Duration,
    /// `half_open.permitted_calls`.
    pub permitted_calls: u32,
    /// `half_open.success_threshold`.
    pub success_threshold: u32,
    /// `half_open.max_wait_duration`.
    pub trial_wait: Duration,
    /// `health_check`, if there is one.
    pub check: Option<CheckRules>,
    /// Whether diverted calls go to a cluster, or are answered by the filter.
    pub fallback_cluster: bool,
    /// Whether some requests have bodies, that come after their heads, or never.
    pub uploads: bool,
}

/// Which rate of failures opens the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateRules {
    /// `trip.failure_rate_threshold`, in percent.
    pub percent: u32,
    /// `trip.minimum_number_of_calls`.
    pub minimum: u32,
    /// `trip.sliding_window_size`, over time.
    pub window: Duration,
}

/// How the service is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckRules {
    /// `health_check.interval`.
    pub interval: Duration,
    /// `health_check.timeout`.
    pub timeout: Duration,
    /// `health_check.healthy_threshold`.
    pub healthy_threshold: u32,
    /// Whether `health_check.then` is `close`.
    pub closes: bool,
}

/// How long a trial may take to complete its request.
const TO_COMPLETE: Duration = Duration::from_secs(1);

/// How long a service without a health check is not asked again that has turned a trial away.
const UNCHECKED: Duration = Duration::from_secs(1);

/// Longer than a trial may take to complete its request.
const UPLOAD_WAIT: Duration = Duration::from_millis(1_500);

/// How long the adaptive rule may take until it diverts nothing any more.
const LONGEST_RAMP: Duration = Duration::from_secs(60);

/// More failures in a row than there are requests.
const OUT_OF_REACH: u32 = u32::MAX;

impl Default for Rules {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            rate: None,
            adaptive: false,
            wait: Duration::from_millis(50),
            max_wait: Duration::from_millis(400),
            permitted_calls: 3,
            success_threshold: 2,
            trial_wait: Duration::from_millis(80),
            check: None,
            fallback_cluster: false,
            uploads: false,
        }
    }
}

impl Default for CheckRules {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(40),
            timeout: Duration::from_millis(20),
            healthy_threshold: 1,
            closes: false,
        }
    }
}

impl Rules {
    /// Rules that differ in what matters: how many trials there are, and what ends the open state.
    #[must_use]
    pub fn samples() -> [Self; 8] {
        let one = Self { permitted_calls: 1, success_threshold: 1, ..Self::default() };
        let ten = Self {
            permitted_calls: 10,
            success_threshold: 5,
            fallback_cluster: true,
            ..Self::default()
        };
        let check = CheckRules::default();
        [
            one,
            Self::default(),
            ten,
            Self { check: Some(check), wait: Duration::ZERO, ..Self::default() },
            Self { check: Some(CheckRules { closes: true, healthy_threshold: 2, ..check }), ..one },
            Self {
                consecutive_failures: OUT_OF_REACH,
                rate: Some(RateRules { percent: 40, minimum: 10, window: Duration::from_secs(2) }),
                ..Self::default()
            },
            Self { uploads: true, trial_wait: UPLOAD_WAIT, ..Self::default() },
            Self { consecutive_failures: OUT_OF_REACH, adaptive: true, ..Self::default() },
        ]
    }

    /// The names of the services, which are guarded by the same rules.
    pub(crate) const SERVICES: [&str; 2] = ["payment", "ledger"];
    /// The cluster of their fallback.
    pub(crate) const FALLBACK: &str = "fallback";

    /// The plugin's configuration, and who is told the state, which makes no difference to it.
    pub(crate) fn configuration(&self, expose_state: &str) -> Vec<u8> {
        let services = Self::SERVICES.map(|name| self.service(name));
        json!({"expose_state": expose_state, "services": services}).to_string().into_bytes()
    }

    fn service(&self, name: &str) -> serde_json::Value {
        let millis = |time: Duration| format!("{}ms", time.as_millis());
        let mut service = json!({
            "name": name,
            "match": {"path_prefixes": [format!("/{name}")]},
            "trip": {"consecutive_failures": self.consecutive_failures},
            "open": {
                "wait_duration": millis(self.wait),
                "max_wait_duration": millis(self.max_wait),
                "backoff_rate": 2.0,
                "jitter": 0,
            },
            "half_open": {
                "permitted_calls": self.permitted_calls,
                "success_threshold": self.success_threshold,
                "max_wait_duration": millis(self.trial_wait),
            },
        });
        if self.adaptive {
            service["trip"]["adaptive"] = json!({"latency": false});
        }
        if let Some(rate) = &self.rate {
            let trip = &mut service["trip"];
            trip["failure_rate_threshold"] = json!(rate.percent);
            trip["minimum_number_of_calls"] = json!(rate.minimum);
            trip["sliding_window_size"] = json!(millis(rate.window));
        }
        if let Some(check) = &self.check {
            service["health_check"] = json!({
                "cluster": name,
                "path": "/health",
                "interval": millis(check.interval),
                "timeout": millis(check.timeout),
                "healthy_threshold": check.healthy_threshold,
                "then": if check.closes { "close" } else { "half_open" },
            });
        }
        if self.fallback_cluster {
            service["fallback"] = json!({"cluster": Self::FALLBACK, "on_failure": false});
        }
        service
    }

    /// Other rules, as an operator may change them: all but what ends the open state.
    pub(crate) fn changed(&self, rng: &mut Rng) -> Self {
        let permitted_calls = rng.u32(1..=10);
        Self {
            consecutive_failures: match self.rate.is_some() || self.adaptive {
                true => OUT_OF_REACH,
                false => rng.u32(2..8),
            },
            wait: if self.wait.is_zero() { self.wait } else { millis(rng, 10..100) },
            max_wait: millis(rng, 200..600),
            permitted_calls,
            success_threshold: rng.u32(1..=permitted_calls),
            trial_wait: match self.uploads {
                true => millis(rng, 800..2_000),
                false => millis(rng, 50..120),
            },
            ..*self
        }
    }

    /// How long a trial has its place; less if more of its request is to come.
    pub(crate) fn lease(&self, whole: bool) -> Duration {
        if whole { self.trial_wait } else { self.trial_wait.min(TO_COMPLETE) }
    }

    /// How long the service is not asked again after a trial that it turned away.
    pub(crate) fn pause(&self) -> Duration {
        self.check.map_or(UNCHECKED, |check| check.interval).min(self.trial_wait)
    }

    /// How long the breaker stays open after so many trips in a row. From the second one on what a
    /// health check says is known to be worth little.
    pub(crate) fn wait_after(&self, trips: u32) -> Duration {
        let doublings = trips.saturating_sub(1).min(20);
        let wait = match self.check {
            Some(check) if trips > 1 => self.wait.max(check.interval),
            _ => self.wait,
        };
        wait.saturating_mul(1 << doublings).min(self.max_wait)
    }

    /// How long it may take until the breaker is closed, from any state, once the service is
    /// well: a last failing trial from before, a wait, lost checks and trials, and time for the
    /// clients to come by.
    pub(crate) fn recovery(&self) -> Duration {
        if self.adaptive {
            return LONGEST_RAMP;
        }
        let check = self.check.map_or(Duration::ZERO, |check| {
            check.timeout + check.interval * (check.healthy_threshold + 3)
        });
        (self.max_wait + self.trial_wait + check) * 3 + Duration::from_secs(1)
    }
}

fn millis(rng: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}
