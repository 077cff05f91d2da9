//! What became of an admitted call.

use core::time::Duration;

use crate::told::Told;

/// What became of an admitted call. A [permit ends](crate::Permit::end) with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The service answered as it should.
    Success,
    /// The service failed.
    Failure {
        /// How long the service asked to be left alone (`Retry-After`), if it did; any length.
        retry_after: Option<Duration>,
        /// Whether that opens the breaker at once, for as long as it asked, whatever the rules say.
        at_once: bool,
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
    pub const FAILURE: Self = Self::failure(None);

    /// A failure of a service that may have asked to be left alone.
    #[must_use]
    pub const fn failure(retry_after: Option<Duration>) -> Self {
        Self::Failure { retry_after, at_once: false }
    }

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

/// How a call has ended: with an outcome, and in time unless it is said to be slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What became of it.
    pub outcome: Outcome,
    /// Whether it took longer than it may.
    pub slow: bool,
    /// How long it took; zero where the adaptive rule does not watch that.
    pub took: Duration,
    /// What its breaker was told of it while it was under way.
    pub told: Told,
}

impl From<Outcome> for Ended {
    #[inline]
    fn from(outcome: Outcome) -> Self {
        Self { outcome, slow: false, took: Duration::ZERO, told: Told::default() }
    }
}

impl Ended {
    /// Whether it took longer than it may.
    pub(crate) const fn is_slow(self) -> bool {
        self.slow || self.told.is_slow()
    }
}

/// What settling a call would change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Impact {
    /// Nothing.
    #[default]
    None,
    /// Nothing but the [tally](crate::Tally) that its worker keeps: the call is to be
    /// [added](crate::Tally::add) there.
    TallyOnly,
    /// The record: the call is to be [settled](crate::Breaker::settle).
    Write,
}

impl Ended {
    /// The impact on a closed breaker on which a good call [has this one](
    /// crate::Breaker::impact_where_clean). In line: the closed path is held to its instructions.
    #[inline(always)]
    #[must_use]
    pub const fn impact(self, of_good_call: Impact) -> Impact {
        match self.outcome {
            Outcome::Success if !self.slow && self.told.is_nothing() => of_good_call,
            Outcome::Success | Outcome::Failure { .. } => Impact::Write,
            // It says nothing but that it was slow, which it was told to be.
            _ if self.told.is_slow() => Impact::Write,
            Outcome::Ignored | Outcome::Declined { .. } | Outcome::Aborted => Impact::None,
        }
    }
}
