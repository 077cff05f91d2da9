//! Semian, classic: so many errors within 20 s open it. 15 s after the last error all calls pass,
//! and two good ones close it.

use std::collections::VecDeque;

use rules::{Ended, Rule, SEC};

const WITHIN: u64 = 20 * SEC;
const WAIT: u64 = 15 * SEC;
const SUCCESSES: u32 = 2;

#[derive(PartialEq, Eq)]
enum State {
    Closed,
    Open,
    HalfOpen { good: u32 },
}

pub(crate) struct Semian {
    errors: VecDeque<u64>,
    limit: usize,
    state: State,
}

impl Semian {
    pub(crate) fn new(limit: usize) -> Self {
        Self { errors: VecDeque::new(), limit, state: State::Closed }
    }
}

impl Rule for Semian {
    fn admit(&mut self, now: u64, _: u32) -> Option<u64> {
        let last = self.errors.back();
        if self.state == State::Open && last.is_some_and(|at| at + WAIT < now) {
            self.state = State::HalfOpen { good: 0 };
        }
        (self.state != State::Open).then_some(0)
    }

    fn settle(&mut self, call: Ended, now: u64, _: u32) {
        if call.ok {
            if let State::HalfOpen { good } = &mut self.state {
                *good += 1;
                if *good >= SUCCESSES {
                    self.state = State::Closed;
                    self.errors.clear();
                }
            }
            return;
        }
        self.errors.retain(|at| at + WITHIN >= now);
        if self.errors.len() == self.limit {
            self.errors.pop_front();
        }
        self.errors.push_back(now);
        let opens = match self.state {
            State::Closed => self.errors.len() == self.limit,
            State::HalfOpen { .. } => true,
            State::Open => false,
        };
        if opens {
            self.state = State::Open;
        }
    }
}
