//! What is asked of the store, and what it answers.

use crate::entry::{Entry, Key};
use crate::row::{Lease, Regions};

/// The most changes that one request makes.
pub const MAX_CHANGES: usize = 32;

/// What is asked of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The rows of all regions.
    Read {
        /// The own region's has to have all that was written before: a breaker is not closed.
        consistent: bool,
    },
    /// Changes of the own region's row, whatever is there, at most [`MAX_CHANGES`].
    Write {
        /// What is written.
        set: Vec<Entry>,
        /// What is removed.
        remove: Vec<Key>,
    },
    /// A change of one lease of the own region's row, if it is as it was read.
    Swap {
        /// The service.
        service: String,
        /// The lease as it was read; `None`: there was none.
        was: Option<Lease>,
        /// What it becomes.
        to: Lease,
    },
}

/// What the store answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a read: the row of each region that was asked for, an empty one if there is none.
    Rows(Regions),
    /// It is written.
    Written,
    /// A swap was refused: the lease is another one by now.
    Refused,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The store wants to be asked less often.
    Throttled,
    /// It gave no answer, or refused, or one that cannot be read.
    Failed,
}

/// A request with the number by which its answer is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The number.
    pub ticket: u64,
    /// The request.
    pub request: Request,
}

/// What became of a look at the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncResult {
    /// It went well.
    Ok,
    /// There was no answer.
    Failed,
    /// The answer is older than what was known.
    Stale,
}

impl SyncResult {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Failed, Self::Stale];

    /// The name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Stale => "stale",
        }
    }
}
