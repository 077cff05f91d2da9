//! The right to make one call, and what it turns into when the call has ended.

use crate::outcome::Ended;
use crate::time::Timestamp;

/// The number of a period between two transitions. It only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

impl Generation {
    /// That of calls which belong to no period.
    const NONE: Self = Self(0);

    /// The first period of a breaker.
    pub const FIRST: Self = Self(1);

    pub(crate) const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number, for logs and the admin API; at least 1.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The right to make one call, given by [`Breaker::admit`](crate::Breaker::admit). It cannot be
/// copied, and its call [ends](Self::end) once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit ends with its call, and is settled"]
pub struct Permit {
    pub(crate) generation: Generation,
    pub(crate) slot: Option<TrialSlot>,
}

impl Permit {
    /// The permit of a call whose outcome changes nothing.
    pub(crate) const UNCOUNTED: Self = Self::closed(Generation::NONE);

    /// The permit of a breaker that is known to be closed in this period.
    pub(crate) const fn closed(generation: Generation) -> Self {
        Self { generation, slot: None }
    }

    /// Whether the call is a trial of a half-open breaker.
    #[must_use]
    pub const fn is_trial(&self) -> bool {
        self.slot.is_some()
    }

    /// Whether the breaker is to know when the call's
    /// [request is complete](crate::Breaker::complete).
    #[must_use]
    pub fn awaits_request(&self) -> bool {
        self.slot.is_some_and(|slot| slot.deadline != slot.complete_deadline)
    }

    /// Takes note that the call's request is complete, after a breaker was stored that
    /// [knows of it](crate::Breaker::complete).
    pub const fn set_complete(&mut self) {
        if let Some(slot) = &mut self.slot {
            slot.deadline = slot.complete_deadline;
        }
    }

    /// The period the call was admitted in.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The call has ended: the permit is spent on the one settlement of it.
    pub fn end(self, ended: impl Into<Ended>) -> Settlement {
        Settlement { permit: self, ended: ended.into() }
    }
}

/// A call that has ended, and is to be [settled](crate::Breaker::settle). Whoever could not store
/// the breaker settles the same call again, on the breaker that another has stored meanwhile;
/// only one of them may be stored.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a call that has ended is settled"]
pub struct Settlement {
    pub(crate) permit: Permit,
    /// What became of the call.
    pub ended: Ended,
}

impl Settlement {
    /// The permit that the call had.
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }
}

/// What a trial holds of a half-open breaker: a slot, and the deadline that makes it this trial's
/// and not the next one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrialSlot {
    pub(crate) number: usize,
    pub(crate) deadline: Timestamp,
    /// The deadline that it has once its request is complete.
    pub(crate) complete_deadline: Timestamp,
}
