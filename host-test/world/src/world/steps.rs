//! Which step comes next: whose, and what it is.

use std::time::Duration;

use wasm_host::{CallToken, StreamId};

use super::{CALLS_AT_ONCE, CheckAnswer, Phase, REQUESTS_TO_REST, World};
use crate::record::State;
use crate::service::{Answer, Mood};
use crate::trace::What;

/// A step of one worker.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A request comes.
    Request(u64),
    /// The head of an answer comes; with nothing behind it, the stream ends.
    Head(u64, StreamId, Answer),
    /// The stream ends.
    End(u64, StreamId, Answer),
    /// A timer comes.
    Tick,
    /// A health check is answered.
    Check(CallToken, CheckAnswer),
    /// The VM dies.
    Kill,
}

impl World {
    /// Whose turn it is, now that this worker has nothing under way; `None`: it is over.
    pub(crate) fn next(&mut self, worker: usize) -> Option<usize> {
        loop {
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
            self.wait_or_move_on();
        }
    }

    /// Another worker that can take a step.
    pub(super) fn other_than(&mut self, worker: usize) -> Option<usize> {
        let awake = |seat: &super::Seat| seat.sleeps <= self.steps || !self.faults();
        let workers = 0..self.seats.len();
        let others = workers
            .filter(|other| *other != worker && self.can_go(*other) && awake(&self.seats[*other]));
        let others: Vec<usize> = others.collect();
        self.rng.choice(others)
    }

    fn can_go(&self, worker: usize) -> bool {
        let seat = &self.seats[worker];
        seat.midway
            || match self.phase {
                Phase::Traffic(_) | Phase::Recovery(_) => true,
                Phase::Draining => self.is_due(worker),
                Phase::Rest => seat.ticks_left > 0,
            }
    }

    fn is_due(&self, worker: usize) -> bool {
        let flights = self.flights.values().map(|flight| (flight.worker, flight.due));
        let checks = self.checks.iter().map(|check| (check.worker, check.due));
        flights.chain(checks).any(|(of, due)| of == worker && due <= self.now)
    }

    /// Nobody can go: time goes on to what is due next, or all is at rest.
    fn wait_or_move_on(&mut self) {
        let flights = self.flights.values().map(|flight| flight.due);
        match flights.chain(self.checks.iter().map(|check| check.due)).min() {
            Some(due) => self.advance(due.saturating_sub(self.now) + Duration::from_micros(1)),
            None if self.phase == Phase::Draining => {
                self.trace.add(self.now, self.turn, What::Resting);
                for seat in &mut self.seats {
                    seat.ticks_left = if seat.alive { 2 } else { 0 };
                }
                self.phase = Phase::Rest;
            }
            None => {
                let at_rest = self.check_rest();
                self.hold(at_rest);
                self.rests += 1;
                let left = self.setup.requests.saturating_sub(self.requests);
                self.over |= left == 0;
                self.phase = Phase::Traffic(self.requests + left.min(REQUESTS_TO_REST));
            }
        }
    }

    /// Goes on to the next phase, if this one is over.
    fn turn_page(&mut self) {
        match self.phase {
            Phase::Traffic(until) if self.requests >= until => {
                self.trace.add(self.now, self.turn, What::Recovering);
                self.process.clear_faults();
                self.mood = Mood::Well;
                self.phase = Phase::Recovery(self.now + self.rules.recovery());
            }
            Phase::Recovery(until) => {
                let record = self.oracle.record();
                if record.state == State::Closed && record.failures == 0 {
                    self.trace.add(self.now, self.turn, What::Draining);
                    self.phase = Phase::Draining;
                } else if self.now > until {
                    let bound = self.rules.recovery();
                    self.hold::<()>(Err(format!(
                        "the service was well for {bound:?}, and still: {record:?}"
                    )));
                }
            }
            _ => {}
        }
    }

    /// The next step of a worker that has nothing under way.
    pub(crate) fn step(&mut self, worker: usize) -> Step {
        if self.faults() {
            self.strike();
            if self.seats[worker].alive && self.rng.u32(0..4_000) == 0 {
                return Step::Kill;
            }
        }
        let overdue = self.seats[worker].next_tick.is_some_and(|due| due <= self.now);
        if self.phase == Phase::Rest || (overdue && self.rng.u32(0..3) == 0) {
            let left = &mut self.seats[worker].ticks_left;
            *left = left.saturating_sub(1);
            return Step::Tick;
        }
        if let Some(step) = self.due_check(worker).or_else(|| self.due_flight(worker)) {
            return step;
        }
        if self.flights.len() >= CALLS_AT_ONCE {
            return Step::Tick;
        }
        self.requests += 1;
        self.change_mood();
        Step::Request(self.requests)
    }

    fn due_check(&mut self, worker: usize) -> Option<Step> {
        let now = self.now;
        let is_due = |check: &super::Check| check.worker == worker && check.due <= now;
        let at = self.checks.iter().position(is_due)?;
        let check = self.checks.swap_remove(at);
        if check.answer == CheckAnswer::Healthy {
            self.oracle.healthy(check.generation);
        }
        Some(Step::Check(check.token, check.answer))
    }

    fn due_flight(&self, worker: usize) -> Option<Step> {
        let mut flights = self.flights.iter();
        let (id, flight) = flights.find(|(_, f)| f.worker == worker && f.due <= self.now)?;
        Some(match flight.head_sent || flight.answer.status().is_none() {
            true => Step::End(*id, flight.stream, flight.answer),
            false => Step::Head(*id, flight.stream, flight.answer),
        })
    }

    fn change_mood(&mut self) {
        if !matches!(self.phase, Phase::Traffic(_)) {
            return;
        }
        self.mood_lasts = self.mood_lasts.saturating_sub(1);
        if self.mood_lasts == 0 {
            self.mood = Mood::random(&mut self.rng);
            self.mood_lasts = self.rng.u32(20..400);
        }
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
            _ => {}
        }
    }

    /// Some time passes.
    pub(super) fn pass_time(&mut self) {
        let most = match self.phase {
            Phase::Traffic(_) => 400,
            Phase::Recovery(_) => 2_000,
            Phase::Draining | Phase::Rest => 100,
        };
        let by = Duration::from_micros(self.rng.u64(0..most));
        self.advance(by);
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.process.advance(by);
    }
}
