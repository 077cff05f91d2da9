//! What a breaker was told of a call before it ended.

use crate::adaptive::call::Overdue;

/// What the breaker of a call was told of it while it was under way: one bit for each. Most calls
/// have none, which is asked of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told(u8);

impl Told {
    /// Nothing.
    pub(crate) const NOTHING: Self = Self(0);
    /// That it is slow, by the configured duration.
    pub const SLOW: Self = Self(1);
    const OVERDUE: Self = Self(2);
    const HUNG: Self = Self(4);

    /// What the adaptive rule was told.
    #[must_use]
    pub const fn adaptive(it_is: Overdue) -> Self {
        match it_is {
            Overdue::Slow => Self::OVERDUE,
            Overdue::Hung => Self::HUNG,
        }
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether nothing was told.
    #[inline(always)]
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// Whether it is slow, by the configured duration.
    #[must_use]
    pub const fn is_slow(self) -> bool {
        self.0 & Self::SLOW.0 != 0
    }

    /// The most that the adaptive rule was told.
    #[must_use]
    pub const fn to_adaptive(self) -> Option<Overdue> {
        if self.0 & Self::HUNG.0 != 0 {
            Some(Overdue::Hung)
        } else if self.0 & Self::OVERDUE.0 != 0 {
            Some(Overdue::Slow)
        } else {
            None
        }
    }
}
