//! Calls that come whatever becomes of the others.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::service::Service;
use super::watch::Watch;
use super::{Make, Tally};
use crate::rng::Rng;
use crate::rule::{Ended, Rule, SEC};
use crate::scenario::Scenario;

/// The rule, and the calls under way.
struct Calls {
    rule: Box<dyn Rule>,
    random: Rng,
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

pub(super) fn play(scenario: &Scenario, make: Make<'_>, seed: u64) -> Vec<Tally> {
    let mut rng = Rng::new(seed);
    let mut calls = Calls {
        rule: make(),
        random: Rng::new(seed ^ 0xABCD_EF01),
        events: BinaryHeap::new(),
        late: HashMap::new(),
        numbers: 0,
    };
    let mut watch = Watch::new();
    let mut began = SEC;
    let mut now = began as f64;
    let mut service = Service::new(scenario, began, &mut rng);
    let mut tallies = Vec::new();
    for phase in &scenario.phases {
        let mut jitter = 1.0;
        if scenario.jitter > 0.0 && !tallies.is_empty() {
            jitter += scenario.jitter * (2.0 * rng.unit() - 1.0);
        }
        let end = began + (phase.s * jitter * 1e9) as u64;
        let gap = 1e9 / (scenario.rps * phase.rps_x.unwrap_or(1.0));
        let mut tally = Tally::default();
        watch.begin();
        loop {
            now += rng.exponential(gap);
            if now >= end as f64 {
                now = end as f64;
                break;
            }
            let at = now as u64;
            calls.until(at);
            let part = (at - began) as f64 / (end - began) as f64;
            let fate = service.fate(phase, part, now, &mut rng);
            let random = calls.random.word();
            let Some(ticket) = calls.rule.admit(at, random) else {
                tally.reject(!fate.bad && fate.took <= service.patience());
                watch.see(true, at, began, &mut tally);
                continue;
            };
            let fate = service.serve(fate, phase, at);
            tally.pass(!fate.bad);
            let is_slow = scenario.slow_ms > 0.0 && fate.took as f64 > scenario.slow_ms * 1e6;
            tally.slow += u64::from(!fate.bad && is_slow);
            watch.see(false, at, began, &mut tally);
            calls.begin(ticket, at, !fate.bad, fate.took);
        }
        tallies.push(tally);
        began = end;
    }
    tallies
}

impl Calls {
    fn begin(&mut self, ticket: u64, now: u64, ok: bool, took: u64) {
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

    /// Tells the rule what has happened until now.
    fn until(&mut self, now: u64) {
        while self.events.peek().is_some_and(|Reverse(it)| it.at <= now) {
            let Some(Reverse(Event { at, number, ticket, what })) = self.events.pop() else {
                return;
            };
            match what {
                What::Ends { ok, took } => {
                    let told = self.late.remove(&number).map_or(0, |it| it.told);
                    let random = self.random.word();
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
