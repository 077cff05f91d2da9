//! Which of the rules does best.

use std::time::Duration;

use anyhow::Context as _;
use rules::configured;
use serde_json::Value;

use super::calls::Calls;
use super::candidates::{Candidate, Kind, candidates};
use super::chance;
use super::outages::{Outage, Usual, outages};
use super::play::{Played, play};

/// Fewer calls say nothing.
const LEAST_CALLS: usize = 100;

/// A rule that opens by chance more often, in seconds, is not chosen.
const CHANCE_BUDGET: f64 = 30.0 * 86_400.0;

/// Of the bad calls, what makes no difference between two rules.
const ALIKE: f64 = 0.01;

/// What a log leads to.
pub(super) struct Advice {
    pub(super) calls: usize,
    pub(super) silent: usize,
    /// Bad calls, and those of outages.
    pub(super) bad: usize,
    pub(super) bad_of_outages: usize,
    /// Seconds.
    pub(super) span: f64,
    pub(super) outages: Vec<Outage>,
    pub(super) usual: Usual,
    /// The best first. Empty if there was no reason to try any.
    pub(super) tried: Vec<Tried>,
    /// The one that is advised.
    pub(super) best: Option<usize>,
    /// Why there is none.
    pub(super) none: Option<Why>,
}

/// Why there is no advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    TooFew,
    Nothing,
    /// Each rule diverts more good calls than it spares bad ones.
    NotWorth,
}

/// A rule, and what it would have done.
pub(super) struct Tried {
    pub(super) name: String,
    pub(super) settings: Value,
    pub(super) kind: Kind,
    pub(super) played: Played,
    /// Bad calls of outages that it lets through.
    pub(super) let_through: usize,
    /// Seconds until chance alone opens it, on average. `None`: it learns what chance does.
    pub(super) by_chance: Option<f64>,
    /// Bad calls that it diverts, less what the good ones cost.
    pub(super) worth: f64,
}

impl Tried {
    /// Whether chance opens it too often.
    pub(super) fn is_nervous(&self) -> bool {
        self.by_chance.is_some_and(|seconds| seconds < CHANCE_BUDGET)
    }
}

impl Advice {
    pub(super) fn best(&self) -> Option<&Tried> {
        self.tried.get(self.best?)
    }

    /// The best of those that are adaptive, or not.
    pub(super) fn first(&self, fits: impl Fn(&Tried) -> bool) -> Option<&Tried> {
        self.tried.iter().find(|it| fits(it))
    }

    /// Whether two rules are worth the same, as far as such a log can tell.
    pub(super) fn are_alike(&self, a: &Tried, b: &Tried) -> bool {
        (a.worth - b.worth).abs() <= (ALIKE * self.bad as f64).max(1.0)
    }
}

/// Plays all rules, unless there is no reason to.
///
/// # Errors
///
/// If a rule cannot be configured so.
pub(super) fn advise(calls: &Calls, slow: Option<Duration>, costs: f64) -> anyhow::Result<Advice> {
    let samples = &calls.samples;
    let (outages, usual) = outages(samples);
    let mut advice = Advice {
        calls: samples.len(),
        silent: calls.silent,
        bad_of_outages: outages.iter().map(|it| it.bad).sum(),
        bad: samples.iter().filter(|call| call.bad).count(),
        span: samples.last().map_or(0.0, |call| call.at as f64 / 1e9),
        outages,
        usual,
        tried: Vec::new(),
        best: None,
        none: None,
    };
    if advice.calls < LEAST_CALLS {
        advice.none = Some(Why::TooFew);
        return Ok(advice);
    }
    for candidate in candidates(usual.rate, slow) {
        let Candidate { name, settings, kind } = candidate;
        let rule = configured(&settings).with_context(|| format!("{name}: {settings}"))?;
        let played = play(rule, samples);
        let worth = played.bad_diverted as f64 - costs * played.good_diverted as f64;
        let by_chance = kind.trip().map(|trip| chance::seconds(trip, usual));
        let let_through = played.let_through(samples, &advice.outages);
        advice.tried.push(Tried { name, settings, kind, played, let_through, by_chance, worth });
    }
    // Those that are alike stay in their order, the simple ones first.
    advice.tried.sort_by(|a, b| b.worth.total_cmp(&a.worth));
    advice.judge();
    Ok(advice)
}

impl Advice {
    fn judge(&mut self) {
        if self.outages.is_empty() {
            self.none = Some(Why::Nothing);
            return;
        }
        let calm = |it: &&Tried| !it.is_nervous();
        let Some(best) = self.tried.iter().find(calm).filter(|it| it.worth > 0.0) else {
            self.none = Some(Why::NotWorth);
            return;
        };
        // Of those that are worth as much, the one that opens least often, and diverts least.
        let alike = self.tried.iter().enumerate();
        let alike = alike.filter(|(_, it)| calm(it) && self.are_alike(it, best));
        let of = |it: &Tried| (it.played.times, it.played.good_diverted);
        self.best = alike.min_by_key(|(_, it)| of(it)).map(|(index, _)| index);
    }
}
