//! The three states, each with the data that exists only there.

use crate::check::Check;
use crate::reason::{Reason, StateName};
use crate::time::Timestamp;
use crate::trials::Trials;

#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "one lives on the stack for the length of a call; a box would need an allocator"
)]
pub(crate) enum State {
    Closed(Closed),
    Open(Open),
    HalfOpen(HalfOpen),
}

/// Calls pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closed {
    /// Failures since the last success.
    pub(crate) failures: u32,
    /// Trips since the last success: what the next wait grows from.
    pub(crate) trips: u32,
}

/// Calls are diverted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) failures: u32,
    pub(crate) trips: u32,
    pub(crate) reason: Reason,
    pub(crate) opened_at: Timestamp,
    /// The earliest moment the breaker may leave this state.
    pub(crate) retry_at: Timestamp,
    pub(crate) check: Check,
}

/// A few trial calls pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HalfOpen {
    pub(crate) failures: u32,
    pub(crate) trips: u32,
    /// Why the breaker was open.
    pub(crate) reason: Reason,
    pub(crate) opened_at: Timestamp,
    pub(crate) trials: Trials,
}

impl State {
    pub(crate) const fn name(&self) -> StateName {
        match self {
            Self::Closed(_) => StateName::Closed,
            Self::Open(_) => StateName::Open,
            Self::HalfOpen(_) => StateName::HalfOpen,
        }
    }

    pub(crate) const fn failures(&self) -> u32 {
        match self {
            Self::Closed(closed) => closed.failures,
            Self::Open(open) => open.failures,
            Self::HalfOpen(half_open) => half_open.failures,
        }
    }
}
