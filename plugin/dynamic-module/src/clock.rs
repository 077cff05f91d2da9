//! The time: the system's, or one that is moved by whoever simulates a process.

#![allow(unsafe_code, reason = "the system's functions are C functions")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use filter::{Now, Timestamp, UnixTime};

use crate::envoy;

/// Where [`Simulated`] clocks are published, if there are any.
pub const KEY: &str = "edge_breaker.clock";

/// Clocks of a process in which time is moved.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Simulated {
    /// The monotonic clock, in nanoseconds.
    pub monotonic: AtomicU64,
    /// The wall clock, in nanoseconds since 1970.
    pub wall: AtomicU64,
}

/// The clocks of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessClock(Option<NonNull<Simulated>>);

// SAFETY: what is simulated is atomic, and stays until the process ends.
unsafe impl Send for ProcessClock {}
// SAFETY: likewise.
unsafe impl Sync for ProcessClock {}

impl ProcessClock {
    pub(crate) fn find() -> Self {
        Self(NonNull::new(envoy::published(KEY).cast()))
    }

    pub(crate) fn now(self) -> Now {
        let wall = match self.0 {
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos),
            // SAFETY: so whoever published it says.
            Some(clocks) => unsafe { clocks.as_ref().wall.load(Ordering::Relaxed) },
        };
        Now { monotonic: self.monotonic(), wall: UnixTime::from_nanos(wall) }
    }

    pub(crate) fn monotonic(self) -> Timestamp {
        Timestamp::from_nanos(match self.0 {
            None => monotonic(),
            // SAFETY: so whoever published it says.
            Some(clocks) => unsafe { clocks.as_ref().monotonic.load(Ordering::Relaxed) },
        })
    }
}

/// The same for all builds of the module in a process, unlike the standard library's, which tells no
/// number.
fn monotonic() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes to where the pointer points.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let seconds = Duration::from_secs(time.tv_sec.cast_unsigned());
    nanos(seconds.saturating_add(Duration::from_nanos(time.tv_nsec.cast_unsigned())))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
