//! How bad calls come together. Where they come in clumps, evidence is worth less, as each call
//! says less of the next one than if they were independent.

use core::time::Duration;

use crate::time::{Timestamp, nanos};

/// Bad calls are counted by half seconds.
const SPAN: Duration = Duration::from_millis(500);

/// A pause is taken for no more half seconds than this.
const LONGEST_PAUSE: u32 = 60_000;

/// More bad calls of one half second are not distinguished.
const MOST_OF_SPAN: u32 = 1000;

/// Half seconds, and bad calls, that say nothing yet.
const FEW_SPANS: u32 = 100;
const FEW_BAD: u32 = 8;

/// Beyond these all sums are halved, so that later calls weigh as much.
const MOST_SPANS: u32 = 1 << 17;
const MOST_SQUARES: u32 = 1 << 30;

/// The mean and the variance of the bad calls of half a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clumps {
    /// Half seconds.
    pub(super) spans: u32,
    /// The sum of the bad calls of each.
    pub(super) bad: u32,
    /// The sum of their squares.
    pub(super) squares: u32,
    /// The number of the half second under way: its time divided by its length; zero: none yet.
    pub(super) span: u32,
    /// Its bad calls.
    pub(super) present: u32,
}

impl Clumps {
    /// Evidence that is worth as much as it says, in 1/256.
    pub(super) const ONE: u64 = 256;

    /// It is divided by eight at most.
    const MOST: u64 = 8 * Self::ONE;

    pub(super) fn count(&mut self, bad: u32, now: Timestamp) {
        if bad > 0 || self.present > 0 {
            self.roll(now);
            self.add(bad);
        }
    }

    /// Adds bad calls to the half second under way.
    pub(super) fn add(&mut self, bad: u32) {
        self.present = self.present.saturating_add(bad);
    }

    /// Takes back bad calls of the half second under way.
    pub(super) fn undo(&mut self, bad: u32) {
        self.present = self.present.saturating_sub(bad);
    }

    /// Leaves out what is under way: an outage is no clump.
    pub(super) fn forget_present(&mut self) {
        self.present = 0;
    }

    fn roll(&mut self, now: Timestamp) {
        let span = now.as_nanos().checked_div(nanos(SPAN)).unwrap_or_default();
        let span = u32::try_from(span).unwrap_or(u32::MAX);
        if span == self.span {
            return;
        }
        if self.span > 0 {
            let passed = span.saturating_sub(self.span).min(LONGEST_PAUSE);
            self.spans = self.spans.saturating_add(passed);
        }
        let bad = self.present.min(MOST_OF_SPAN);
        self.bad = self.bad.saturating_add(bad);
        self.squares = self.squares.saturating_add(bad.saturating_mul(bad));
        self.span = span;
        self.present = 0;
        if self.spans > MOST_SPANS || self.squares > MOST_SQUARES {
            self.spans /= 2;
            self.bad /= 2;
            self.squares /= 2;
        }
    }

    /// How many calls one bad call stands for: the variance divided by the mean, in 1/256, from one
    /// (independent calls) to eight.
    pub(super) fn size(&self) -> u64 {
        if self.bad < FEW_BAD || self.spans < FEW_SPANS {
            return Self::ONE;
        }
        let [spans, bad, squares] = [self.spans, self.bad, self.squares].map(u64::from);
        let variance = squares.saturating_mul(spans).saturating_sub(bad.saturating_mul(bad));
        let size = variance.saturating_mul(Self::ONE).checked_div(bad.saturating_mul(spans));
        size.unwrap_or_default().clamp(Self::ONE, Self::MOST)
    }
}
