//! How a fleet agrees.

use core::time::Duration;

/// How a fleet agrees. The bounds that each field documents are checked where configuration is read;
/// with anything else nothing panics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetPolicy {
    /// The region that this process is in: the only one whose row it writes.
    pub region: String,
    /// Time from one look at the store to the next.
    pub sync_interval: Duration,
    /// How long one request to the store may take, at most `sync_interval`.
    pub timeout: Duration,
    /// After this long without a change, what the store says counts no more; at least three times
    /// `sync_interval`.
    pub max_staleness: Duration,
    /// So many live processes have to report a service as open; at least 1.
    pub quorum: u32,
    /// Whose reports count.
    pub scope: Scope,
    /// Who asks an open service how it is.
    pub probe: Probe,
}

/// Whose reports count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of the own region. The others are shown.
    Region,
    /// Those of all regions.
    Global,
}

/// Who asks an open service how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// One process of the region, by a lease.
    One,
    /// Each process for itself.
    Each,
}

impl FleetPolicy {
    /// So many live reports of a service are enough: two more than are needed, so that one that goes
    /// away takes no verdict with it.
    #[must_use]
    pub const fn enough_reports(&self) -> u32 {
        self.quorum.saturating_add(2)
    }

    /// How often a report is written again, and the longest time between two looks at a store that
    /// is throttling: of three reports two may be lost.
    #[must_use]
    pub fn refresh(&self) -> Duration {
        self.max_staleness.checked_div(3).unwrap_or_default().max(self.sync_interval)
    }

    /// The time from one health check of the fleet to the next: that of the service, unless the store
    /// is looked at less often.
    #[must_use]
    pub fn turn(&self, check_interval: Duration) -> Duration {
        check_interval.max(self.sync_interval)
    }
}
