//! The right to make one call.

use crate::Timestamp;

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

    /// The number, for logs and the admin API.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The right to make one call, given by [`Breaker::admit`](crate::Breaker::admit) and consumed
/// by [`Breaker::settle`](crate::Breaker::settle). It cannot be copied, so it is settled at
/// most once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit is settled with the outcome of its call"]
pub struct Permit {
    pub(crate) generation: Generation,
    pub(crate) place: Option<Place>,
}

impl Permit {
    /// The permit of a call whose outcome changes nothing.
    pub(crate) const UNCOUNTED: Self = Self { generation: Generation::NONE, place: None };

    /// The permit of a breaker that is known to be closed in this period.
    pub const fn closed(generation: Generation) -> Self {
        Self { generation, place: None }
    }

    /// Whether the call is a trial of a half-open breaker.
    #[must_use]
    pub const fn is_trial(&self) -> bool {
        self.place.is_some()
    }

    /// Whether it is to be told when the call's [request is complete](crate::Breaker::complete).
    pub fn awaits_request(&self) -> bool {
        self.place.is_some_and(|place| place.deadline != place.whole)
    }

    /// The same permit, for an update that lost a race and is decided anew. Only one of the two
    /// updates may be stored.
    pub const fn for_retry(&self) -> Self {
        Self { generation: self.generation, place: self.place }
    }

    /// The period the call was admitted in.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }
}

/// A trial's place: its slot, and the deadline that makes it this trial's and not the next's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: usize,
    pub(crate) deadline: Timestamp,
    /// The deadline that it has once its request is complete.
    pub(crate) whole: Timestamp,
}
