//! Evidence that the share of bad calls has risen: a CUSUM for each share that it may have risen
//! to.

use super::share::Share;

/// How many shares are looked for.
pub(super) const ROWS: usize = 3;

/// The shares that are looked for, at least: a partial outage, a bad one, and a total one.
const RISEN: [Share; ROWS] = [Share::percent(10), Share::percent(30), Share::percent(90)];

/// How much each good and each bad call says, in 1/1024 bit.
#[derive(Clone, Copy)]
pub(super) struct Odds {
    normal: Share,
    risen: Share,
}

impl Odds {
    /// Of all rows, where this share is normal at most, and that one tolerated.
    pub(super) fn of_rows(base: Share, tolerated: Share) -> [Self; ROWS] {
        let [partial, bad, total] = RISEN;
        let partial = partial.max(tolerated.twice());
        // A share just above a very small one is no outage, though it would soon be proven.
        let normal = base.max(Share::from_parts(partial.parts() / 4));
        [(normal, partial), (base, bad), (base, total)]
            .map(|(normal, risen)| Self { normal, risen: risen.max(base.twice()) })
    }

    fn of_bad(self) -> u32 {
        self.risen.evidence_against(self.normal)
    }

    fn of_good(self) -> u32 {
        self.normal.rest().evidence_against(self.risen.rest())
    }
}

/// The evidence for one share, and the calls since it was last at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// In 1/1024 bit.
    pub(super) evidence: u32,
    pub(super) bad: u32,
    pub(super) calls: u32,
}

impl Row {
    /// Counts calls, the good ones first. The answer is whether there was no evidence left before
    /// the bad ones.
    pub(super) fn count(&mut self, good: u32, bad: u32, odds: Odds) -> bool {
        if self.evidence > 0 {
            let less = odds.of_good().saturating_mul(good);
            self.evidence = self.evidence.saturating_sub(less);
        }
        let empty = self.evidence == 0;
        if empty {
            *self = Self::default();
        } else {
            self.calls = self.calls.saturating_add(good);
        }
        if bad > 0 {
            self.evidence = self.evidence.saturating_add(odds.of_bad().saturating_mul(bad));
            self.bad = self.bad.saturating_add(bad);
            self.calls = self.calls.saturating_add(bad);
        }
        empty
    }

    /// Takes back a bad call.
    pub(super) fn undo(&mut self, odds: Odds) {
        self.evidence = self.evidence.saturating_sub(odds.of_bad());
        self.bad = self.bad.saturating_sub(1);
        self.calls = self.calls.saturating_sub(1);
    }
}
