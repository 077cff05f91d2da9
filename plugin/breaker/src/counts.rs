//! Calls, counted by what became of them.

/// How many calls there were, and what became of them. A call that was slow and failed is both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that ended with a success or a failure.
    pub calls: u32,
    /// Those that failed.
    pub failures: u32,
    /// Those that were slow.
    pub slow: u32,
}

impl Counts {
    /// No calls.
    pub const NONE: Self = Self { calls: 0, failures: 0, slow: 0 };

    /// One call.
    #[must_use]
    pub const fn one(failed: bool, slow: bool) -> Self {
        Self { calls: 1, failures: failed as u32, slow: slow as u32 }
    }

    /// The share that failed, in whole percent, the fraction cut off: a threshold that is not
    /// reached is not shown as reached. Zero if there are none.
    #[must_use]
    pub fn failure_percent(self) -> u32 {
        self.percent(self.failures)
    }

    /// The share that was slow, likewise.
    #[must_use]
    pub fn slow_percent(self) -> u32 {
        self.percent(self.slow)
    }

    fn percent(self, part: u32) -> u32 {
        let percent = u64::from(part).saturating_mul(100).checked_div(self.calls.into());
        percent.and_then(|percent| u32::try_from(percent).ok()).unwrap_or_default()
    }

    /// As many calls, all of them well.
    pub(crate) const fn well(calls: u32) -> Self {
        Self { calls, ..Self::NONE }
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            failures: self.failures.saturating_add(other.failures),
            slow: self.slow.saturating_add(other.slow),
        }
    }
}
