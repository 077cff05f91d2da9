//! What came of a scenario: a timeline, and what was expected and did not happen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

/// What came of a scenario on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// A line for each thing that happened: time, event, what came of it, and the breakers' states.
    /// Equal for hosts that behave alike.
    pub timeline: Vec<String>,
    /// All metrics in the end, by their names in scenarios; `None`: the host shows none.
    pub metrics: Option<BTreeMap<String, u64>>,
    /// What was expected and did not happen.
    pub mismatches: Vec<Mismatch>,
    /// Kinds of expectations that could not be looked at, since the host does not show them.
    pub unseen: BTreeSet<&'static str>,
}

impl Report {
    /// The timeline as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.timeline.join("\n")
    }
}

/// Something that was expected and did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The scenario's file.
    pub file: PathBuf,
    /// The step's line in it.
    pub line: u64,
    /// Which step it is, from 1.
    pub step: usize,
    /// What was looked at.
    pub what: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub got: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, step, what, expected, got } = self;
        let file = file.display();
        write!(f, "{file}:{line}: step {step}: {what}: expected {expected}, got {got}")
    }
}
