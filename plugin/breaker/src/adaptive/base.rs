//! What share of the calls is bad while all is well.

use core::time::Duration;

use super::share::Share;
use crate::time::Timestamp;

/// No share is taken for smaller, however seldom a call was bad.
const LEAST: Share = Share::from_parts(64);

/// What was learned is halved now and then, so that it gives way to what is learned later.
const HALF_LIFE: Duration = Duration::from_secs(1800);

/// Calls that are worth keeping when it is time to halve.
const ENOUGH: u32 = 4096;

/// More calls than this are halved at once.
const MOST: u32 = 1 << 30;

/// Calls that were found to be normal, and how many of them were bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) bad: u32,
    pub(super) calls: u32,
    /// When they were halved last; zero: nothing was counted yet.
    pub(super) halved: Timestamp,
}

impl Base {
    /// Calls are being counted, though none of them may be known to be normal yet.
    pub(super) fn begin(&mut self, now: Timestamp) {
        // A time to come is from before the clock was set back.
        if self.halved == Timestamp::default() || self.halved > now {
            self.halved = now;
        }
    }

    pub(super) fn learn(&mut self, bad: u32, calls: u32, now: Timestamp) {
        self.bad = self.bad.saturating_add(bad);
        self.calls = self.calls.saturating_add(calls);
        let due = self.calls >= ENOUGH && now.since(self.halved) >= HALF_LIFE;
        if due || self.calls > MOST {
            *self = Self { bad: self.bad / 2, calls: self.calls / 2, halved: now };
        }
    }

    /// The share of bad calls that was seen.
    pub(super) fn seen(&self) -> Share {
        if self.calls == 0 {
            return Share::NONE;
        }
        Share::of(self.bad.into(), self.calls.into())
    }

    /// The largest share of bad calls that is normal: two standard deviations more than was seen,
    /// as few calls prove little, and no more than is tolerated.
    pub(super) fn at_most(&self, tolerated: Share) -> Share {
        let bad = u64::from(self.bad);
        let deviation = bad.saturating_add(1).isqrt();
        let high = bad.saturating_add(deviation.saturating_mul(2)).saturating_add(2);
        Share::of(high, u64::from(self.calls).saturating_add(100)).min(tolerated).max(LEAST)
    }
}
