//! What the runs of a scenario come to.

use crate::play::Tally;
use crate::run::Runs;

/// Phases, by their labels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Bad,
    /// What comes after it, and what is quiet.
    After,
    Whole,
    /// The phases with this label.
    Only(&'static str),
}

impl Part {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Bad => "bad".to_owned(),
            Self::After => "after".to_owned(),
            Self::Whole => "all".to_owned(),
            Self::Only(label) => format!("`{label}`"),
        }
    }

    fn has(self, label: &str) -> bool {
        let (bad, before) = (label.starts_with("bad"), ["before", "warm"].contains(&label));
        match self {
            Self::Bad => bad,
            Self::After => !bad && !before,
            Self::Whole => true,
            Self::Only(name) => label == name,
        }
    }
}

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Bad calls that passed, in percent of all bad calls.
    BadPassed,
    /// Good calls that were rejected, in percent of all good calls.
    GoodRejected,
    /// Bad calls that passed, in percent of all calls.
    Errors,
    /// Calls that were rejected, in percent of all.
    Rejected,
    /// Calls that passed.
    Passed,
    /// Good calls that were rejected, in seconds of the traffic.
    Lost,
    /// Good calls that passed, a second.
    Goodput,
    /// From the first phase's start until three of the latest hundred calls were rejected, in ms.
    Seen,
    /// Rejections with none in the ten seconds and twenty calls before, a day.
    Episodes,
    /// How often the rule opened or closed.
    Transitions,
}

impl Figure {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BadPassed => "bad calls that pass, %",
            Self::GoodRejected => "good calls rejected, %",
            Self::Errors => "calls that fail, % of all",
            Self::Rejected => "calls rejected, % of all",
            Self::Passed => "calls that pass",
            Self::Lost => "good traffic lost, s",
            Self::Goodput => "good answers a second",
            Self::Seen => "seen after, ms",
            Self::Episodes => "episodes a day",
            Self::Transitions => "transitions",
        }
    }
}

impl Runs<'_> {
    /// The median over all seeds; of episodes, the mean. `None`: no phase is of this part, or it
    /// was never seen.
    pub(crate) fn figure(&self, figure: Figure, part: Part) -> Option<f64> {
        let phases = &self.scenario.phases;
        let sum = |run: &Vec<Tally>| {
            let of_part = run.iter().zip(phases).filter(|(_, phase)| part.has(&phase.label));
            of_part.map(|(tally, _)| *tally).reduce(Tally::plus)
        };
        let sums: Vec<_> = self.tallies.iter().filter_map(sum).collect();
        if figure == Figure::Episodes {
            let all = sums.into_iter().reduce(Tally::plus)?;
            return Some(all.episodes as f64 / all.secs * 86_400.0);
        }
        let mut values: Vec<_> = sums.iter().map(|tally| tally.figure(figure)).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        let lower = if values.len() % 2 == 0 { values[middle - 1] } else { upper };
        Some((lower + upper) / 2.0).filter(|it| it.is_finite())
    }
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        Self {
            ok: self.ok + other.ok,
            err: self.err + other.err,
            rejected_good: self.rejected_good + other.rejected_good,
            rejected_bad: self.rejected_bad + other.rejected_bad,
            episodes: self.episodes + other.episodes,
            slow: self.slow + other.slow,
            seen_ms: self.seen_ms,
            transitions: self.transitions.zip(other.transitions).map(|(a, b)| a + b),
            secs: self.secs + other.secs,
        }
    }

    fn figure(&self, figure: Figure) -> f64 {
        let percent = |part: u64, rest: u64| 100.0 * part as f64 / (part + rest).max(1) as f64;
        let (passed, rejected) = (self.ok + self.err, self.rejected_good + self.rejected_bad);
        match figure {
            Figure::BadPassed => percent(self.err, self.rejected_bad),
            Figure::GoodRejected => percent(self.rejected_good, self.ok),
            Figure::Errors => percent(self.err, self.ok + rejected),
            Figure::Rejected => percent(rejected, passed),
            Figure::Passed => passed as f64,
            Figure::Lost => {
                self.rejected_good as f64 / (passed + rejected).max(1) as f64 * self.secs
            }
            Figure::Goodput => self.ok as f64 / self.secs,
            Figure::Seen => self.seen_ms.unwrap_or(f64::INFINITY),
            Figure::Episodes => self.episodes as f64,
            Figure::Transitions => self.transitions.map_or(f64::INFINITY, |it| it as f64),
        }
    }
}
