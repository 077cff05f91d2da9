//! Why a file is not a scenario.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a file is not a scenario, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// The file.
    pub file: PathBuf,
    /// The line; 0 if it is the file as a whole.
    pub line: u64,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

impl FormatError {
    pub(super) fn new(
        file: &Path,
        line: u64,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { file: file.to_owned(), line, problem: problem.into(), remedy: remedy.into() }
    }

    pub(super) fn from_yaml(file: &Path, error: &serde_saphyr::Error) -> Self {
        let line = error.location().map_or(0, |location| location.line());
        let text = error.without_snippet().to_string();
        let (problem, remedy) = match text.split_once(", expected ") {
            Some((problem, expected)) => (problem, format!("expected {expected}")),
            None => (text.as_str(), "see docs/scenarios.md".to_owned()),
        };
        Self::new(file, line, problem, remedy)
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, problem, remedy } = self;
        write!(f, "{}:{line}: {problem}: {remedy}", file.display())
    }
}

impl std::error::Error for FormatError {}
