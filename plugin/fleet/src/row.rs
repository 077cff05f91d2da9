//! What a region has written: one row, which lists what is not closed.

use crate::identity::ProcessId;
use crate::sorted::Sorted;

/// More entries than this are not read of a row.
pub const MAX_ENTRIES: usize = 4096;

/// A service or a region with a longer name takes no part, in bytes.
pub const MAX_NAME: usize = 256;

/// One row: only processes of its region write it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// How often it was written. First, so that of two rows the later one is the greater.
    pub number: u64,
    /// Who reports which service as open.
    pub reports: Sorted<(String, ProcessId), Report>,
    /// Who asks which service how it is.
    pub leases: Sorted<String, Lease>,
}

/// That a process has opened its breaker on its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Report {
    /// Which trip of the process it is about. It only grows.
    pub trip: u32,
    /// Another one each time it is written, so that whoever looks sees it change.
    pub beat: u64,
}

/// The right to make the health checks of a service for its region, and what the last one said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    /// How often it was written.
    pub number: u64,
    /// Who wrote it.
    pub holder: ProcessId,
    /// What has become of it.
    pub state: LeaseState,
}

/// What has become of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaseState {
    /// Its holder makes the next check.
    Held,
    /// A check failed, and the lease is given up.
    Failed,
    /// A check passed, and the lease is given up.
    Passed,
    /// The lease is given up without a verdict: its holder has closed its breaker otherwise.
    Left,
}

impl LeaseState {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Held, Self::Failed, Self::Passed, Self::Left];

    /// The name in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Passed => "passed",
            Self::Left => "left",
        }
    }
}

impl Lease {
    /// The lease that takes the place of `was`.
    #[must_use]
    pub fn after(was: Option<&Self>, holder: ProcessId, state: LeaseState) -> Self {
        let number = was.map_or(0, |was| was.number).saturating_add(1);
        Self { number, holder, state }
    }
}

/// What a read has found, or several have: the latest row of each region.
///
/// Joining is commutative, associative and idempotent, since the greater of two rows stays: the
/// order in which regions learn of each other's rows, and how often, makes no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regions(pub Sorted<String, Row>);

impl Regions {
    /// Takes in what another has found.
    pub fn join(&mut self, other: Self) {
        for (region, row) in other.0.into_entries() {
            if self.0.get(&region).is_none_or(|known| *known < row) {
                self.0.insert(region, row);
            }
        }
    }
}
