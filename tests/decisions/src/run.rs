//! Plays scenarios with rules, each with all seeds.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::compared::Named;
use crate::play::{Tally, play};
use crate::scenario::Scenario;

/// A scenario, played with a rule: for each seed, what became of the calls of each phase.
pub(crate) struct Runs<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) rule: &'a Named,
    pub(crate) tallies: Vec<Vec<Tally>>,
}

impl Runs<'_> {
    /// Every number, for whoever wants to draw them.
    pub(crate) fn json(&self) -> Value {
        let labels: Vec<_> = self.scenario.phases.iter().map(|it| &it.label).collect();
        json!({
            "scenario": self.scenario.name,
            "rule": self.rule.name,
            "phases": labels,
            "runs": self.tallies,
        })
    }
}

/// Plays each of these, in their order.
pub(crate) fn run<'a>(
    pairs: &[(&'a Scenario, &'a Named)],
    seeds: Range<u64>,
    threads: u64,
) -> Vec<Runs<'a>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((scenario, rule)) = pairs.get(index) else { break };
            let make = || (rule.make)(scenario);
            let most = usize::try_from(rule.most_seeds).unwrap_or(usize::MAX);
            let tallies = seeds.clone().take(most).map(|seed| play(scenario, &make, seed));
            let tallies = tallies.collect();
            let runs = Runs { scenario, rule, tallies };
            eprintln!("{} of {}: {}, {}", index + 1, pairs.len(), scenario.name, rule.name);
            done.lock().expect("no thread panicked").push((index, runs));
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    let mut done = done.into_inner().expect("no thread panicked");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, runs)| runs).collect()
}
