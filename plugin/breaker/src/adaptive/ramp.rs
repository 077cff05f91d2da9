//! How traffic comes back: by what goes well, and no faster than it went last time.

use core::time::Duration;

use super::pace::Pace;
use super::share::Share;
use crate::time::Timestamp;

/// Traffic comes back within so much of the outage's length, from the least to the most.
const PART: u32 = 256;
const SHORTEST: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_millis(200);

/// The good calls after which a ramp says up to which share it went well.
const TELLING: u32 = 32;

/// A share below which no ceiling falls.
const LEAST_CEILING: Share = Share::from_parts(Share::WHOLE.parts() / 32);

/// It takes so long from no share to all, however low the ceiling is.
const CREEP: Duration = Duration::from_secs(24);

/// How far traffic has come back, and up to where it went well last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ramp {
    /// The share that it began with.
    pub(super) from: Share,
    pub(super) began: Timestamp,
    /// Good calls that it takes, and those that there were.
    pub(super) need: u32,
    pub(super) good: u32,
    /// The share up to which it goes by good calls alone, over outages.
    pub(super) ceiling: Share,
}

impl Ramp {
    pub(super) const NEW: Self = Self {
        from: Share::NONE,
        began: Timestamp::from_nanos(0),
        need: 1,
        good: 0,
        ceiling: Share::WHOLE,
    };

    /// Begins with the share that passes already, after an outage of this length.
    pub(super) fn begin(&mut self, from: Share, outage: Duration, pace: &Pace, now: Timestamp) {
        let time = outage.checked_div(PART).unwrap_or_default().clamp(SHORTEST, LONGEST);
        let need = u32::try_from(pace.calls_in(time)).unwrap_or(u32::MAX).clamp(1, 1 << 20);
        *self = Self { from, began: now, need, good: 0, ..*self };
    }

    pub(super) fn count(&mut self, good: u32) {
        self.good = self.good.saturating_add(good);
    }

    /// It broke again with this share of traffic: next time it stops below.
    pub(super) fn broke_at(&mut self, share: Share) {
        if self.good >= TELLING {
            let below = (share.parts() / 8).saturating_mul(7);
            self.ceiling = Share::from_parts(below).max(LEAST_CEILING);
        }
    }

    /// The share that passes.
    pub(super) fn share(&self, now: Timestamp) -> Share {
        let [good, need] = [self.good, self.need.max(1)].map(u64::from);
        let grown = Share::of(good.saturating_add(1).saturating_add(need / 16), need);
        grown.max(self.from).min(self.ceiling.plus(self.crept(now)))
    }

    /// What has been added to the ceiling: as time passes, by its square.
    fn crept(&self, now: Timestamp) -> Share {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (passed, all) = (millis(now.since(self.began)).min(64_000), millis(CREEP));
        let squares = passed.saturating_mul(passed) / 1_000;
        Share::of(squares, all.saturating_mul(all) / 1_000)
    }

    /// No ramp is longer because the clock was set back.
    pub(super) fn bound(&mut self, now: Timestamp) {
        self.began = self.began.min(now);
    }
}
