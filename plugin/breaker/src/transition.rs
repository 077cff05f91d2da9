//! One move of a breaker, as data.

use crate::adaptive::call::AdaptiveChange;
use crate::counts::Counts;
use crate::permit::Generation;
use crate::reason::Reason;
use crate::state_name::StateName;

/// One move from a state to another, or what the adaptive rule did without one. It happened exactly
/// once if the record that holds it was stored by compare-and-swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a transition is logged and counted once"]
pub struct Transition {
    /// The state left.
    pub from: StateName,
    /// The state entered.
    pub to: StateName,
    /// Why.
    pub reason: Reason,
    /// Failures in a row at that moment.
    pub failures: u32,
    /// The latest calls of the period that ended by a trip, as long as they are kept.
    pub calls: Counts,
    /// The period that began, or that goes on in another mode.
    pub generation: Generation,
    /// What the adaptive rule did, if it was that rule.
    pub adaptive: Option<AdaptiveChange>,
}

impl Transition {
    /// Whether it is none: the adaptive rule did or found something, and the state stays.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.adaptive.is_some() && self.from == self.to
    }
}
