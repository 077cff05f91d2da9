//! resilience4j: `COUNT_BASED` over 100 calls, at least 100, 50 %, open for 60 s, 10 trials. Its
//! rule for slow calls (all of them over 60 s) is never reached here.

use std::collections::VecDeque;

use rules::{Ended, Rule, SEC};

use super::gate::Gate;

const WINDOW: usize = 100;
const WAIT: u64 = 60 * SEC;
const TRIALS: u32 = 10;

pub(crate) struct Resilience4j {
    window: VecDeque<bool>,
    bad: usize,
    gate: Gate,
    /// Trials that ended, and those that failed.
    ended: u32,
    failed: u32,
}

impl Resilience4j {
    pub(crate) fn new() -> Self {
        Self { window: VecDeque::new(), bad: 0, gate: Gate::new(TRIALS), ended: 0, failed: 0 }
    }

    fn trial(&mut self, ok: bool, now: u64) {
        self.ended += 1;
        self.failed += u32::from(!ok);
        if self.ended < TRIALS {
            return;
        }
        if self.failed * 2 >= TRIALS {
            self.gate.open(now + WAIT);
        } else {
            self.gate.close();
            self.window.clear();
            self.bad = 0;
        }
        (self.ended, self.failed) = (0, 0);
    }
}

impl Rule for Resilience4j {
    fn admit(&mut self, now: u64, _: u32) -> Option<u64> {
        self.gate.admit(now)
    }

    fn settle(&mut self, call: Ended, now: u64, _: u32) {
        if call.ticket != self.gate.period {
            return;
        }
        if self.gate.is_half_open() {
            return self.trial(call.ok, now);
        }
        if !self.gate.is_closed() {
            return;
        }
        self.window.push_back(call.ok);
        self.bad += usize::from(!call.ok);
        if self.window.len() > WINDOW && self.window.pop_front() == Some(false) {
            self.bad -= 1;
        }
        if self.window.len() >= WINDOW && self.bad * 2 >= self.window.len() {
            self.gate.open(now + WAIT);
            self.window.clear();
            self.bad = 0;
        }
    }
}
