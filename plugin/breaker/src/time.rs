//! The two clocks: one to decide by, one to show.

use core::time::Duration;

/// A point on the host's monotonic clock, in nanoseconds since an epoch that is the same for
/// all workers of one process and means nothing outside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From nanoseconds since the clock's epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The point `wait` later; the end of time if there is none.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(nanos(wait)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A wall-clock time, in nanoseconds since the Unix epoch. It may jump; nothing is decided by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixTime(u64);

impl UnixTime {
    /// From nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

/// Both clocks, read at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// What decisions are taken by.
    pub monotonic: Timestamp,
    /// What people are shown.
    pub wall: UnixTime,
}

impl Now {
    /// The wall-clock time of a monotonic one, past or to come.
    #[must_use]
    pub fn wall_time_of(self, at: Timestamp) -> UnixTime {
        let behind = nanos(self.monotonic.since(at));
        let ahead = nanos(at.since(self.monotonic));
        UnixTime(self.wall.0.saturating_sub(behind).saturating_add(ahead))
    }
}

/// A duration in nanoseconds, saturating at 584 years.
#[inline(never)]
pub(crate) const fn nanos(duration: Duration) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    // By `as_nanos` it would take 128 bits, and so would a product that saturates.
    if duration.as_secs() > u64::MAX / SECOND {
        return u64::MAX;
    }
    duration.as_secs().wrapping_mul(SECOND).saturating_add(duration.subsec_nanos() as u64)
}
