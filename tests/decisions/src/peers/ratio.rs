//! A share of the calls of a window, looked at when a call has failed (Polly), or every so often
//! (Hystrix).

use super::buckets::Buckets;
use super::gate::Gate;
use rules::{Ended, MS, Rule, SEC};

const WAIT: u64 = 5 * SEC;

pub(crate) struct Ratio {
    window: Buckets,
    share: f64,
    minimum: u64,
    /// `None`: at each failure.
    every: Option<u64>,
    next_look: u64,
    timeout: u64,
    gate: Gate,
}

impl Ratio {
    /// `FailureRatio` 0.1, `MinimumThroughput` 100, `SamplingDuration` 30 s, `BreakDuration` 5 s,
    /// one trial.
    pub(crate) fn polly() -> Self {
        Self {
            window: Buckets::new(30 * SEC, 10),
            share: 0.1,
            minimum: 100,
            every: None,
            next_look: 0,
            timeout: u64::MAX,
            gate: Gate::new(1),
        }
    }

    /// 20 requests, 50 %, 10 s in 10 buckets, a wait of 5 s, one trial, a look every 500 ms, a
    /// timeout of 1 s.
    pub(crate) fn hystrix() -> Self {
        Self {
            window: Buckets::new(10 * SEC, 10),
            share: 0.5,
            minimum: 20,
            every: Some(500 * MS),
            next_look: 0,
            timeout: SEC,
            gate: Gate::new(1),
        }
    }

    /// Whether it looks at the share now.
    fn looks(&mut self, ok: bool, now: u64) -> bool {
        let Some(every) = self.every else { return !ok };
        let due = now >= self.next_look;
        if due {
            self.next_look = now + every;
        }
        due
    }
}

impl Rule for Ratio {
    fn admit(&mut self, now: u64, _: u32) -> Option<u64> {
        self.gate.admit(now)
    }

    fn settle(&mut self, call: Ended, now: u64, _: u32) {
        let ok = call.ok && call.took <= self.timeout;
        if call.ticket != self.gate.period {
            return;
        }
        if self.gate.is_half_open() {
            if ok {
                self.gate.close();
                self.window.clear();
            } else {
                self.gate.open(now + WAIT);
            }
        } else if self.gate.is_closed() {
            self.window.add(ok, now);
            let all = self.window.all();
            let reached = self.window.bad as f64 >= self.share * all as f64;
            if self.looks(ok, now) && all >= self.minimum && reached {
                self.gate.open(now + WAIT);
                self.window.clear();
            }
        }
    }
}
