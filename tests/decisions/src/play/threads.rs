//! Callers that wait for their answers, as threads of a web server do.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rules::{Ended, Rule, SEC};

use super::endpoints::Endpoints;
use super::watch::Watch;
use super::{Make, Tally};
use crate::rng::Rng;
use crate::scenario::{Guarded, Phase, Scenario};

/// After a rejection a caller is free so soon.
const AGAIN: u64 = 100_000;

struct World<'a> {
    scenario: &'a Scenario,
    rng: Rng,
    random: Rng,
    rules: Vec<Box<dyn Rule>>,
    endpoints: Endpoints,
    events: BinaryHeap<Reverse<Event>>,
    numbers: u64,
    /// Calls that come at a steady pace: how many have come.
    came: u64,
    /// Whether each caller has a call to make.
    pending: Vec<bool>,
    /// Calls that each service works on at once, and those that wait for it.
    permits: Vec<usize>,
    queues: Vec<VecDeque<Call>>,
    watch: Watch,
    /// When each phase begins.
    begins: Vec<u64>,
    tallies: Vec<Tally>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: u64,
    number: u64,
    what: What,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Free {
        thread: usize,
    },
    Ends {
        call: Call,
        ok: bool,
        worked: bool,
    },
    /// The call has waited for long enough.
    Waited {
        service: usize,
        number: u64,
    },
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    number: u64,
    thread: usize,
    service: usize,
    endpoint: usize,
    ticket: u64,
    since: u64,
}

pub(super) fn play(scenario: &Scenario, make: Make<'_>, seed: u64) -> Vec<Tally> {
    let mut rng = Rng::new(seed);
    let each = match scenario.breaker_per {
        Guarded::Thread => scenario.threads,
        Guarded::Service => 1,
    };
    let rules = (0..scenario.services * each).map(|_| make()).collect();
    let endpoints = Endpoints::new(scenario.services, &mut rng);
    let mut sum = 1.0;
    let begins = scenario.phases.iter().map(|phase| {
        let begin = (sum * 1e9) as u64;
        sum += phase.s;
        begin
    });
    let begins: Vec<_> = begins.collect();
    let mut world = World {
        scenario,
        rng,
        random: Rng::new(seed ^ 0xABCD_EF01),
        rules,
        endpoints,
        events: BinaryHeap::new(),
        numbers: 0,
        came: 0,
        pending: vec![false; scenario.threads],
        permits: vec![scenario.permits; scenario.services],
        queues: vec![VecDeque::new(); scenario.services],
        watch: Watch::new(),
        begins,
        tallies: vec![Tally::default(); scenario.phases.len()],
    };
    for thread in 0..scenario.threads {
        world.happens(SEC + thread as u64, What::Free { thread });
    }
    world.run((sum * 1e9) as u64);
    world.tallies
}

impl World<'_> {
    fn happens(&mut self, at: u64, what: What) {
        self.numbers += 1;
        self.events.push(Reverse(Event { at, number: self.numbers, what }));
    }

    fn run(&mut self, end: u64) {
        let mut before = None;
        while let Some(Reverse(Event { at: now, what, .. })) = self.events.pop() {
            if now >= end {
                continue;
            }
            let index = self.begins.iter().rposition(|begin| *begin <= now).unwrap_or(0);
            let phase = &self.scenario.phases[index];
            if before != Some(index) {
                before = Some(index);
                self.endpoints.begin(phase, &mut self.rng);
            }
            match what {
                What::Free { thread } if !self.pending[thread] => self.take(thread, now),
                What::Free { thread } => self.call(thread, index, now),
                What::Ends { call, ok, worked } => self.end(&call, ok, worked, index, now),
                What::Waited { service, number } => self.give_up(service, number, now),
            }
        }
    }

    /// A free caller takes the next call that is not too old, and waits for it if it has not come.
    fn take(&mut self, thread: usize, now: u64) {
        let gap = 1e9 / self.scenario.rps;
        self.pending[thread] = true;
        loop {
            let at = SEC + (self.came as f64 * gap) as u64;
            self.came += 1;
            if at > now || at / SEC + 1 >= now / SEC {
                return self.happens(at.max(now), What::Free { thread });
            }
        }
    }

    fn call(&mut self, thread: usize, index: usize, now: u64) {
        let (scenario, phase) = (self.scenario, &self.scenario.phases[index]);
        self.pending[thread] = false;
        let services = scenario.services;
        let service = if services > 1 { self.rng.below(services) } else { 0 };
        let endpoint = Endpoints::any(&mut self.rng);
        let random = self.random.word();
        let rule = self.rule(service, thread);
        let admitted = self.rules[rule].admit(now, random);
        let tally = &mut self.tallies[index];
        self.watch.see(admitted.is_none(), now, self.begins[index], tally);
        let Some(ticket) = admitted else {
            let place = [service, endpoint];
            let good = self.endpoints.would_serve(scenario, phase, place, &mut self.rng);
            tally.reject(good);
            return self.happens(now + AGAIN, What::Free { thread });
        };
        let mut call = Call { number: 0, thread, service, endpoint, ticket, since: now };
        if scenario.permits == 0 {
            self.work(call, phase, now);
        } else if self.permits[service] > 0 {
            self.permits[service] -= 1;
            self.work(call, phase, now);
        } else {
            self.numbers += 1;
            call.number = self.numbers;
            let number = call.number;
            self.queues[service].push_back(call);
            self.happens(now + SEC, What::Waited { service, number });
        }
    }

    fn work(&mut self, call: Call, phase: &Phase, now: u64) {
        let place = [call.service, call.endpoint];
        let fate = self.endpoints.serve(self.scenario, phase, place, &mut self.rng);
        let worked = self.scenario.permits > 0;
        self.happens(now + fate.took, What::Ends { call, ok: fate.ok, worked });
    }

    fn give_up(&mut self, service: usize, number: u64, now: u64) {
        let queue = &mut self.queues[service];
        let waiting = queue.iter().position(|call| call.number == number);
        if let Some(call) = waiting.and_then(|at| queue.remove(at)) {
            self.happens(now, What::Ends { call, ok: false, worked: false });
        }
    }

    fn end(&mut self, call: &Call, ok: bool, worked: bool, index: usize, now: u64) {
        let rule = self.rule(call.service, call.thread);
        let ended = Ended { ticket: call.ticket, ok, took: now - call.since, told: 0 };
        let random = self.random.word();
        self.rules[rule].settle(ended, now, random);
        self.tallies[index].pass(ok);
        if worked {
            match self.queues[call.service].pop_front() {
                Some(next) => self.work(next, &self.scenario.phases[index], now),
                None => self.permits[call.service] += 1,
            }
        }
        self.happens(now, What::Free { thread: call.thread });
    }

    fn rule(&self, service: usize, thread: usize) -> usize {
        match self.scenario.breaker_per {
            Guarded::Thread => service * self.scenario.threads + thread,
            Guarded::Service => service,
        }
    }
}
