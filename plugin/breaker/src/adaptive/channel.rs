//! One kind of badness, failures or slow calls: what is normal of it, and the evidence that it is
//! more.

use super::base::Base;
use super::clumps::Clumps;
use super::row::{Odds, ROWS, Row};
use super::share::Share;
use crate::time::Timestamp;

/// So many calls without any evidence are normal.
const NORMAL: u32 = 64;

/// What is counted of one kind of badness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) base: Base,
    /// Calls that are not known to be normal yet, and how many of them were bad.
    pub(super) pending: u32,
    pub(super) pending_bad: u32,
    pub(super) rows: [Row; ROWS],
    pub(super) clumps: Clumps,
}

impl Channel {
    /// Counts calls, the good ones first.
    pub(super) fn count(&mut self, good: u32, bad: u32, tolerated: Share, now: Timestamp) {
        self.base.begin(now);
        self.clumps.count(bad, now);
        self.pending_bad = self.pending_bad.saturating_add(bad);
        self.pending = self.pending.saturating_add(good).saturating_add(bad);
        let waited = self.pending > NORMAL;
        let odds = self.odds(tolerated);
        let mut normal = false;
        for (row, odds) in self.rows.iter_mut().zip(odds) {
            let before = row.evidence > 0;
            normal |= row.count(good, bad, odds) && (before || waited);
        }
        if normal {
            self.learn(now);
        }
    }

    /// All calls before those of the longest row are normal.
    fn learn(&mut self, now: Timestamp) {
        let longest = longest(self.rows.iter());
        let bad = self.pending_bad.saturating_sub(longest.bad);
        self.base.learn(bad, self.pending.saturating_sub(longest.calls), now);
        self.pending_bad = longest.bad;
        self.pending = longest.calls;
    }

    /// Takes back a call that was counted as bad.
    pub(super) fn undo(&mut self, tolerated: Share) {
        let odds = self.odds(tolerated);
        for (row, odds) in self.rows.iter_mut().zip(odds) {
            row.undo(odds);
        }
        self.pending_bad = self.pending_bad.saturating_sub(1);
        self.pending = self.pending.saturating_sub(1);
        self.clumps.undo(1);
    }

    /// Drops the evidence, and the calls that led to it. What is known to be normal stays.
    pub(super) fn forget_evidence(&mut self) {
        let Self { base, clumps, .. } = *self;
        *self = Self { base, clumps, ..Self::default() };
    }

    /// The row with the most evidence.
    pub(super) fn top(&self) -> Row {
        let most =
            |found: Row, row: &Row| if row.evidence >= found.evidence { *row } else { found };
        self.rows.iter().fold(Row::default(), most)
    }

    /// The longest of the rows that mean it: those with so much evidence, and the one with the
    /// most.
    pub(super) fn longest_with(&self, evidence: u32) -> Row {
        let enough = evidence.min(self.top().evidence);
        longest(self.rows.iter().filter(|row| row.evidence >= enough))
    }

    /// Whether there is so much evidence, in 1/1024 bit, of calls that come in clumps as these do.
    pub(super) fn exceeds(&self, bar: u32) -> bool {
        let evidence = u64::from(self.top().evidence);
        evidence.saturating_mul(Clumps::ONE) >= u64::from(bar).saturating_mul(self.clumps.size())
    }

    /// The largest share of bad calls that is normal.
    pub(super) fn at_most(&self, tolerated: Share) -> Share {
        self.base.at_most(tolerated)
    }

    fn odds(&self, tolerated: Share) -> [Odds; ROWS] {
        Odds::of_rows(self.at_most(tolerated), tolerated)
    }
}

fn longest<'a>(rows: impl Iterator<Item = &'a Row>) -> Row {
    rows.fold(Row::default(), |found, row| if row.calls >= found.calls { *row } else { found })
}
