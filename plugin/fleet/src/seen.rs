//! When something was seen to change: the only measure of its age, as no two clocks are compared.

use core::time::Duration;

use breaker::Timestamp;

/// When a value that somebody else writes was seen to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// When it was seen to change last; `None`: it is as the first look found it, neither fresh nor
    /// stale.
    changed: Option<Timestamp>,
    /// The look before, which is the earliest moment at which it can have changed; or the first.
    after: Timestamp,
}

impl Seen {
    /// What the first look has found.
    pub(crate) const fn found(now: Timestamp) -> Self {
        Self { changed: None, after: now }
    }

    /// What this look has found changed, or new.
    pub(crate) const fn changed_between(before: Timestamp, now: Timestamp) -> Self {
        Self { changed: Some(now), after: before }
    }

    /// When it was seen to change, if it was.
    pub(crate) const fn changed(&self) -> Option<Timestamp> {
        self.changed
    }

    /// How long it has been seen as it is.
    pub(crate) fn quiet(&self, now: Timestamp) -> Duration {
        now.since(self.changed.unwrap_or(self.after))
    }

    /// Whether whoever writes it is there: it was written less than `longest` ago for sure, so that
    /// what is started in its place, and waits for as long, never counts beside it.
    pub(crate) fn is_live(&self, longest: Duration, now: Timestamp) -> bool {
        self.changed.is_some() && now.since(self.after) < longest
    }
}
