//! How long a service has been limited by its latency alone.

use core::time::Duration;

use crate::time::{Timestamp, nanos};

/// After so long its latency is normal. Not sooner: a service that is overloaded is slow for as
/// long as that lasts, and to divert some of its calls helps it.
pub(super) const ENOUGH: Duration = Duration::from_secs(600);

/// A clock that runs while a service is limited by latency, and back while it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stuck {
    /// While it runs: since when, as if without a break. While it runs back: when it is at zero.
    pub(super) at: Timestamp,
}

impl Stuck {
    /// Runs on from what is left of the last time.
    pub(super) fn begin(&mut self, now: Timestamp) {
        let left = self.at.since(now);
        self.at = back(now, left);
    }

    /// Runs back from now on.
    pub(super) fn end(&mut self, now: Timestamp) {
        self.at = now.after(now.since(self.at));
    }

    /// Begins anew.
    pub(super) fn restart(&mut self, now: Timestamp) {
        self.at = now;
    }

    /// It runs back for no longer than is of any consequence.
    pub(super) fn bound(&mut self, now: Timestamp) {
        self.at = self.at.min(now.after(ENOUGH));
    }

    /// How long it has been, while it runs.
    pub(super) fn lasted(&self, now: Timestamp) -> Duration {
        now.since(self.at)
    }
}

/// The time so long ago, or the beginning of time.
pub(super) fn back(now: Timestamp, ago: Duration) -> Timestamp {
    Timestamp::from_nanos(now.as_nanos().saturating_sub(nanos(ago)))
}
