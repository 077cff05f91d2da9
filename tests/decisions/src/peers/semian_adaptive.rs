//! Semian, adaptive: a PID controller that moves the share of rejected calls once a second. kp 1,
//! ki 0.2, kd 0, a window of 10 s and at most so many calls of each kind, a first guess of 5 % for
//! the ideal error rate, a dead zone of 25 %, and nothing above 10 % learned.

use std::collections::VecDeque;

use rules::{Ended, Rule, SEC};

use crate::rng::unit;

const WINDOW: u64 = 10 * SEC;

/// Seconds in which the ideal rate is learned quickly.
const EARLY: u32 = 1800;

pub(crate) struct SemianAdaptive {
    errors: VecDeque<u64>,
    successes: VecDeque<u64>,
    /// Calls of a kind that the window holds at most.
    most: usize,
    next: u64,
    rejected: f64,
    integral: f64,
    ideal: f64,
    seconds: u32,
}

impl SemianAdaptive {
    /// The original's window holds 2,000 calls of a kind, meant for one thread.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            errors: VecDeque::new(),
            successes: VecDeque::new(),
            most,
            next: 0,
            rejected: 0.0,
            integral: 0.0,
            ideal: 0.05,
            seconds: 0,
        }
    }

    fn catch_up(&mut self, now: u64) {
        if self.next == 0 {
            self.next = now + SEC;
        }
        while self.next <= now {
            let from = self.next.saturating_sub(WINDOW);
            self.next += SEC;
            for list in [&mut self.errors, &mut self.successes] {
                while list.front().is_some_and(|at| *at < from) {
                    list.pop_front();
                }
            }
            self.control();
        }
    }

    fn control(&mut self) {
        let (errors, successes) = (self.errors.len() as f64, self.successes.len() as f64);
        let all = errors + successes;
        let observed = if all == 0.0 { 0.0 } else { errors / all };
        if observed <= 0.1 {
            self.seconds += 1;
            let factor = match (observed > self.ideal, self.seconds < EARLY) {
                (true, true) => 0.0017,
                (false, true) => 0.078,
                (true, false) => 0.0009,
                (false, false) => 0.039,
            };
            self.ideal += factor * (observed - self.ideal);
        }
        let above = observed - self.ideal;
        let above = if above > 0.0 && above <= self.ideal * 0.25 { 0.0 } else { above };
        let error = above - (1.0 - above) * self.rejected;
        self.integral += error;
        self.rejected = (self.rejected + error + 0.2 * self.integral).clamp(0.0, 1.0);
        self.integral = self.integral.clamp(-10.0, 10.0);
    }
}

impl Rule for SemianAdaptive {
    fn admit(&mut self, now: u64, random: u32) -> Option<u64> {
        self.catch_up(now);
        (unit(random) >= self.rejected).then_some(0)
    }

    fn settle(&mut self, call: Ended, now: u64, _: u32) {
        self.catch_up(now);
        let list = if call.ok { &mut self.successes } else { &mut self.errors };
        if list.len() >= self.most {
            list.pop_front();
        }
        list.push_back(now);
    }
}
