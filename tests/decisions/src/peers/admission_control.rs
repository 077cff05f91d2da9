//! Envoy's admission control: a window of 30 s, a success threshold of 95 %, aggression 1, at most
//! 80 % rejected. What is rejected is not sampled.

use rules::{Ended, Rule, SEC};

use super::buckets::Buckets;
use crate::rng::unit;

pub(crate) struct AdmissionControl {
    window: Buckets,
}

impl AdmissionControl {
    pub(crate) fn new() -> Self {
        Self { window: Buckets::new(30 * SEC, 30) }
    }
}

impl Rule for AdmissionControl {
    fn admit(&mut self, now: u64, random: u32) -> Option<u64> {
        self.window.roll(now);
        let (good, all) = (self.window.good as f64, self.window.all() as f64);
        let rejected = ((all - good / 0.95) / (all + 1.0)).clamp(0.0, 0.8);
        (unit(random) >= rejected).then_some(0)
    }

    fn settle(&mut self, call: Ended, now: u64, _: u32) {
        self.window.add(call.ok, now);
    }
}
