//! A service that calls come to whatever becomes of the others: how they fail, and how long they
//! take.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::rng::Rng;
use crate::scenario::{Phase, Scenario};

pub(super) struct Service<'a> {
    scenario: &'a Scenario,
    /// Failures that are left of a clump.
    clump_left: u32,
    blip_until: u64,
    next_blip: f64,
    /// When each server is free.
    servers: BinaryHeap<Reverse<u64>>,
}

/// What would become of a call.
pub(super) struct Fate {
    pub(super) bad: bool,
    /// Nanoseconds.
    pub(super) took: u64,
}

impl<'a> Service<'a> {
    pub(super) fn new(scenario: &'a Scenario, start: u64, rng: &mut Rng) -> Self {
        let blips = scenario.blips_per_hour;
        Self {
            scenario,
            clump_left: 0,
            blip_until: 0,
            next_blip: if blips > 0.0 {
                start as f64 + rng.exponential(3.6e12 / blips)
            } else {
                f64::MAX
            },
            servers: (0..scenario.servers).map(|_| Reverse(0)).collect(),
        }
    }

    /// What a call that comes now would become, when so much of the phase is over.
    pub(super) fn fate(&mut self, phase: &Phase, part: f64, now: f64, rng: &mut Rng) -> Fate {
        let Scenario { clump, blips_per_hour, median_ms, sigma, .. } = *self.scenario;
        let at = now as u64;
        let [from, to] = phase.errors(self.scenario.base_error);
        let mut error = from + (to - from) * part;
        if clump > 0.0 && error <= 0.2 {
            // The same share of failures, in clumps.
            if self.clump_left == 0 && rng.chance(error / clump) {
                self.clump_left = 1;
                while rng.chance(1.0 - 1.0 / clump) {
                    self.clump_left += 1;
                }
            }
            error = if self.clump_left > 0 { 0.7 } else { 0.0 };
        }
        if now >= self.next_blip {
            self.blip_until = at + (self.scenario.blip_ms * 1e6) as u64;
            self.next_blip = now + rng.exponential(3.6e12 / blips_per_hour);
        }
        if at < self.blip_until {
            error = error.max(self.scenario.blip_error);
        }
        let bad = rng.chance(error);
        if bad && self.clump_left > 0 {
            self.clump_left -= 1;
        }
        let spread = if sigma > 0.0 { (sigma * rng.normal()).exp() } else { 1.0 };
        let median = median_ms * phase.latency_x.unwrap_or(1.0);
        let took = match self.scenario.fail_ms {
            failed if bad && failed > 0.0 => failed * 1e6,
            _ => median * 1e6 * spread + phase.latency_add_s * 1e9,
        };
        Fate { bad, took: took as u64 }
    }

    /// What becomes of a call that is made.
    pub(super) fn serve(&mut self, fate: Fate, phase: &Phase, now: u64) -> Fate {
        let Fate { mut bad, mut took } = fate;
        if let Some(Reverse(free)) = self.servers.pop() {
            let begin = free.max(now);
            if begin - now > (self.scenario.queue_s * 1e9) as u64 {
                // The queue is full: turned away at once.
                self.servers.push(Reverse(free));
                bad = true;
                took = 1_000_000;
            } else {
                let work = (took as f64 / phase.capacity_x.unwrap_or(1.0)) as u64;
                self.servers.push(Reverse(begin + work));
                took = begin + work - now;
            }
        }
        let patience = self.patience();
        Fate { bad: bad || took > patience, took: took.min(patience) }
    }

    /// How long callers wait.
    pub(super) fn patience(&self) -> u64 {
        (self.scenario.timeout_s * 1e9) as u64
    }
}
