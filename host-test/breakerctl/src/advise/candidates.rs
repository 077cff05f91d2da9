//! The rules that are tried, each as one would configure it.

use std::time::Duration;

use config::duration;
use serde_json::{Value, json};

/// A rule that is tried.
pub(super) struct Candidate {
    /// What it is, in words.
    pub(super) name: String,
    /// The fields of a service that set it.
    pub(super) settings: Value,
    pub(super) kind: Kind,
}

/// What decides.
pub(super) enum Kind {
    Adaptive,
    Fixed(Trip),
    /// What is there without any setting.
    Default(Trip),
}

impl Kind {
    pub(super) const fn trip(&self) -> Option<&Trip> {
        match self {
            Self::Adaptive => None,
            Self::Fixed(trip) | Self::Default(trip) => Some(trip),
        }
    }
}

/// What opens a breaker by fixed numbers.
#[derive(Clone, Debug)]
pub(super) struct Trip {
    pub(super) in_a_row: Option<u32>,
    pub(super) rate: Option<Rate>,
}

/// A share of the latest calls.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    pub(super) percent: u32,
    /// Of at least so many calls.
    pub(super) least: u32,
    pub(super) window: Duration,
}

/// What is done once it is open.
struct Return {
    wait: &'static str,
    most: &'static str,
    /// Trials, how many have to succeed, and the ramp.
    trials: Option<(u32, u32, &'static str)>,
}

const IN_A_ROW: [Option<u32>; 6] = [Some(3), Some(5), Some(8), Some(12), Some(20), None];
/// Percent, of at least so many calls.
const RATES: [Option<(u32, u32)>; 3] = [None, Some((50, 20)), Some((25, 40))];
const RETURNS: [Return; 4] = [
    Return { wait: "30s", most: "5m", trials: None },
    Return { wait: "5s", most: "1m", trials: None },
    Return { wait: "1s", most: "30s", trials: None },
    Return { wait: "1s", most: "10s", trials: Some((5, 3, "2s")) },
];

/// A window has the calls of the least of these times in which so many come.
const WINDOWS: [u64; 5] = [2, 10, 60, 600, 3600];
const CALLS_OF_WINDOW: f64 = 100.0;

/// The rules to try on calls that come at such a rate, the simple ones first.
pub(super) fn candidates(rate: f64, slow: Option<Duration>) -> Vec<Candidate> {
    let holds = |seconds: &&u64| **seconds as f64 * rate >= CALLS_OF_WINDOW;
    let window = Duration::from_secs(*WINDOWS.iter().find(holds).unwrap_or(&3600));
    let mut candidates = vec![
        Candidate {
            name: "the adaptive rule".to_owned(),
            settings: json!({ "trip": { "adaptive": adaptive(slow) } }),
            kind: Kind::Adaptive,
        },
        Candidate {
            name: "3 in a row, as by default".to_owned(),
            settings: json!({}),
            kind: Kind::Default(Trip { in_a_row: Some(3), rate: None }),
        },
    ];
    for share in RATES {
        let share = share.map(|(percent, least)| Rate { percent, least, window });
        for in_a_row in IN_A_ROW {
            let trip = Trip { in_a_row, rate: share.clone() };
            if trip.in_a_row.is_none() && trip.rate.is_none() {
                continue;
            }
            candidates.extend(RETURNS.iter().map(|back| fixed(&trip, back, slow)));
        }
    }
    candidates
}

fn adaptive(slow: Option<Duration>) -> Value {
    slow.map_or_else(|| json!({}), |slow| json!({ "latency_floor": duration::text(slow) }))
}

fn fixed(trip: &Trip, back: &Return, slow: Option<Duration>) -> Candidate {
    let Return { wait, most, trials } = back;
    let mut settings = json!({
        "trip": trip.settings(slow),
        "open": { "wait_duration": wait, "max_wait_duration": most },
    });
    let mut name = format!("{}; waits {wait} to {most}", trip.words(slow));
    if let Some((trials, successes, ramp)) = trials {
        settings["half_open"] = json!({
            "permitted_calls": trials, "success_threshold": successes, "ramp_duration": ramp
        });
        name.push_str(&format!(", {successes} of {trials} trials, ramp {ramp}"));
    }
    Candidate { name, settings, kind: Kind::Fixed(trip.clone()) }
}

impl Trip {
    fn settings(&self, slow: Option<Duration>) -> Value {
        let mut trip = json!({});
        if let Some(row) = self.in_a_row {
            trip["consecutive_failures"] = row.into();
        }
        if let Some(rate) = &self.rate {
            trip["failure_rate_threshold"] = rate.percent.into();
            trip["minimum_number_of_calls"] = rate.least.into();
            trip["sliding_window_size"] = duration::text(rate.window).into();
            if let Some(slow) = slow {
                trip["slow_call_rate_threshold"] = rate.percent.into();
                trip["slow_call_duration_threshold"] = duration::text(slow).into();
            }
        }
        trip
    }

    /// Such as `5 in a row or 50 % of 10s (20 calls or more)`.
    pub(super) fn words(&self, slow: Option<Duration>) -> String {
        let row = self.in_a_row.map(|row| format!("{row} in a row"));
        let rate = self.rate.as_ref().map(|Rate { percent, least, window }| {
            let or_slow = if slow.is_some() { " failed or slow" } else { "" };
            let window = duration::text(*window);
            format!("{percent} %{or_slow} of {window} ({least} calls or more)")
        });
        [row, rate].into_iter().flatten().collect::<Vec<_>>().join(" or ")
    }
}
