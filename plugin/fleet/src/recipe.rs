//! The item of the Step Functions recipe, which its state machine and filters share.
//!
//! It has the recipe's five attributes and no others. Filters change it as the recipe does, but only
//! as they have read it: a change that was refused is decided anew after the next read. No rule about
//! who wrote it, or when, ages it.

use crate::own::By;

/// The state of the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemState {
    /// Calls pass.
    Closed,
    /// Calls are diverted.
    Open,
    /// The recipe reads it, and calls; it never writes it.
    HalfOpen,
}

impl ItemState {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The name in the item.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Open => "OPEN",
            Self::HalfOpen => "HALF_OPEN",
        }
    }
}

/// The item as far as it decides anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// `State`.
    pub state: ItemState,
    /// `FailureCount`.
    pub failures: u64,
}

/// What has happened to a breaker of this process since its item was written last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// Failures after the last success.
    pub failures: u32,
    /// A call has succeeded, or a health check has passed.
    pub succeeded: bool,
    /// It has opened on its own account, and is open.
    pub tripped: bool,
}

/// A change of the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemChange {
    /// There is none: it is created, closed.
    Create,
    /// The recipe's `RecordSuccess`: closed, no failures.
    Success,
    /// The recipe's `RecordFailure`, so many times.
    Failures(u32),
    /// The recipe's `TripCircuitBreaker`.
    Trip,
}

/// What a breaker is to do by its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the item is followed"]
pub enum ItemAdvice {
    /// To open; a health check is due at once, whose passing is a [success](Since::succeeded).
    Open,
    /// To close as after a health check that has passed: somebody has closed the item.
    Close,
    /// To take this for its run of failures: others have added theirs.
    Run(u32),
}

/// How the item of one service is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// Failures are counted in the item, as the recipe does: `quorum` is 1.
    pub counts: bool,
    /// The item was open when it was read last, or this process has opened it.
    was_open: bool,
}

impl Shared {
    /// An item that was not read yet.
    #[must_use]
    pub const fn new(counts: bool) -> Self {
        Self { counts, was_open: false }
    }

    /// What is to be written, if anything: one change at a time, the first that is due.
    #[must_use]
    pub fn change(&self, read: Option<Item>, since: Since) -> Option<ItemChange> {
        let Some(item) = read else {
            return Some(ItemChange::Create);
        };
        let is_open = item.state == ItemState::Open;
        let counted = self.counts && since.failures > 0 && !is_open;
        if since.succeeded && (is_open || item.failures > 0) && (self.counts || is_open) {
            return Some(ItemChange::Success);
        }
        if counted {
            return Some(ItemChange::Failures(since.failures));
        }
        (since.tripped && !is_open).then_some(ItemChange::Trip)
    }

    /// What the breaker is to do. `by`: whose word has opened it; `None`: it is not open. `run`: its
    /// failures in a row.
    pub fn read(&mut self, item: Option<Item>, by: Option<By>, run: u32) -> Option<ItemAdvice> {
        let was_open = core::mem::take(&mut self.was_open);
        let item = item?;
        self.was_open = item.state == ItemState::Open;
        match (item.state, by) {
            (ItemState::Open, None) => Some(ItemAdvice::Open),
            (ItemState::Open, Some(_)) => None,
            // Not what this process is about to write itself.
            (_, Some(_)) => was_open.then_some(ItemAdvice::Close),
            (_, None) => {
                let others = u32::try_from(item.failures).unwrap_or(u32::MAX);
                (self.counts && others != run).then_some(ItemAdvice::Run(others))
            }
        }
    }

    /// A change was made: what is kept of it.
    pub const fn written(&mut self, change: ItemChange) {
        match change {
            ItemChange::Trip => self.was_open = true,
            ItemChange::Create | ItemChange::Success => self.was_open = false,
            ItemChange::Failures(_) => {}
        }
    }
}
