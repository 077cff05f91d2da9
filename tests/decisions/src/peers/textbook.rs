//! Textbook change detection: a learned base rate (over 1,000 calls at first, then 10,000), a test
//! against it with one false alarm a day at the rate of calls seen, and a switch: open for 5 s, one
//! trial.

use std::collections::VecDeque;

use rules::{Ended, Rule, SEC};

use super::gate::Gate;

const WAIT: u64 = 5 * SEC;

/// The failures that the likelihood ratio is taken over.
const LATEST: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    Cusum,
    /// A generalised likelihood ratio.
    Glr,
    /// A sequential probability ratio.
    Sprt,
}

pub(crate) struct Textbook {
    test: Test,
    base: f64,
    seen: f64,
    evidence: f64,
    /// Good calls before each of the latest failures, and since the last one.
    gaps: VecDeque<u32>,
    gap: u32,
    began: u64,
    calls: f64,
    gate: Gate,
}

impl Textbook {
    pub(crate) fn new(test: Test) -> Self {
        Self {
            test,
            base: 0.05,
            seen: 20.0,
            evidence: 0.0,
            gaps: VecDeque::new(),
            gap: 0,
            began: 0,
            calls: 0.0,
            gate: Gate::new(1),
        }
    }

    fn alarms(&mut self, ok: bool, now: u64) -> bool {
        if self.began == 0 {
            self.began = now;
        }
        self.calls += 1.0;
        let secs = ((now - self.began) as f64 / 1e9).max(1.0);
        let bar = (self.calls / secs * 86_400.0).max(1000.0).ln();
        let base = self.base.clamp(0.0005, 0.2);
        let alarm = match self.test {
            Test::Glr => self.likelihood(ok, base) >= bar,
            Test::Cusum | Test::Sprt => {
                let risen = (5.0 * base).clamp(0.1, 0.5);
                let says = if ok { (1.0 - risen) / (1.0 - base) } else { risen / base };
                self.evidence += says.ln();
                let floor = if self.test == Test::Cusum { 0.0 } else { -3.0 };
                if self.evidence < floor {
                    self.evidence = 0.0;
                }
                self.evidence >= bar
            }
        };
        if !alarm {
            self.seen = (self.seen + 1.0).min(10_000.0);
            self.base += (f64::from(u8::from(!ok)) - self.base) / self.seen;
        }
        alarm
    }

    /// The largest likelihood ratio over the calls since any of the latest failures.
    fn likelihood(&mut self, ok: bool, base: f64) -> f64 {
        if ok {
            self.gap += 1;
            return 0.0;
        }
        self.gaps.push_back(self.gap);
        self.gap = 0;
        if self.gaps.len() > LATEST {
            self.gaps.pop_front();
        }
        let (mut calls, mut failures, mut most) = (0.0, 0.0, 0.0_f64);
        for gap in self.gaps.iter().rev() {
            calls += 1.0;
            failures += 1.0;
            let share: f64 = failures / calls;
            if share > base {
                let good = match share {
                    ..1.0 => (1.0 - share) * ((1.0 - share) / (1.0 - base)).ln(),
                    _ => 0.0,
                };
                most = most.max(calls * (share * (share / base).ln() + good));
            }
            calls += f64::from(*gap);
        }
        most
    }
}

impl Rule for Textbook {
    fn admit(&mut self, now: u64, _: u32) -> Option<u64> {
        self.gate.admit(now)
    }

    fn settle(&mut self, call: Ended, now: u64, _: u32) {
        if call.ticket != self.gate.period {
            return;
        }
        if self.gate.is_half_open() {
            if call.ok {
                self.gate.close();
                self.evidence = 0.0;
                self.gaps.clear();
                self.gap = 0;
            } else {
                self.gate.open(now + WAIT);
            }
        } else if self.gate.is_closed() && self.alarms(call.ok, now) {
            self.gate.open(now + WAIT);
        }
    }
}
