//! How the rule is set.

use core::time::Duration;

use super::share::Share;
use crate::percentage::Percentage;

/// No larger share can be tolerated: an outage has at least twice as much.
const MOST: Share = Share::percent(30);

/// How the adaptive rule is set. All else it learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptivePolicy {
    /// The share of failures that is never an outage, from 0.1 to 30 percent.
    pub tolerate: Percentage,
    /// It trips by chance once in this time, at most; at least a second.
    pub false_trips: Duration,
    /// Whether calls are diverted in proportion to what is bad. Else all are, or none.
    pub shed: bool,
    /// Nothing shorter is ever slow, whatever was learned. `None`: latency is not watched.
    pub latency_floor: Option<Duration>,
    /// The longest time between two trials.
    pub max_gap: Duration,
}

impl AdaptivePolicy {
    /// The largest share of bad calls that can be normal.
    pub(super) fn tolerated(&self) -> Share {
        Share::from(self.tolerate).min(MOST)
    }
}
