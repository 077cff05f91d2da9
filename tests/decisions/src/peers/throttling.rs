//! Google's client-side throttling: K 2, two minutes. What is rejected counts as a request.

use rules::{Ended, Rule, SEC};

use super::buckets::Buckets;
use crate::rng::unit;

pub(crate) struct Throttling {
    /// Accepted, and not.
    window: Buckets,
}

impl Throttling {
    pub(crate) fn new() -> Self {
        Self { window: Buckets::new(120 * SEC, 120) }
    }
}

impl Rule for Throttling {
    fn admit(&mut self, now: u64, random: u32) -> Option<u64> {
        self.window.roll(now);
        let requests = self.window.all() as f64;
        let rejected = ((requests - 2.0 * self.window.good as f64) / (requests + 1.0)).max(0.0);
        if unit(random) >= rejected {
            return Some(0);
        }
        self.window.add(false, now);
        None
    }

    fn settle(&mut self, call: Ended, now: u64, _: u32) {
        self.window.add(call.ok, now);
    }
}
