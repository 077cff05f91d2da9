//! What the adaptive rule is held to.

use crate::figures::Figure::{
    self, BadPassed, Episodes, Errors, GoodRejected, Goodput, Passed, Rejected, Seen,
};
use crate::figures::Part::{self, After, Bad, Only, Whole};
use crate::run::Runs;

use Bound::{AtLeast, AtMost, PartOf, Within};

/// A figure that a rule is held to in some scenarios.
pub(crate) struct Bar {
    /// What the names of the scenarios contain.
    pub(crate) names: &'static [&'static str],
    pub(crate) figure: Figure,
    pub(crate) part: Part,
    pub(crate) bound: Bound,
    /// Whether chance is left no room when there are few runs.
    strict: bool,
}

/// What a figure may be.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Within(f64, f64),
    /// At most one in so many of what another rule gives.
    PartOf(&'static str, f64),
}

const fn bar(names: &'static [&'static str], figure: Figure, part: Part, bound: Bound) -> Bar {
    Bar { names, figure, part, bound, strict: false }
}

/// A figure that is to be zero.
const fn none(names: &'static [&'static str], figure: Figure, part: Part) -> Bar {
    Bar { names, figure, part, bound: AtMost(0.0), strict: true }
}

/// Bars, and who is held to them.
pub(crate) struct Held {
    pub(crate) bars: &'static [Bar],
    /// The rules by whom they are measured, the first of which is held to them.
    pub(crate) rules: &'static [&'static str],
    /// What the names of the scenarios contain, one of these.
    only: &'static [&'static str],
    /// A figure that is not to be zero may miss its bar by this factor.
    room: f64,
}

/// All that is held to something.
pub(crate) const HELD: [Held; 3] = [
    Held { bars: BARS, rules: &["adaptive", "adaptive-4"], only: &[""], room: 1.0 },
    Held { bars: DEFAULT_FLOOR_BARS, rules: &["adaptive-1s"], only: &[""], room: 1.0 },
    // Few seeds are enough to see that the filter decides as its rule does.
    Held { bars: BARS, rules: &["filter"], only: IN_FILTER, room: 1.1 },
];

const IN_FILTER: &[&str] = &["@", "step-500rps-"];

impl Held {
    /// Whether a rule is held to anything in a scenario of this name.
    pub(crate) fn is_about(&self, scenario: &str) -> bool {
        self.only.iter().any(|it| scenario.contains(it))
    }

    /// By which factor a bar may be missed.
    pub(crate) fn room(&self, few: bool) -> f64 {
        if few { FEW_RUNS } else { self.room }
    }
}

/// All bars of the rule with its defaults, where latency is watched from half of what the scenario
/// calls slow.
const BARS: &[Bar] = &[
    bar(&["spike-20@"], Errors, Bad, AtMost(15.9)),
    bar(&["spike-20@"], Rejected, Whole, AtMost(4.7)),
    bar(&["spike-20@"], Rejected, After, AtMost(0.3)),
    bar(&["spike-100@"], Errors, Bad, AtMost(1.0)),
    bar(&["spike-100@"], Rejected, After, AtMost(6.0)),
    bar(&["spikes-20-60-100@"], Errors, Bad, AtMost(5.0)),
    bar(&["spikes-20-60-100@"], Rejected, Whole, AtMost(31.0)),
    bar(&["sustained-20@"], Errors, Bad, AtMost(15.6)),
    bar(&["sustained-20@"], Rejected, Whole, AtMost(15.3)),
    bar(&["one-of-many@"], Errors, Bad, AtMost(1.2)),
    bar(&["one-of-many@"], Rejected, Whole, AtMost(7.4)),
    bar(&["slow-query@"], Errors, Bad, AtMost(2.1)),
    bar(&["slow-query@"], Rejected, Whole, AtMost(7.0)),
    none(&["gradual@"], Rejected, Whole),
    none(&["near-target@"], Rejected, Whole),
    bar(&["oscillating@"], Rejected, Whole, AtMost(0.2)),
    bar(&["step-500rps-", "-to-100%"], BadPassed, Bad, AtMost(0.9)),
    bar(&["step-500rps-", "-to-100%"], GoodRejected, After, AtMost(3.0)),
    bar(&["step-500rps-", "-to-100%"], Seen, Bad, AtMost(110.0)),
    bar(&["step-50rps-", "-to-100%"], BadPassed, Bad, AtMost(2.5)),
    bar(&["step-50rps-", "-to-100%"], GoodRejected, After, AtMost(5.0)),
    bar(&["step-50rps-", "-to-100%"], Seen, Bad, AtMost(450.0)),
    bar(&["step-500rps-0.1%-to-20%"], BadPassed, Bad, Within(75.0, 81.0)),
    bar(&["step-500rps-1%-to-20%"], BadPassed, Bad, Within(75.0, 81.0)),
    bar(&["step-500rps-2%-to-20%"], BadPassed, Bad, Within(75.0, 81.0)),
    bar(&["step-500rps-0.1%-to-20%"], GoodRejected, Bad, Within(19.0, 25.0)),
    bar(&["step-500rps-1%-to-20%"], GoodRejected, Bad, Within(19.0, 25.0)),
    bar(&["step-500rps-2%-to-20%"], GoodRejected, Bad, Within(19.0, 25.0)),
    bar(&["step-500rps-0.1%-to-20%"], GoodRejected, After, AtMost(0.3)),
    bar(&["step-500rps-1%-to-20%"], GoodRejected, After, AtMost(0.3)),
    bar(&["step-500rps-2%-to-20%"], GoodRejected, After, AtMost(0.3)),
    bar(&["step-500rps-0.1%-to-20%"], Seen, Bad, AtMost(300.0)),
    bar(&["step-500rps-1%-to-20%"], Seen, Bad, AtMost(300.0)),
    bar(&["step-500rps-2%-to-20%"], Seen, Bad, AtMost(300.0)),
    none(&["quiet-50"], Episodes, Whole),
    bar(&["clumps-", "-1%"], GoodRejected, Only("quiet"), AtMost(0.02)),
    bar(&["clumps-", "-1%"], Episodes, Only("quiet"), AtMost(26.0)),
    bar(&["hang-10s"], BadPassed, Bad, AtMost(2.5)),
    bar(&["hang-10s"], GoodRejected, After, AtMost(4.5)),
    bar(&["hang15-100rps-b0.0-m50-"], Passed, Bad, PartOf("three-in-a-row", 6.0)),
    bar(&["high-10krps-100%"], BadPassed, Bad, AtMost(0.7)),
    bar(&["high-10krps-100%"], GoodRejected, After, AtMost(4.0)),
    bar(&["low-1rpm-", "-outage"], BadPassed, Bad, AtMost(15.0)),
    bar(&["low-1rpm-", "-outage"], GoodRejected, After, AtMost(12.0)),
    bar(&["slow-500rps-s0.5-x5"], Seen, Bad, AtMost(350.0)),
    bar(&["slow-500rps-s0.5-x5"], GoodRejected, Bad, Within(40.0, 50.0)),
    none(&["slow-500rps-s0.5-x1.5"], GoodRejected, Bad),
    bar(&["capacity-70%"], Goodput, Bad, AtLeast(410.0)),
    bar(&["capacity-50%"], Goodput, Bad, AtLeast(295.0)),
    bar(&["capacity-20%"], Goodput, Bad, AtLeast(45.0)),
    bar(&["release-"], GoodRejected, Only("bad0"), AtMost(9.0)),
    none(&["release-"], GoodRejected, Only("bad1")),
    none(&["release-"], GoodRejected, Only("bad2")),
    none(&["release-"], GoodRejected, Only("bad3")),
];

/// All bars of the rule with its default of a second, below which nothing is slow.
const DEFAULT_FLOOR_BARS: &[Bar] = &[
    none(&["release-20-to-100ms"], GoodRejected, Bad),
    none(&["release-10-to-250ms"], GoodRejected, Bad),
    bar(&["release-50-to-500ms"], GoodRejected, Only("bad0"), AtMost(1.5)),
    none(&["release-50-to-500ms"], GoodRejected, Only("bad1")),
    none(&["release-50-to-500ms"], GoodRejected, Only("bad2")),
    none(&["release-50-to-500ms"], GoodRejected, Only("bad3")),
];

/// Of a figure that is not to be zero, so much more is left to chance when there are few runs.
const FEW_RUNS: f64 = 2.0;

impl Bar {
    pub(crate) fn is_about(&self, scenario: &str) -> bool {
        self.names.iter().all(|it| scenario.contains(it))
    }

    /// The rule that it is compared with.
    pub(crate) fn other(&self) -> Option<&'static str> {
        match self.bound {
            PartOf(rule, _) => Some(rule),
            AtMost(_) | AtLeast(_) | Within(..) => None,
        }
    }

    /// Whether a figure of a scenario holds, if it may miss its bar by this factor.
    pub(crate) fn holds(&self, value: Option<f64>, others: &[&Runs<'_>], room: f64) -> bool {
        let room = if self.strict { 1.0 } else { room };
        match (value, self.bound) {
            (Some(value), AtMost(most)) => value <= most * room,
            (Some(value), AtLeast(least)) => value * room >= least,
            (Some(value), Within(least, most)) => (least / room..=most * room).contains(&value),
            (Some(value), PartOf(rule, part)) => {
                let other = others.iter().find(|it| it.rule.name == rule);
                let other = other.and_then(|it| it.figure(self.figure, self.part));
                other.is_some_and(|it| value * part <= it * room)
            }
            (None, _) => false,
        }
    }
}
