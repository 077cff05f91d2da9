//! Linkerd's unified failure accrual: seven failures in a row, or less than 80 % of success over 10
//! s with at least 5 calls; a back-off from 1 s to 60 s with a jitter of 0.5, one trial.

use rules::{Ended, Rule, SEC};

use super::buckets::Buckets;
use super::gate::Gate;
use crate::rng::unit;

pub(crate) struct Linkerd {
    row: u32,
    window: Buckets,
    backoff: u64,
    gate: Gate,
}

impl Linkerd {
    pub(crate) fn new() -> Self {
        Self { row: 0, window: Buckets::new(10 * SEC, 10), backoff: 0, gate: Gate::new(1) }
    }

    fn open(&mut self, now: u64, random: u32) {
        self.backoff = (self.backoff * 2).clamp(SEC, 60 * SEC);
        let jitter = (self.backoff as f64 * 0.5 * unit(random)) as u64;
        self.gate.open(now + self.backoff + jitter);
    }
}

impl Rule for Linkerd {
    fn admit(&mut self, now: u64, _: u32) -> Option<u64> {
        self.gate.admit(now)
    }

    fn settle(&mut self, call: Ended, now: u64, random: u32) {
        if call.ticket != self.gate.period {
            return;
        }
        if self.gate.is_half_open() {
            if call.ok {
                self.gate.close();
                self.window.clear();
                self.row = 0;
                self.backoff = 0;
            } else {
                self.open(now, random);
            }
        } else if self.gate.is_closed() {
            self.row = if call.ok { 0 } else { self.row + 1 };
            self.window.add(call.ok, now);
            let all = self.window.all();
            let low = all >= 5 && (self.window.good as f64) < 0.8 * all as f64;
            if self.row >= 7 || low {
                self.open(now, random);
            }
        }
    }
}
