//! What is wrong with a configuration, for the operator who wrote it.

use std::fmt;

/// Why a configuration is refused: where, what stands there, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    path: String,
    problem: String,
}

impl ConfigError {
    /// `value` is what stands at `path`, as JSON; `remedy` says what would be right.
    pub(crate) fn at(
        path: impl Into<String>,
        value: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Self {
        Self { path: path.into(), problem: format!("{value}: {remedy}") }
    }

    /// An error of the JSON reader, which already names value and remedy.
    pub(crate) fn from_json(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = match error.path().to_string() {
            // Damaged JSON has no path.
            root if matches!(root.as_str(), "." | "?" | "") => "configuration".to_owned(),
            path => path,
        };
        Self { path, problem: error.inner().to_string() }
    }

    /// The JSON path, such as `services[0].open.wait_duration`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

impl std::error::Error for ConfigError {}
