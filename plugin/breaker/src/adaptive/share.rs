//! A share of calls.

use super::log::log2;
use crate::percentage::Percentage;

/// A share of calls, in 1/65,536: from none to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Share(u32);

impl Share {
    const PARTS: u32 = 65_536;

    pub(super) const NONE: Self = Self(0);
    pub(super) const HALF: Self = Self(Self::PARTS / 2);
    pub(super) const WHOLE: Self = Self(Self::PARTS);

    /// So many of 65,536, at most all.
    pub(super) const fn from_parts(parts: u32) -> Self {
        Self(if parts < Self::PARTS { parts } else { Self::PARTS })
    }

    /// So many percent, rounded down.
    pub(super) const fn percent(percent: u32) -> Self {
        Self::from_parts(Self::PARTS.saturating_mul(percent) / 100)
    }

    /// So much of a whole, rounded down; of nothing, all.
    pub(super) fn of(part: u64, whole: u64) -> Self {
        let parts = part.saturating_mul(u64::from(Self::PARTS)).checked_div(whole);
        Self::from_parts(parts.and_then(|parts| u32::try_from(parts).ok()).unwrap_or(u32::MAX))
    }

    pub(super) const fn parts(self) -> u32 {
        self.0
    }

    /// The share of the other calls.
    pub(super) const fn rest(self) -> Self {
        Self(Self::PARTS.saturating_sub(self.0))
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self::from_parts(self.0.saturating_add(other.0))
    }

    pub(super) const fn twice(self) -> Self {
        self.plus(self)
    }

    /// How much likelier a call of this share is than one of another, in 1/1024 bit; zero if it is
    /// not.
    pub(super) fn evidence_against(self, other: Self) -> u32 {
        log2(u64::from(self.0)).saturating_sub(log2(u64::from(other.0)))
    }

    /// In thousandths of a percent.
    pub(super) fn thousandths(self) -> u32 {
        let thousandths = u64::from(self.0).saturating_mul(100_000) >> Self::PARTS.ilog2();
        u32::try_from(thousandths).unwrap_or(u32::MAX)
    }
}

impl From<Percentage> for Share {
    fn from(percentage: Percentage) -> Self {
        Self::of(u64::from(percentage.thousandths()), 100_000)
    }
}
