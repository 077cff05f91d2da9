//! No breaker at all: what there is to win.

use rules::{Ended, Rule};

pub(crate) struct Nothing;

impl Rule for Nothing {
    fn admit(&mut self, _: u64, _: u32) -> Option<u64> {
        Some(0)
    }

    fn settle(&mut self, _: Ended, _: u64, _: u32) {}
}
