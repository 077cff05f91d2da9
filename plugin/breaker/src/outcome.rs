//! What became of an admitted call.

use core::time::Duration;

/// What became of an admitted call. Consumed by [`Breaker::settle`](crate::Breaker::settle).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The service answered as it should.
    Success,
    /// The service failed.
    Failure {
        /// How long the service asked to be left alone (`Retry-After`), if it did.
        retry_after: Option<Duration>,
    },
    /// The answer says nothing about the service: neither success nor failure.
    Ignored,
    /// The caller went away before an answer came: neither success nor failure.
    Aborted,
}

impl Outcome {
    /// A failure that says nothing more.
    pub const FAILURE: Self = Self::Failure { retry_after: None };

    /// The name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure { .. } => "failure",
            Self::Ignored => "ignored",
            Self::Aborted => "aborted",
        }
    }
}
