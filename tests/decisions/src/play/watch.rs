//! When a rule is seen to reject calls.

use super::Tally;
use rules::SEC;

const LATEST: usize = 100;

pub(super) struct Watch {
    last_reject: u64,
    calls_since: u32,
    recent: [bool; LATEST],
    at: usize,
    rejected: u32,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { last_reject: 0, calls_since: 0, recent: [false; LATEST], at: 0, rejected: 0 }
    }

    /// Forgets the latest calls.
    pub(super) fn begin(&mut self) {
        self.recent = [false; LATEST];
        self.rejected = 0;
    }

    /// A call of a phase that began then was rejected, or not.
    pub(super) fn see(&mut self, rejected: bool, now: u64, began: u64, tally: &mut Tally) {
        self.calls_since += 1;
        if rejected {
            let first = self.last_reject == 0;
            if first || now - self.last_reject > 10 * SEC && self.calls_since > 20 {
                tally.episodes += 1;
            }
            self.last_reject = now;
            self.calls_since = 0;
        }
        self.rejected += u32::from(rejected);
        self.rejected -= u32::from(std::mem::replace(&mut self.recent[self.at], rejected));
        self.at = (self.at + 1) % LATEST;
        if tally.seen_ms.is_none() && self.rejected >= 3 {
            tally.seen_ms = Some((now - began) as f64 / 1e6);
        }
    }
}
