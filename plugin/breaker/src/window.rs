//! The latest calls of a closed breaker, in a window that slides: over time, or over a number of
//! calls.

mod counted;
mod timed;

use core::num::NonZeroU32;
use core::time::Duration;

use crate::policy::WindowPolicy;
use crate::time::Timestamp;

pub(crate) use counted::{Bits, Counted};
pub(crate) use timed::Timed;

/// The most calls that a window over a number of calls can hold.
pub const MAX_WINDOW_CALLS: u32 = 1_024;

/// How many buckets a window over time has.
pub const WINDOW_BUCKETS: usize = 10;

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

/// The latest calls, as the policy in force wants them kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "one lives on the stack for the length of a call; a box would need an allocator"
)]
pub(crate) enum Window {
    /// None are: no rule asks for them.
    #[default]
    None,
    Timed(Timed),
    Counted(Counted),
}

impl WindowPolicy {
    /// The nearest that there can be.
    pub(crate) fn bounded(self) -> Self {
        const SHORTEST: Duration = Duration::from_nanos(WINDOW_BUCKETS as u64);
        const LONGEST: Duration = Duration::from_nanos(u64::MAX >> 1);
        const LARGEST: NonZeroU32 = NonZeroU32::MIN.saturating_add(MAX_WINDOW_CALLS - 1);
        match self {
            Self::Time(length) => Self::Time(length.clamp(SHORTEST, LONGEST)),
            Self::Calls(size) => Self::Calls(size.min(LARGEST)),
        }
    }
}

impl Window {
    /// An empty window of this kind.
    pub(crate) fn new(policy: Option<WindowPolicy>) -> Self {
        match policy {
            None => Self::None,
            Some(WindowPolicy::Time(length)) => Self::Timed(Timed::new(length)),
            Some(WindowPolicy::Calls(size)) => Self::Counted(Counted::new(size)),
        }
    }

    /// The same calls in a window of another kind, as far as they fit: those of a window over time
    /// have no order, and those of one over calls no time.
    pub(crate) fn refitted(&self, policy: Option<WindowPolicy>) -> Self {
        let mut refitted = Self::new(policy);
        match (self, &mut refitted) {
            (Self::Timed(old), Self::Timed(new)) => {
                for (at, counts) in old.by_time() {
                    new.add(counts, at, at);
                }
            }
            (Self::Counted(old), Self::Counted(new)) => old.pour_into(new),
            _ => {}
        }
        refitted
    }

    /// Takes in calls that ended at a moment up to now.
    pub(crate) fn add(&mut self, counts: Counts, at: Timestamp, now: Timestamp) {
        match self {
            Self::None => {}
            Self::Timed(window) => window.add(counts, at, now),
            Self::Counted(window) => window.add(counts),
        }
    }

    /// The calls in the window at this moment.
    pub(crate) fn counts(&self, now: Timestamp) -> Counts {
        match self {
            Self::None => Counts::NONE,
            Self::Timed(window) => window.counts(now),
            Self::Counted(window) => window.counts(),
        }
    }

    /// Whether `holds` for what may be left of the calls once some of them have slid out, while
    /// none but good ones come.
    pub(crate) fn any_remainder(&self, holds: impl FnMut(Counts) -> bool) -> bool {
        match self {
            Self::None => false,
            Self::Timed(window) => window.remainders().any(holds),
            // A good call pushes a call out, and the share of the others cannot grow.
            Self::Counted(window) => core::iter::once(window.counts()).any(holds),
        }
    }
}
