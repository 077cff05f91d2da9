//! What the rule is told of calls, and what it answers.

use core::fmt;
use core::time::Duration;

use super::report::AdaptiveReport;

/// What the rule makes of a call that is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdaptiveAdmission {
    /// It passes, as its share of the calls does.
    Passes,
    /// It passes as a trial, and the rule has changed: no other call is this trial.
    Tries,
    /// It is diverted.
    Diverted,
}

/// For how long a call has been under way without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Overdue {
    /// Longer than is normal: it is slow by now, however it ends.
    Slow,
    /// So much longer that it counts as failed until it ends.
    Hung,
}

/// A call that has ended, with a verdict on the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveCall {
    /// Whether it failed.
    pub failed: bool,
    /// How long it took.
    pub took: Duration,
    /// What the rule was [told](crate::Adaptive::overdue) while it was under way.
    pub told: Option<Overdue>,
}

/// What the rule did to the service's traffic. Calls that begin after any of these but
/// [`Closed`](Self::Closed) and [`Stays`](Self::Stays) are of another period than those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdaptiveChange {
    /// A share of the calls is diverted from now on, for this reason.
    Limited(AdaptiveReport),
    /// The service is well again, and its traffic comes back.
    Returning,
    /// It has stayed as slow as it is for so long that this is normal from now on. Its traffic
    /// comes back.
    Learned,
    /// All of its traffic has come back.
    Closed,
    /// Calls have been diverted for an hour without a break, for errors: they will be until the
    /// service is mended, or more is tolerated.
    Stays(AdaptiveReport),
}

/// In one line for people.
impl fmt::Display for AdaptiveChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limited(report) => fmt::Display::fmt(report, f),
            Self::Returning => f.write_str("well again, its calls come back"),
            Self::Learned => {
                f.write_str("slow for so long that this is normal from now on, its calls come back")
            }
            Self::Closed => f.write_str("all calls pass again"),
            Self::Stays(report) => write!(
                f,
                "{report}; so for an hour, and errors are never learned: mend the service, or raise \
                 trip.adaptive.tolerate"
            ),
        }
    }
}
