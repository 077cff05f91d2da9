//! Which step comes next: whose, and what it is.

use std::time::Duration;

use host_test_proxy_wasm::{CallToken, StreamId};

use super::{CALLS_AT_ONCE, CheckAnswer, Phase, REQUESTS_TO_REST, World};
use crate::record::{Limits, Record, State};
use crate::rules::Rules;
use crate::service::{Answer, Mood};
use crate::trace::What;

/// After so many rounds in which nobody goes nobody ever will.
const ROUNDS: u32 = 100_000;

/// A step of one worker.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A request comes, for the service of this name: all of it, or its head.
    Request(u64, &'static str, bool),
    /// The last of a request's body comes.
    Complete(u64, StreamId),
    /// The head of an answer comes; with nothing behind it, the stream ends.
    Head(u64, StreamId, Answer),
    /// The stream ends.
    End(u64, StreamId, Answer),
    /// A timer comes.
    Tick,
    /// A health check is answered.
    Check(CallToken, CheckAnswer),
    /// A new configuration comes.
    Configure(Vec<u8>),
    /// The VM dies.
    Kill,
}

impl World {
    /// Whose turn it is, now that this worker has nothing under way; `None`: it is over.
    pub(crate) fn next(&mut self, worker: usize) -> Option<usize> {
        for _ in 0..ROUNDS {
            if self.over {
                return None;
            }
            self.steps += 1;
            self.pass_time();
            self.turn_page();
            let stays = self.can_go(worker) && self.rng.u32(0..3) != 0;
            if stays {
                return Some(worker);
            }
            if let Some(other) = self.other_than(worker) {
                return Some(other);
            }
            if self.can_go(worker) {
                return Some(worker);
            }
            if !self.wake_all() {
                self.wait_or_move_on();
            }
        }
        let stands = format!("the world stands still: {:?}, {:?}", self.phase, self.workers);
        self.hold::<()>(Err(stands));
        None
    }

    /// Wakes those that were left alone, if there are any.
    fn wake_all(&mut self) -> bool {
        let steps = self.steps;
        let mut asleep = self.workers.iter_mut().filter(|state| state.sleeps > steps).peekable();
        let any = asleep.peek().is_some();
        asleep.for_each(|state| state.sleeps = 0);
        any
    }

    /// Another worker that can take a step.
    pub(super) fn other_than(&mut self, worker: usize) -> Option<usize> {
        let awake = |state: &super::WorkerState| state.sleeps <= self.steps || !self.faults();
        let workers = 0..self.workers.len();
        let others = workers.filter(|other| {
            *other != worker && self.can_go(*other) && awake(&self.workers[*other])
        });
        let others: Vec<usize> = others.collect();
        self.rng.choice(others)
    }

    fn can_go(&self, worker: usize) -> bool {
        let state = &self.workers[worker];
        state.midway
            || match self.phase {
                Phase::Traffic(_) | Phase::Recovery(_) if self.is_main(worker) => {
                    state.next_tick.is_some_and(|due| due <= self.now) || self.is_due(worker)
                }
                Phase::Traffic(_) | Phase::Recovery(_) => true,
                Phase::Draining => self.is_due(worker),
                Phase::Rest => state.ticks_left > 0,
                Phase::Change(_) => state.outdated,
            }
    }

    fn is_due(&self, worker: usize) -> bool {
        let flights = self.flights.values().map(|flight| (flight.worker, flight.next_due()));
        let checks = self.checks.iter().map(|check| (check.worker, check.due));
        flights.chain(checks).any(|(of, due)| of == worker && due <= self.now)
    }

    /// Nobody can go: time goes on to what is due next, or all is at rest.
    fn wait_or_move_on(&mut self) {
        let flights = self.flights.values().map(super::Flight::next_due);
        match flights.chain(self.checks.iter().map(|check| check.due)).min() {
            // A call from before has failed late and tripped the breaker, and it is checked anew.
            Some(_) if self.phase == Phase::Rest => self.phase = Phase::Draining,
            Some(due) => self.advance(due.saturating_sub(self.now) + Duration::from_micros(1)),
            None if self.phase == Phase::Draining => {
                self.trace.add(self.now, self.turn, What::Resting);
                for state in &mut self.workers {
                    state.ticks_left = if state.alive { 2 } else { 0 };
                }
                self.phase = Phase::Rest;
            }
            None => {
                if let Phase::Change(rules) = self.phase {
                    self.put_in_force(rules);
                } else {
                    let at_rest = self.check_rest();
                    self.hold(at_rest);
                    self.rests += 1;
                    let may_change = self.setup.faults && self.ill().is_none();
                    if may_change && self.workers.iter().all(|state| state.alive) {
                        self.workers.iter_mut().for_each(|state| state.outdated = true);
                        self.phase = Phase::Change(self.rules.changed(&mut self.rng));
                        return;
                    }
                }
                let left = self.setup.requests.saturating_sub(self.requests);
                self.over |= left == 0;
                self.phase = Phase::Traffic(self.requests + left.min(REQUESTS_TO_REST));
            }
        }
    }

    /// All workers have the new rules: from now on they are what is held against them.
    fn put_in_force(&mut self, rules: Rules) {
        self.trace.add(self.now, self.turn, What::RulesChanged(rules));
        self.rules = rules;
        for site in &mut self.sites {
            site.oracle.rules = rules;
        }
    }

    /// Goes on to the next phase, if this one is over.
    fn turn_page(&mut self) {
        match self.phase {
            Phase::Traffic(until) if self.requests >= until => {
                self.trace.add(self.now, self.turn, What::Recovering);
                self.process.clear_faults();
                self.sites.iter_mut().for_each(|site| site.mood = Mood::Well);
                self.phase = Phase::Recovery(self.now + self.rules.recovery());
            }
            Phase::Recovery(until) => {
                let Some((name, record)) = self.ill() else {
                    self.trace.add(self.now, self.turn, What::Draining);
                    self.phase = Phase::Draining;
                    return;
                };
                if self.now > until {
                    let bound = self.rules.recovery();
                    self.hold::<()>(Err(format!(
                        "{name} was well for {bound:?}, and still: {record:?}"
                    )));
                }
            }
            _ => {}
        }
    }

    /// A service whose breaker is not closed, or has failures to forget.
    fn ill(&self) -> Option<(&'static str, Record)> {
        self.sites.iter().find_map(|site| {
            let record = site.oracle.record();
            let diverts = record.limits.is_some_and(Limits::diverts);
            let well = record.state == State::Closed && record.failures == 0 && !diverts;
            (!well).then_some((site.name, record))
        })
    }

    /// The next step of a worker that has nothing under way.
    pub(crate) fn step(&mut self, worker: usize) -> Step {
        if let Phase::Change(rules) = self.phase {
            self.workers[worker].outdated = false;
            return Step::Configure(rules.configuration("never"));
        }
        let is_main = self.is_main(worker);
        if self.faults() {
            self.strike();
            if self.workers[worker].alive && !is_main && self.rng.u32(0..4_000) == 0 {
                return Step::Kill;
            }
            if self.workers[worker].alive && self.rng.u32(0..1_500) == 0 {
                let expose = self.rng.choice(["always", "fallback", "never"]).unwrap_or("never");
                return Step::Configure(self.rules.configuration(expose));
            }
        }
        let overdue = self.workers[worker].next_tick.is_some_and(|due| due <= self.now);
        if self.phase == Phase::Rest || (overdue && (is_main || self.rng.u32(0..3) == 0)) {
            let left = &mut self.workers[worker].ticks_left;
            *left = left.saturating_sub(1);
            return Step::Tick;
        }
        if let Some(step) = self.due_check(worker).or_else(|| self.due_flight(worker)) {
            return step;
        }
        if is_main || self.flights.len() >= CALLS_AT_ONCE {
            return Step::Tick;
        }
        self.requests += 1;
        let number = usize::from(self.rng.u32(0..4) == 0) % self.sites.len();
        self.workers[worker].site = number;
        let site = &mut self.sites[number];
        if matches!(self.phase, Phase::Traffic(_)) {
            site.change_mood(&mut self.rng);
        }
        let name = site.name;
        let whole = !self.rules.uploads || self.rng.u32(0..10) != 0;
        Step::Request(self.requests, name, whole)
    }

    fn due_check(&mut self, worker: usize) -> Option<Step> {
        let now = self.now;
        let is_due = |check: &super::Check| check.worker == worker && check.due <= now;
        let at = self.checks.iter().position(is_due)?;
        let check = self.checks.swap_remove(at);
        let state = &mut self.workers[worker];
        state.site = check.site;
        state.healthy = (check.answer == CheckAnswer::Healthy).then_some(check.generation);
        Some(Step::Check(check.token, check.answer))
    }

    fn due_flight(&mut self, worker: usize) -> Option<Step> {
        let mut flights = self.flights.iter();
        let (id, flight) = flights.find(|(_, f)| f.worker == worker && f.next_due() <= self.now)?;
        self.workers[worker].site = flight.site;
        if flight.body_due.is_some() {
            return Some(Step::Complete(*id, flight.stream));
        }
        Some(match flight.head_sent || flight.answer.status().is_none() {
            true => Step::End(*id, flight.stream, flight.answer),
            false => Step::Head(*id, flight.stream, flight.answer),
        })
    }

    /// Faults that are nobody's step.
    fn strike(&mut self) {
        match self.rng.u32(0..60_000) {
            0..10 => {
                let races = self.rng.u64(1..100);
                self.process.lose_races(races);
                self.trace.add(self.now, self.turn, What::RacesLost(races));
            }
            10..13 => {
                let by = self.rng.u64(100..600_000);
                self.advance(Duration::from_millis(by));
                self.trace.add(self.now, self.turn, What::ClockJumped(by));
            }
            13..19 => {
                let to = self.rng.u64(1_000_000_000..2_000_000_000);
                self.process.set_wall(Duration::from_secs(to));
                self.trace.add(self.now, self.turn, What::WallSet(to));
            }
            19..23 => {
                let steps = self.rng.u64(10..300);
                self.store_down = self.steps + steps;
                self.trace.add(self.now, self.turn, What::StoreDown(steps));
            }
            _ => {}
        }
    }

    /// Some time passes.
    pub(super) fn pass_time(&mut self) {
        let most = match self.phase {
            Phase::Traffic(_) => 400,
            Phase::Recovery(_) => 2_000,
            Phase::Draining | Phase::Rest | Phase::Change(_) => 100,
        };
        let by = Duration::from_micros(self.rng.u64(0..most));
        self.advance(by);
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.process.advance(by);
    }
}
