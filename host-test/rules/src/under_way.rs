//! Calls under way, and when a rule is told of them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::rule::{Ended, Rule};

/// A rule, and the calls that it has admitted.
pub struct UnderWay<R> {
    rule: Box<dyn Rule>,
    random: R,
    events: BinaryHeap<Reverse<Event>>,
    /// Calls that will be overdue, by their number.
    late: HashMap<u64, Late>,
    numbers: u64,
}

/// What happens to a call, and when; of those at the same time, the one that was known first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: u64,
    number: u64,
    ticket: u64,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Ends {
        ok: bool,
        took: u64,
    },
    /// The call of this number has been under way for long, so often.
    Overdue {
        call: u64,
        stage: u8,
    },
}

struct Late {
    began: u64,
    ends: u64,
    told: u8,
}

impl<R: FnMut() -> u32> UnderWay<R> {
    /// A rule of which no calls are under way. `random` gives words that are uniform over all
    /// their values.
    pub fn new(rule: Box<dyn Rule>, random: R) -> Self {
        let (events, late) = (BinaryHeap::new(), HashMap::new());
        Self { rule, random, events, late, numbers: 0 }
    }

    /// Admits a call, or not. `until` is to be called with the same time before.
    pub fn admit(&mut self, now: u64) -> Option<u64> {
        self.rule.admit(now, (self.random)())
    }

    /// An admitted call begins, with what is to become of it.
    pub fn begin(&mut self, ticket: u64, now: u64, ok: bool, took: u64) {
        let call = self.happens(now + took, ticket, What::Ends { ok, took });
        if let Some(patience) = self.rule.patience(0).filter(|it| took > *it) {
            self.late.insert(call, Late { began: now, ends: now + took, told: 0 });
            self.happens(now + patience, ticket, What::Overdue { call, stage: 0 });
        }
    }

    /// The answer is the event's number.
    fn happens(&mut self, at: u64, ticket: u64, what: What) -> u64 {
        self.numbers += 1;
        self.events.push(Reverse(Event { at, number: self.numbers, ticket, what }));
        self.numbers
    }

    /// How often the rule has opened or closed, if that is counted.
    pub fn transitions(&self) -> Option<u64> {
        self.rule.transitions()
    }

    /// Tells the rule what has happened until now.
    pub fn until(&mut self, now: u64) {
        while self.events.peek().is_some_and(|Reverse(it)| it.at <= now) {
            let Some(Reverse(Event { at, number, ticket, what })) = self.events.pop() else {
                return;
            };
            match what {
                What::Ends { ok, took } => {
                    let told = self.late.remove(&number).map_or(0, |it| it.told);
                    let random = (self.random)();
                    self.rule.settle(Ended { ticket, ok, took, told }, at, random);
                }
                What::Overdue { call, stage } => self.overdue(ticket, call, stage, at),
            }
        }
    }

    fn overdue(&mut self, ticket: u64, call: u64, mut stage: u8, at: u64) {
        let Some(late) = self.late.get_mut(&call) else { return };
        // What is overdue may have come to be longer since the call began.
        if self.rule.patience(stage).is_some_and(|it| late.began + it <= at) {
            self.rule.overdue(ticket, stage, at);
            stage += 1;
            late.told = stage;
        }
        let patience = self.rule.patience(stage).filter(|_| stage < 2);
        let next = patience.map(|it| (late.began + it).max(at + 1));
        if let Some(next) = next.filter(|it| *it < late.ends) {
            self.happens(next, ticket, What::Overdue { call, stage });
        }
    }
}
