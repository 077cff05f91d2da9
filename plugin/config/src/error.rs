//! What is wrong with a configuration, for the operator who wrote it.

use std::fmt;

/// Why a configuration is refused: where, what stands there, and what would be right.
///
/// Shown, it is one line that says all of it, the path first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    path: String,
    value: String,
    remedy: String,
    /// What value and remedy were taken from, if another has said it.
    told: Option<String>,
}

impl ConfigError {
    /// `value` is what stands at `path`, as JSON; `remedy` says what would be right.
    pub(crate) fn at(
        path: impl Into<String>,
        value: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Self {
        let (value, remedy) = (value.to_string(), remedy.to_string());
        Self { path: path.into(), value, remedy, told: None }
    }

    /// The same, in words of another.
    pub(crate) fn told(mut self, told: String) -> Self {
        self.told = Some(told);
        self
    }

    /// The JSON path, such as `services[0].open.wait_duration`; `configuration` if it is the
    /// document as a whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What stands there, as JSON or in words: an unknown field's name, `nothing` where something
    /// is missing, never a secret.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What would be right.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, value, remedy, told } = self;
        match told {
            Some(told) => write!(f, "{path}: {told}"),
            None => write!(f, "{path}: {value}: {remedy}"),
        }
    }
}

impl std::error::Error for ConfigError {}
