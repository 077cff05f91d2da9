//! Plays a scenario in virtual time: calls come, a rule lets them pass or not, and is told what
//! became of them.

use rules::Rule;
mod endpoints;
mod open;
mod service;
mod threads;
mod watch;

use serde::Serialize;

use crate::scenario::Scenario;

/// What became of the calls of a phase.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Tally {
    /// Good and bad calls that passed.
    pub(crate) ok: u64,
    pub(crate) err: u64,
    /// Those that did not, by what they would have been.
    pub(crate) rejected_good: u64,
    pub(crate) rejected_bad: u64,
    /// Rejections with none in the ten seconds and twenty calls before.
    pub(crate) episodes: u64,
    /// Good calls that passed and were slow.
    pub(crate) slow: u64,
    /// From the phase's start until three of the latest hundred calls were rejected, in ms.
    pub(crate) seen_ms: Option<f64>,
    /// How often the rule opened or closed, if that is counted.
    pub(crate) transitions: Option<u64>,
    pub(crate) secs: f64,
}

impl Tally {
    /// Counts a call that passed.
    fn pass(&mut self, ok: bool) {
        *if ok { &mut self.ok } else { &mut self.err } += 1;
    }

    /// Counts a call that did not.
    fn reject(&mut self, good: bool) {
        *if good { &mut self.rejected_good } else { &mut self.rejected_bad } += 1;
    }
}

/// Makes a rule anew.
pub(crate) type Make<'a> = &'a dyn Fn() -> Box<dyn Rule>;

/// Plays a scenario once; the answer is a tally for each phase.
pub(crate) fn play(scenario: &Scenario, make: Make<'_>, seed: u64) -> Vec<Tally> {
    let mut tallies = match scenario.threads {
        0 => open::play(scenario, make, seed),
        _ => threads::play(scenario, make, seed),
    };
    for (tally, phase) in tallies.iter_mut().zip(&scenario.phases) {
        tally.secs = phase.s;
    }
    tallies
}
