//! What is wrong with a configuration, for the operator who wrote it.

use std::fmt;

use crate::reader;

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

    /// An error of the JSON reader in this document.
    pub(crate) fn from_json(
        error: &serde_path_to_error::Error<serde_json::Error>,
        document: &[u8],
    ) -> Self {
        let path = match error.path().to_string() {
            // Damaged JSON has no path.
            root if matches!(root.as_str(), "." | "?" | "") => "configuration".to_owned(),
            path => path,
        };
        let (value, remedy) = reader::value_and_remedy(error.inner(), document);
        Self { path, value, remedy, told: Some(error.inner().to_string()) }
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
