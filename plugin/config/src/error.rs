//! What is wrong with a configuration, for the operator who wrote it.

use std::fmt;

/// Why a configuration is refused: where, what stands there, and what would be right.
///
/// Shown, it is one line that says all of it, the path first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    path: String,
    value: String,
    remedy: String,
    /// What value and remedy were taken from, if another has said it.
    told: Option<String>,
}

impl ConfigError {
    /// `value` is what stands at `path`, as JSON; `remedy` says what would be right.
    #[inline(never)]
    pub(crate) fn at(
        path: &dyn fmt::Display,
        value: &dyn fmt::Display,
        remedy: &dyn fmt::Display,
    ) -> Self {
        let (path, value) = (path.to_string(), value.to_string());
        Self(Box::new(Parts { path, value, remedy: remedy.to_string(), told: None }))
    }

    /// The same, in words of another.
    pub(crate) fn told(mut self, told: String) -> Self {
        self.0.told = Some(told);
        self
    }

    /// The JSON path, such as `services[0].open.wait_duration`; `configuration` if it is the
    /// document as a whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// What stands there, as JSON or in words: an unknown field's name, `nothing` where something
    /// is missing, never a secret.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.0.value
    }

    /// What would be right.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.0.remedy
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { path, value, remedy, told } = &*self.0;
        match told {
            Some(told) => write!(f, "{path}: {told}"),
            None => write!(f, "{path}: {value}: {remedy}"),
        }
    }
}

impl std::error::Error for ConfigError {}
