//! How many calls come, and so how much evidence it takes: the more calls, the more often chance
//! looks like an outage.

use core::time::Duration;

use super::log::{BIT, log2};
use super::policy::AdaptivePolicy;
use crate::time::{Timestamp, nanos};

const SECOND: u64 = 1_000_000_000;

/// Parts of a call a second.
const PARTS: u64 = 256;
const PARTS_OF_MILLI: u64 = PARTS * 1_000;

/// It is measured anew after a second with so many calls, or after so long without.
const ENOUGH: u32 = 8;
const LONGEST: Duration = Duration::from_secs(600);

/// Calls a second, and those since it was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// In 1/256 call a second; at least one. That of one call a second is replaced by the first
    /// measurement.
    pub(super) rate: u32,
    pub(super) seen: u32,
    /// Since when; zero: nothing was seen yet.
    pub(super) since: Timestamp,
}

impl Pace {
    const UNKNOWN: u32 = PARTS as u32;

    pub(super) const NEW: Self =
        Self { rate: Self::UNKNOWN, seen: 0, since: Timestamp::from_nanos(0) };

    /// Counts calls that ended.
    pub(super) fn count(&mut self, calls: u32, now: Timestamp) {
        if self.since == Timestamp::default() || self.since > now {
            self.since = now;
        }
        self.seen = self.seen.saturating_add(calls);
        let passed = now.since(self.since);
        let enough = passed >= Duration::from_secs(1) && self.seen >= ENOUGH;
        if enough || passed >= LONGEST {
            let seen = u64::from(self.seen).saturating_mul(PARTS).saturating_mul(SECOND);
            let latest = seen.checked_div(nanos(passed)).unwrap_or_default();
            let moved = u64::from(self.rate).saturating_mul(7).saturating_add(latest) / 8;
            let rate = if self.rate == Self::UNKNOWN { latest } else { moved };
            self.rate = u32::try_from(rate).unwrap_or(u32::MAX).max(1);
            self.seen = 0;
            self.since = now;
        }
    }

    /// Takes back a call.
    pub(super) fn undo(&mut self) {
        self.seen = self.seen.saturating_sub(1);
    }

    /// How many calls come in this time.
    pub(super) fn calls_in(&self, time: Duration) -> u64 {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        u64::from(self.rate).saturating_mul(millis) / PARTS_OF_MILLI
    }

    /// The time between two calls, in microseconds.
    pub(super) fn gap(&self) -> u64 {
        PARTS.saturating_mul(1_000_000).checked_div(self.rate.into()).unwrap_or(u64::MAX)
    }

    /// How long so many calls take to come.
    pub(super) fn time_of(&self, calls: u64) -> Duration {
        let nanos = calls.saturating_mul(PARTS).saturating_mul(SECOND);
        Duration::from_nanos(nanos.checked_div(self.rate.into()).unwrap_or(u64::MAX))
    }

    /// The evidence that trips, in 1/1024 bit: what chance alone reaches once in the time that the
    /// policy gives.
    pub(super) fn bar(&self, policy: &AdaptivePolicy) -> u32 {
        // Three rows of failures, and three of slow calls.
        let rows = if policy.latency_floor.is_some() { 6 } else { 3 };
        let calls = self.calls_in(policy.false_trips).saturating_mul(rows);
        log2(calls).max(LEAST_BAR)
    }

    /// The evidence that the service is well again, in 1/1024 bit: chance alone reaches it once in
    /// ten minutes.
    pub(super) fn well(&self) -> u32 {
        log2(self.calls_in(LONGEST)).clamp(7 * BIT, 24 * BIT)
    }
}

/// Ten bits: a thousand to one. Less never trips.
pub(super) const LEAST_BAR: u32 = 10 * BIT;
