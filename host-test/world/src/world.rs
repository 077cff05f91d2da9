//! The world between the steps: who is to go next, and with what.
//!
//! All that is random comes from one generator, and only the worker whose turn it is asks it. So
//! a seed is a schedule.

mod rest;
mod steps;

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use wasm_host::{Call, CallToken, Process, StreamId};

use crate::Setup;
use crate::defect::Defect;
use crate::oracle::{Grant, Oracle};
use crate::record::Record;
use crate::rules::Rules;
use crate::service::{Answer, Mood};
use crate::trace::{Doing, Trace, What};

pub(crate) use steps::Step;

/// The key of the record.
const KEY: &[u8] = b"edge-breaker/v1/payment";
/// Host calls by which a worker meets others.
const GET: &str = "proxy_get_shared_data";
const SET: &str = "proxy_set_shared_data";
/// How many calls are under way at most.
const CALLS_AT_ONCE: usize = 40;
/// How many requests come between two times of rest.
const REQUESTS_TO_REST: u64 = 10_000;

/// The world.
pub(crate) struct World {
    pub(crate) rules: Rules,
    pub(crate) process: Process,
    pub(crate) oracle: Oracle,
    pub(crate) trace: Trace,
    /// Whose turn it is.
    pub(crate) turn: usize,
    /// Whether it is over, well or not.
    pub(crate) over: bool,
    pub(crate) failure: Option<String>,
    pub(crate) now: Duration,
    pub(crate) requests: u64,
    pub(crate) rests: u64,
    rng: Rng,
    setup: Setup,
    seats: Vec<Seat>,
    phase: Phase,
    mood: Mood,
    mood_lasts: u32,
    flights: BTreeMap<u64, Flight>,
    checks: Vec<Check>,
    steps: u64,
    /// The bytes of the record that stands.
    bytes: Vec<u8>,
    /// The bytes of the generation before.
    stale: Vec<u8>,
    /// Whether those stand in the store for the length of a host call.
    swapped: bool,
    logged: u64,
}

/// What there is to know of a worker.
#[derive(Clone, Copy, Debug, Default)]
struct Seat {
    /// The host call that it is about to make, or has made.
    call: Option<&'static str>,
    /// Whether it is in the middle of a callback.
    midway: bool,
    /// Until which step it is left alone.
    sleeps: u64,
    next_tick: Option<Duration>,
    ticks_left: u32,
    alive: bool,
}

/// What the world is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Requests come, and faults, until so many have come.
    Traffic(u64),
    /// The service is well, and the breaker has until then to close.
    Recovery(Duration),
    /// No more requests come, those under way end.
    Draining,
    /// Each worker ticks, so that the gauges agree.
    Rest,
}

/// An admitted call that is under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    worker: usize,
    stream: StreamId,
    grant: Grant,
    answer: Answer,
    due: Duration,
    head_sent: bool,
}

/// A health check that is under way.
#[derive(Clone, Copy, Debug)]
struct Check {
    worker: usize,
    token: CallToken,
    generation: u64,
    due: Duration,
    answer: CheckAnswer,
}

/// What becomes of a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckAnswer {
    Healthy,
    Unhealthy,
    Reset,
    Lost,
}

impl World {
    pub(crate) fn new(setup: Setup, process: Process) -> Result<Self, String> {
        let bytes = process.shared_data("", KEY).map(|(bytes, _)| bytes).unwrap_or_default();
        let record = if bytes.is_empty() { Record::ABSENT } else { Record::read(&bytes)? };
        let seat = Seat { alive: true, ..Seat::default() };
        Ok(Self {
            rules: setup.rules,
            oracle: Oracle::new(setup.rules, setup.workers, record),
            trace: Trace::new(),
            turn: 0,
            over: false,
            failure: None,
            now: process.monotonic(),
            process,
            requests: 0,
            rests: 0,
            rng: Rng::with_seed(setup.seed),
            setup,
            seats: vec![seat; setup.workers],
            phase: Phase::Traffic(REQUESTS_TO_REST.min(setup.requests)),
            mood: Mood::Usual,
            mood_lasts: 200,
            flights: BTreeMap::new(),
            checks: Vec::new(),
            steps: 0,
            stale: bytes.clone(),
            bytes,
            swapped: false,
            logged: 0,
        })
    }

    /// Notes what was found, and ends the world if it is a fault.
    pub(crate) fn hold<T>(&mut self, found: Result<T, String>) -> Option<T> {
        match found {
            Ok(value) => Some(value),
            Err(problem) => {
                self.failure.get_or_insert(problem);
                self.trace.end();
                self.over = true;
                None
            }
        }
    }

    // --- Host calls ----------------------------------------------------------------------------

    /// A worker is about to call the host. Gives whose turn it is now.
    pub(crate) fn hostcall(&mut self, worker: usize, name: &'static str) -> usize {
        self.see_write(worker);
        self.trace.add(self.now, worker, What::Hostcall(name));
        self.seats[worker].call = Some(name);
        let chance = match name {
            SET => 0.25,
            GET => 0.08,
            _ => 0.01,
        };
        if self.over || self.rng.f64() >= chance {
            return worker;
        }
        self.pass_time();
        if self.rng.u32(0..30) == 0 {
            self.seats[worker].sleeps = self.steps + self.rng.u64(0..400);
        }
        self.other_than(worker).unwrap_or(worker)
    }

    /// The host call is made now: no other worker comes between.
    pub(crate) fn before_call(&mut self, worker: usize) {
        if self.seats[worker].call == Some(GET)
            && self.setup.defect == Some(Defect::StaleRead)
            && self.rng.u32(0..10) == 0
        {
            self.store(&self.stale);
            self.swapped = true;
        }
    }

    fn store(&self, bytes: &[u8]) {
        let _ = self.process.set_shared_data("", KEY, bytes, 0);
    }

    /// Looks at what the last host call of a worker has done.
    fn see_write(&mut self, worker: usize) {
        let call = self.seats[worker].call.take();
        if self.swapped {
            self.store(&self.bytes);
            self.swapped = false;
        }
        if call != Some(SET) {
            return;
        }
        self.oracle.attempted(worker);
        let Some((bytes, _)) = self.process.shared_data("", KEY) else {
            return;
        };
        if bytes == self.bytes {
            return;
        }
        let bytes = self.spoiled(bytes);
        if bytes == self.bytes {
            return;
        }
        let written = Record::read(&bytes).and_then(|record| {
            self.trace.add(self.now, worker, What::Written(record));
            if record.generation != self.oracle.record().generation {
                self.stale.clone_from(&self.bytes);
            }
            self.oracle.wrote(worker, record, self.now)
        });
        self.bytes = bytes;
        self.hold(written);
    }

    /// What the store makes of a write, if it has a defect.
    fn spoiled(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let Some(defect) = self.setup.defect else {
            return bytes;
        };
        let spoiled = defect.spoil(&self.bytes, &bytes, &mut self.rng);
        if spoiled != bytes {
            self.store(&spoiled);
        }
        spoiled
    }

    // --- Callbacks -----------------------------------------------------------------------------

    /// A callback begins.
    pub(crate) fn begin(&mut self, worker: usize, doing: Doing) {
        self.trace.add(self.now, worker, What::Begins(doing));
        self.seats[worker].midway = true;
        let grant = match doing {
            Doing::Head(id, _) | Doing::End(id, _) => self.flights.get(&id).map(|f| f.grant),
            _ => None,
        };
        self.oracle.begin(worker, doing, grant, self.now);
    }

    /// A callback has returned.
    pub(crate) fn returned(&mut self, worker: usize) {
        self.see_write(worker);
        self.seats[worker].midway = false;
    }

    pub(crate) fn admitted(&mut self, worker: usize, id: u64, stream: StreamId) {
        self.trace.add(self.now, worker, What::Admitted(id));
        let granted = self.oracle.admitted(worker, id, self.now);
        let Some(grant) = self.hold(granted) else {
            return;
        };
        let answer = self.mood.answer(&mut self.rng);
        let due = self.now + answer.latency(&mut self.rng);
        let flight = Flight { worker, stream, grant, answer, due, head_sent: false };
        self.flights.insert(id, flight);
    }

    pub(crate) fn diverted(&mut self, worker: usize, id: u64) {
        self.trace.add(self.now, worker, What::Diverted(id));
        let diverted = self.oracle.diverted(worker);
        self.hold(diverted);
    }

    pub(crate) fn refused(&mut self, worker: usize, id: u64) {
        self.trace.add(self.now, worker, What::Refused(id));
        let ended = self.oracle.ended(worker);
        self.hold(ended);
    }

    pub(crate) fn ended(&mut self, worker: usize) {
        let ended = self.oracle.ended(worker);
        self.hold(ended);
    }

    /// The head of an answer has passed.
    pub(crate) fn head_passed(&mut self, worker: usize, id: u64) {
        let Some(flight) = self.flights.get_mut(&id) else {
            return self.ended(worker);
        };
        flight.head_sent = true;
        let Flight { grant, answer, .. } = *flight;
        if answer.is_in_parts() {
            flight.due = self.now + Duration::from_micros(self.rng.u64(100..20_000));
        }
        let found = match answer.fails_at_head() {
            true => self.oracle.settled(worker, grant, answer, self.now),
            false => self.no_write(worker),
        };
        self.hold(found);
    }

    /// A stream has ended.
    pub(crate) fn stream_ended(&mut self, worker: usize, id: u64) {
        let Some(flight) = self.flights.remove(&id) else {
            return self.ended(worker);
        };
        let Flight { grant, answer, .. } = flight;
        let found = match answer.fails_at_head() {
            true => self.no_write(worker),
            false => self.oracle.settled(worker, grant, answer, self.now),
        };
        self.hold(found);
    }

    fn no_write(&mut self, worker: usize) -> Result<(), String> {
        self.oracle.ended_without_write(worker)
    }

    /// A timer has come, and calls may have been made.
    pub(crate) fn ticked(&mut self, worker: usize, calls: &[Call], next: Option<Duration>) {
        for call in calls {
            self.trace.add(self.now, worker, What::CheckSent);
            let sent = self.oracle.check_sent(worker, self.now);
            let Some(generation) = self.hold(sent) else {
                return;
            };
            self.send_check(worker, call, generation);
        }
        self.seats[worker].next_tick = next;
        self.ended(worker);
    }

    fn send_check(&mut self, worker: usize, call: &Call, generation: u64) {
        let lost = self.faults() && self.rng.u32(0..15) == 0;
        let answer = match (lost, self.mood.is_healthy(&mut self.rng)) {
            (true, _) => CheckAnswer::Lost,
            (false, true) => CheckAnswer::Healthy,
            (false, false) if self.rng.u32(0..4) == 0 => CheckAnswer::Reset,
            (false, false) => CheckAnswer::Unhealthy,
        };
        let timeout = call.timeout.unwrap_or(Duration::from_secs(1));
        let most = u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX).max(2);
        let due = self.now + Duration::from_micros(self.rng.u64(1..most));
        let token = call.token;
        self.checks.push(Check { worker, token, generation, due, answer });
    }

    /// A worker's VM was killed.
    pub(crate) fn killed(&mut self, worker: usize) {
        self.trace.add(self.now, worker, What::Killed);
        self.flights.retain(|_, flight| flight.worker != worker);
        self.checks.retain(|check| check.worker != worker);
        self.seats[worker].alive = false;
        self.seats[worker].next_tick = None;
    }

    /// The worker has a VM, and that is when it wants to tick.
    pub(crate) fn alive(&mut self, worker: usize, next_tick: Option<Duration>) {
        self.seats[worker].alive = true;
        self.seats[worker].next_tick = next_tick;
    }

    const fn faults(&self) -> bool {
        self.setup.faults && matches!(self.phase, Phase::Traffic(_))
    }

    /// What has been simulated.
    pub(crate) fn report(&self) -> crate::Report {
        let tally = self.oracle.tally;
        crate::Report {
            requests: self.requests,
            trace: self.trace.hash(),
            virtual_time: self.now,
            generation: self.oracle.record().generation,
            admitted: tally.outcomes.iter().sum(),
            diverted: tally.diverted,
            trials: tally.trials,
            late: tally.late,
            writes: tally.writes,
            rests: self.rests,
        }
    }
}
