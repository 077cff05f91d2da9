//! What is known of a diverted call until its answer comes.

use breaker::{DivertReason, StateName};

use crate::instances::Number;
use crate::request::admission::Snapshot;

/// A call that the fallback cluster is to answer, through the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Diverted {
    pub(super) breaker: Number,
    pub(super) cause: Cause,
    /// The state to show.
    pub(super) state: StateName,
}

/// Why it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The breaker does not let it pass.
    Breaker(DivertReason, Snapshot),
    /// It has failed, and this is its second run, of which good answers are counted in these metrics.
    Failure { series: usize },
}
