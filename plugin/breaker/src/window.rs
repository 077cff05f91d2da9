//! The latest calls of a closed breaker, in a window that slides: over time, or over a number of
//! calls.

mod counted;
mod timed;

use core::num::NonZeroU32;
use core::time::Duration;

use crate::counts::Counts;
use crate::time::Timestamp;

pub use counted::MAX_WINDOW_CALLS;
pub(crate) use counted::{Bits, Counted};
pub(crate) use timed::Timed;
pub use timed::WINDOW_BUCKETS;

/// Which calls are the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowPolicy {
    /// Those of this time, in tenths of it; at least 10 nanoseconds.
    Time(Duration),
    /// This many, at most [`MAX_WINDOW_CALLS`].
    Calls(NonZeroU32),
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
            (Self::Counted(old), Self::Counted(new)) => old.copy_into(new),
            _ => {}
        }
        refitted
    }

    /// Adds calls that ended at a moment up to now.
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
