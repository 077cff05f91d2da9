//! The rules under comparison, by name.

mod adaptive;
mod fixed;

use std::time::Duration;

use adaptive::AdaptiveRule;
use fixed::{FixedRule, Settings};

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
use crate::rule::Rule;
use crate::scenario::{Guarded, Scenario};

type Make = fn(&Scenario) -> Box<dyn Rule>;

/// A rule that can be run.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    /// What it is, for the tables.
    pub(crate) about: &'static str,
    pub(crate) make: Make,
}

const fn named(name: &'static str, about: &'static str, make: Make) -> Named {
    Named { name, about, make }
}

/// All rules, in the order of the tables.
pub(crate) const RULES: &[Named] = &[
    named("adaptive", "the adaptive rule", |it| Box::new(AdaptiveRule::new(it, 1))),
    named("adaptive-4", "the adaptive rule over four workers", |it| {
        Box::new(AdaptiveRule::new(it, 4))
    }),
    named("adaptive-1s", "the adaptive rule with a latency floor of 1 s", |_| {
        Box::new(AdaptiveRule::with_floor(Some(Duration::from_secs(1)), 1))
    }),
    named("three-in-a-row", "three failures in a row, 30 s", |_| {
        Box::new(FixedRule::new(Settings { in_a_row: Some(3), ..Settings::default() }))
    }),
    named("five-in-a-row", "five failures in a row, 30 s", |_| {
        Box::new(FixedRule::new(Settings { in_a_row: Some(5), ..Settings::default() }))
    }),
    named("rate-50", "50 % of at least 20 calls, 30 s", |it| Box::new(FixedRule::rate(it, 50))),
    named("rate-25", "25 % of at least 20 calls, 30 s", |it| Box::new(FixedRule::rate(it, 25))),
    named(
        "short-waits",
        "ten in a row or 50 % of 2 s; 1 to 10 s, 3 of 5 trials, 2 s of ramp",
        |it| Box::new(FixedRule::short_waits(it)),
    ),
    named("outlier-detection", "Envoy's outlier detection", |_| Box::new(OutlierDetection::new())),
    named("admission-control", "Envoy's admission control", |_| Box::new(AdmissionControl::new())),
    named("linkerd", "Linkerd's unified accrual", |_| Box::new(Linkerd::new())),
    named("resilience4j", "resilience4j", |_| Box::new(Resilience4j::new())),
    named("polly", "Polly 8", |_| Box::new(Ratio::polly())),
    named("hystrix", "Hystrix", |_| Box::new(Ratio::hystrix())),
    named("throttling", "Google's client-side throttling", |_| Box::new(Throttling::new())),
    named("semian", "Semian, classic", |it| Box::new(Semian::new(it.classic_limit))),
    named("semian-adaptive", "Semian, adaptive", |it| {
        let each = if it.breaker_per == Guarded::Thread { 2000 } else { 1 << 20 };
        Box::new(SemianAdaptive::new(each))
    }),
    named("cusum", "a textbook CUSUM", |_| Box::new(Textbook::new(Test::Cusum))),
    named("glr", "a textbook likelihood ratio", |_| Box::new(Textbook::new(Test::Glr))),
    named("sprt", "a textbook sequential test", |_| Box::new(Textbook::new(Test::Sprt))),
    named("none", "no breaker", |_| Box::new(Nothing)),
];
