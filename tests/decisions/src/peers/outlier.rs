//! Envoy's outlier detection: five failures in a row, 30 s without traffic times the number of
//! ejections, then all of it again (`consecutive_5xx` 5, `base_ejection_time` 30s, at most 300s).

use rules::{Ended, Rule, SEC};

const IN_A_ROW: u32 = 5;
const BASE: u64 = 30 * SEC;
const MOST: u64 = 300 * SEC;

pub(crate) struct OutlierDetection {
    row: u32,
    ejections: u64,
    until: u64,
    period: u64,
}

impl OutlierDetection {
    pub(crate) fn new() -> Self {
        Self { row: 0, ejections: 0, until: 0, period: 1 }
    }
}

impl Rule for OutlierDetection {
    fn admit(&mut self, now: u64, _: u32) -> Option<u64> {
        (now >= self.until).then_some(self.period)
    }

    fn settle(&mut self, call: Ended, now: u64, _: u32) {
        if call.ticket != self.period || now < self.until {
            return;
        }
        self.row = if call.ok { 0 } else { self.row + 1 };
        if self.row >= IN_A_ROW {
            // The multiplier falls by one for each base time without an ejection.
            let quiet = (now - self.until) / BASE;
            self.ejections = self.ejections.saturating_sub(quiet) + 1;
            self.until = now + (BASE * self.ejections).min(MOST);
            self.row = 0;
            self.period += 1;
        }
    }
}
