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
    /// What happened says nothing about the service: neither success nor failure.
    Ignored,
    /// The same, but it is the service that answered so: it was asked, and is not asked again at
    /// once whether it is well.
    Declined {
        /// How long it asked to be left alone, if it did.
        retry_after: Option<Duration>,
    },
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
            Self::Ignored | Self::Declined { .. } => "ignored",
            Self::Aborted => "aborted",
        }
    }
}

/// A call that has ended, as [`Breaker::settle`](crate::Breaker::settle) takes it; of an [`Outcome`]
/// alone, one that was not slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What became of it.
    pub outcome: Outcome,
    /// Whether it took longer than it may.
    pub slow: bool,
}

impl Ended {
    /// Whether it may trip a breaker: others are worth no hurry.
    #[must_use]
    pub const fn is_remarkable(self) -> bool {
        match self.outcome {
            Outcome::Failure { .. } => true,
            Outcome::Success => self.slow,
            Outcome::Ignored | Outcome::Declined { .. } | Outcome::Aborted => false,
        }
    }
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, slow: false }
    }
}
