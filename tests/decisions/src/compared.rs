//! The rules under comparison, by name.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use breaker::{AdaptivePolicy, Percentage};
use rules::{AdaptiveRule, FilteredRule, MS, Rule, configured};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::peers::admission_control::AdmissionControl;
use crate::peers::linkerd::Linkerd;
use crate::peers::nothing::Nothing;
use crate::peers::outlier::OutlierDetection;
use crate::peers::ratio::Ratio;
use crate::peers::resilience4j::Resilience4j;
use crate::peers::semian::Semian;
use crate::peers::semian_adaptive::SemianAdaptive;
use crate::peers::textbook::{Test, Textbook};
use crate::peers::throttling::Throttling;
use crate::scenario::{Guarded, Scenario};

/// The filter takes longer for a call than a rule alone.
const FILTER_SEEDS: u64 = 5;

type Make = Box<dyn Fn(&Scenario) -> Box<dyn Rule> + Sync>;

/// A rule that can be run.
pub(crate) struct Named {
    pub(crate) name: String,
    /// What it is, for the tables.
    pub(crate) about: String,
    /// It is played with scenarios whose names begin so.
    only: String,
    /// It is played with so many seeds at most.
    pub(crate) most_seeds: u64,
    pub(crate) make: Make,
}

/// A file of rules, each as the settings of a service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What it is for.
    #[serde(rename = "about")]
    _about: String,
    rules: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    only: String,
    settings: Value,
}

impl Named {
    fn new(
        name: &str,
        about: &str,
        make: impl Fn(&Scenario) -> Box<dyn Rule> + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            only: String::new(),
            most_seeds: u64::MAX,
            make: Box::new(make),
        }
    }

    /// A rule of the product.
    fn ours(name: &str, about: &str, settings: fn(&Scenario) -> Value) -> Self {
        Self::new(name, about, move |scenario| {
            configured(&settings(scenario)).expect("settings that are taken")
        })
    }

    /// Whether it is played with a scenario.
    pub(crate) fn is_for(&self, scenario: &Scenario) -> bool {
        scenario.name.starts_with(&self.only)
    }

    /// The rules of a file.
    pub(crate) fn read(path: &Path) -> Result<Vec<Self>> {
        let file = || format!("{}", path.display());
        let text = std::fs::read(path).with_context(file)?;
        let written: File = serde_json::from_slice(&text).with_context(file)?;
        let named = |Written { name, only, settings }: Written| {
            configured(&settings).with_context(|| format!("{name:?}")).with_context(file)?;
            let make = move |_: &Scenario| configured(&settings).expect("settings that were taken");
            Ok(Self { only, ..Self::new(&name, &name, make) })
        };
        written.rules.into_iter().map(named).collect()
    }
}

/// All rules that have a name here, in the order of the tables.
pub(crate) fn all() -> Vec<Named> {
    vec![
        Named::new("adaptive", "the adaptive rule", |it| adaptive(half_of_slow(it), 1)),
        Named::new("adaptive-4", "the adaptive rule over four workers", |it| {
            adaptive(half_of_slow(it), 4)
        }),
        Named::new("adaptive-1s", "the adaptive rule with a latency floor of 1 s", |_| {
            adaptive(Some(Duration::from_secs(1)), 1)
        }),
        Named {
            most_seeds: FILTER_SEEDS,
            ..Named::new("filter", "the adaptive rule in the filter, on four workers", |it| {
                in_filter(half_of_slow(it))
            })
        },
        Named::ours("three-in-a-row", "three failures in a row, 30 s", |_| in_a_row(3)),
        Named::ours("five-in-a-row", "five failures in a row, 30 s", |_| in_a_row(5)),
        Named::ours("rate-50", "50 % of at least 20 calls, 30 s", |it| rate(it, 50)),
        Named::ours("rate-25", "25 % of at least 20 calls, 30 s", |it| rate(it, 25)),
        Named::ours(
            "short-waits",
            "ten in a row or 50 % of 2 s; 1 to 10 s, 3 of 5 trials, 2 s of ramp",
            short_waits,
        ),
        Named::new("outlier-detection", "Envoy's outlier detection", |_| {
            Box::new(OutlierDetection::new())
        }),
        Named::new("admission-control", "Envoy's admission control", |_| {
            Box::new(AdmissionControl::new())
        }),
        Named::new("linkerd", "Linkerd's unified accrual", |_| Box::new(Linkerd::new())),
        Named::new("resilience4j", "resilience4j", |_| Box::new(Resilience4j::new())),
        Named::new("polly", "Polly 8", |_| Box::new(Ratio::polly())),
        Named::new("hystrix", "Hystrix", |_| Box::new(Ratio::hystrix())),
        Named::new(
            "throttling",
            "Google's client-side throttling",
            |_| Box::new(Throttling::new()),
        ),
        Named::new("semian", "Semian, classic", |it| Box::new(Semian::new(it.classic_limit))),
        Named::new("semian-adaptive", "Semian, adaptive", |it| {
            let each = if it.breaker_per == Guarded::Thread { 2000 } else { 1 << 20 };
            Box::new(SemianAdaptive::new(each))
        }),
        Named::new("cusum", "a textbook CUSUM", |_| Box::new(Textbook::new(Test::Cusum))),
        Named::new("glr", "a textbook likelihood ratio", |_| Box::new(Textbook::new(Test::Glr))),
        Named::new("sprt", "a textbook sequential test", |_| Box::new(Textbook::new(Test::Sprt))),
        Named::new("none", "no breaker", |_| Box::new(Nothing)),
    ]
}

/// With the defaults, but that trials of a service with few calls are as seldom as the rule would
/// have them.
fn adaptive(latency_floor: Option<Duration>, workers: usize) -> Box<dyn Rule> {
    let policy = AdaptivePolicy {
        tolerate: Percentage::from_thousandths(5_000),
        false_trips: Duration::from_secs(30 * 86_400),
        shed: true,
        latency_floor,
        max_gap: Duration::from_secs(3_600),
    };
    Box::new(AdaptiveRule::new(policy, workers))
}

/// The same settings, as a configuration has them.
fn in_filter(latency_floor: Option<Duration>) -> Box<dyn Rule> {
    let floor = latency_floor.unwrap_or(Duration::from_secs(1));
    let adaptive = json!({
        "latency": latency_floor.is_some(),
        "latency_floor": format!("{}ms", floor.as_millis()),
    });
    let settings = json!({
        "trip": { "adaptive": adaptive },
        "open": { "max_wait_duration": "1h" },
    });
    Box::new(FilteredRule::new(&settings, 4).expect("settings that are taken"))
}

/// Latency is watched where a scenario says what is slow, from half of that.
fn half_of_slow(scenario: &Scenario) -> Option<Duration> {
    let slow = (scenario.slow_ms > 0.0).then_some((scenario.slow_ms / 2.0 * MS as f64) as u64);
    slow.map(Duration::from_nanos)
}

fn in_a_row(failures: u32) -> Value {
    json!({ "trip": { "consecutive_failures": failures }, "open": { "wait_duration": "30s" } })
}

/// A share of the calls of 10 s.
fn rate(scenario: &Scenario, percent: u32) -> Value {
    let trip = json!({ "failure_rate_threshold": percent });
    json!({ "trip": or_slow(trip, scenario), "open": { "wait_duration": "30s" } })
}

fn short_waits(scenario: &Scenario) -> Value {
    let trip = json!({
        "consecutive_failures": 10,
        "failure_rate_threshold": 50,
        "sliding_window_size": "2s",
    });
    json!({
        "trip": or_slow(trip, scenario),
        "open": { "wait_duration": "1s", "max_wait_duration": "10s" },
        "half_open": { "permitted_calls": 5, "success_threshold": 3, "ramp_duration": "2s" },
    })
}

/// Or half of them slow, where the scenario says what that is.
fn or_slow(mut trip: Value, scenario: &Scenario) -> Value {
    if scenario.slow_ms > 0.0 {
        trip["slow_call_rate_threshold"] = 50.into();
        trip["slow_call_duration_threshold"] = format!("{}ms", scenario.slow_ms).into();
    }
    trip
}
