//! The world between the steps: who is to go next, and with what.
//!
//! All that is random comes from one generator, and only the worker whose turn it is asks it. So
//! a seed is a schedule.

mod rest;
mod site;
mod steps;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use fastrand::Rng;
use host_test_proxy_wasm::{Call, CallToken, Process, Status, StreamId};

use crate::Setup;
use crate::defect::Defect;
use crate::oracle::Grant;
use crate::record::Record;
use crate::rules::Rules;
use crate::service::Answer;
use crate::trace::{Doing, Trace, What};

use site::Site;
pub(crate) use steps::Step;

/// After so many attempts an update is given up, which the module counts and says.
const ATTEMPTS: u32 = 64;
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
    workers: Vec<WorkerState>,
    phase: Phase,
    sites: Vec<Site>,
    flights: BTreeMap<u64, Flight>,
    checks: Vec<Check>,
    steps: u64,
    /// Whether stale records stand in the store for the length of a host call.
    swapped: bool,
    /// Until which step the store cannot be used.
    store_down: u64,
    /// Updates that were given up, and those that may have been.
    lost_updates: u64,
    maybe_lost: u64,
    died_midway: u64,
    updates: u64,
}

/// What there is to know of a worker.
#[derive(Clone, Copy, Debug, Default)]
struct WorkerState {
    /// The host call that it is about to make, or has made.
    call: Option<&'static str>,
    /// Whether it is in the middle of a callback.
    midway: bool,
    /// Until which step it is left alone.
    sleeps: u64,
    next_tick: Option<Duration>,
    ticks_left: u32,
    alive: bool,
    /// Whether it is to get the new rules.
    outdated: bool,
    /// Whether it dies in the callback at hand.
    dying: bool,
    /// The service that its callback is about.
    site: usize,
    /// The period of the health check that is being answered well.
    healthy: Option<u64>,
    /// Writes that were tried in vain since the last that was not, by the update at hand.
    attempts: u32,
    /// Whether the last it did with the store was to read.
    has_read: bool,
    /// Updates that were given up in this callback, as races were lost.
    lost: u64,
    /// Calls of the store that failed in this callback.
    failed: u64,
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
    /// Each worker gets the new rules.
    Change(Rules),
}

/// An admitted call that is under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    worker: usize,
    site: usize,
    stream: StreamId,
    grant: Grant,
    answer: Answer,
    /// When the last of its request comes; `None`: it has, or never will.
    body_due: Option<Duration>,
    due: Duration,
    head_sent: bool,
}

impl Flight {
    /// When something happens to it next.
    fn next_due(&self) -> Duration {
        self.body_due.unwrap_or(self.due)
    }
}

/// A health check that is under way.
#[derive(Clone, Copy, Debug)]
struct Check {
    worker: usize,
    site: usize,
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
        let state = WorkerState { alive: true, ..WorkerState::default() };
        let workers = vec![state; setup.workers + 1];
        let sites = Rules::SERVICES
            .into_iter()
            .map(|name| Site::new(name, setup.rules, &process, workers.len()));
        Ok(Self {
            rules: setup.rules,
            sites: sites.collect::<Result<_, _>>()?,
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
            workers,
            phase: Phase::Traffic(REQUESTS_TO_REST.min(setup.requests)),
            flights: BTreeMap::new(),
            checks: Vec::new(),
            steps: 0,
            swapped: false,
            store_down: 0,
            lost_updates: 0,
            maybe_lost: 0,
            died_midway: 0,
            updates: 0,
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
        self.workers[worker].call = Some(name);
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
            self.workers[worker].sleeps = self.steps + self.rng.u64(0..400);
        }
        self.other_than(worker).unwrap_or(worker)
    }

    /// The host call is made now, and no other worker comes between; or the VM dies instead.
    pub(crate) fn before_call(&mut self, worker: usize) -> ControlFlow<()> {
        let call = self.workers[worker].call;
        if self.dies_here(worker, call) {
            self.trace.add(self.now, worker, What::KilledMidway);
            self.workers[worker].call = None;
            self.workers[worker].dying = true;
            return ControlFlow::Break(());
        }
        if let Some(name @ (GET | SET)) = call
            && self.fails_here(worker)
        {
            self.trace.add(self.now, worker, What::StoreFailed);
            // Not as a proxy does that withholds the function, which the module would refuse.
            self.process.fail_hostcalls(name, Status::SerializationFailure, 1);
            let state = &mut self.workers[worker];
            (state.call, state.attempts) = (None, 0);
            state.failed += 1;
            for site in &mut self.sites {
                site.oracle.faulted(worker);
            }
        }
        if call == Some(GET)
            && self.setup.defect == Some(Defect::StaleRead)
            && self.rng.u32(0..10) == 0
        {
            for site in &self.sites {
                site.store(&self.process, &site.stale);
            }
            self.swapped = true;
        }
        ControlFlow::Continue(())
    }

    /// Whether the VM dies before this call. Only in the second half of a world: one that dies in
    /// the middle of a write has the record read each time from then on, and what is remembered of
    /// it would never be looked at again.
    fn dies_here(&mut self, worker: usize, call: Option<&str>) -> bool {
        let may_die = self.faults() && self.workers[worker].midway && !self.is_main(worker);
        if !may_die || self.requests * 2 < self.setup.requests {
            return false;
        }
        let one_in = match call {
            Some(SET) => 100,
            Some(GET) => 1_500,
            _ => 10_000,
        };
        self.rng.u32(0..one_in) == 0
    }

    /// Whether the store fails this call.
    fn fails_here(&mut self, worker: usize) -> bool {
        let state = &self.workers[worker];
        let may_fail = self.faults() && state.midway && state.alive;
        may_fail && (self.steps < self.store_down || self.rng.u32(0..1_000) == 0)
    }

    /// Looks at what the last host call of a worker has done.
    fn see_write(&mut self, worker: usize) {
        let call = self.workers[worker].call.take();
        if self.swapped {
            for site in &self.sites {
                site.store(&self.process, &site.bytes);
            }
            self.swapped = false;
        }
        let state = &mut self.workers[worker];
        match call {
            Some(GET) if state.has_read => state.attempts = 0,
            Some(GET) => state.has_read = true,
            Some(SET) => state.has_read = false,
            _ => {}
        }
        if call != Some(SET) {
            return;
        }
        let mut written = false;
        for site in 0..self.sites.len() {
            written |= self.see_write_of(worker, site);
        }
        let state = &mut self.workers[worker];
        state.attempts = if written { 0 } else { state.attempts + 1 };
        if state.attempts == ATTEMPTS {
            (state.attempts, state.lost) = (0, state.lost + 1);
            for site in &mut self.sites {
                site.oracle.gave_up(worker);
            }
        }
    }

    /// Looks at one record, and whether it was written.
    fn see_write_of(&mut self, worker: usize, number: usize) -> bool {
        let site = &mut self.sites[number];
        let Some(bytes) = site.written(&self.process, self.setup.defect, &mut self.rng) else {
            return false;
        };
        let written = Record::read(&bytes).and_then(|record| {
            self.trace.add(self.now, worker, What::Written(number, record));
            if record.generation != site.oracle.record().generation {
                site.stale.clone_from(&site.bytes);
            }
            site.oracle.wrote(worker, record, self.now)
        });
        site.bytes = bytes;
        self.hold(written);
        true
    }

    // --- Callbacks -----------------------------------------------------------------------------

    /// A callback begins.
    pub(crate) fn begin(&mut self, worker: usize, doing: Doing) {
        self.trace.add(self.now, worker, What::Begins(doing));
        let grant = match doing {
            Doing::Complete(id) | Doing::Head(id, _) | Doing::End(id, _) => {
                self.flights.get(&id).map(|f| f.grant)
            }
            _ => None,
        };
        let state = &mut self.workers[worker];
        (state.midway, state.attempts, state.has_read) = (true, 0, false);
        let healthy = state.healthy.take();
        for (number, site) in self.sites.iter_mut().enumerate() {
            let concerned = state.site == number || matches!(doing, Doing::Tick | Doing::Configure);
            let doing = if concerned { doing } else { Doing::Elsewhere };
            site.oracle.begin(worker, doing, grant.filter(|_| concerned), self.now);
        }
        if let Some(generation) = healthy {
            self.site(worker).oracle.healthy(worker, generation);
        }
    }

    /// A callback has returned, or its VM has died in the middle of it: then there is no more to
    /// be seen of it.
    pub(crate) fn returned(&mut self, worker: usize) -> ControlFlow<()> {
        self.see_write(worker);
        let state = &mut self.workers[worker];
        state.midway = false;
        let (lost, failed) = (std::mem::take(&mut state.lost), std::mem::take(&mut state.failed));
        self.maybe_lost += failed;
        if !std::mem::take(&mut state.dying) {
            self.lost_updates += lost;
            return ControlFlow::Continue(());
        }
        self.maybe_lost += lost;
        self.died_midway += 1;
        for site in 0..self.sites.len() {
            let died = self.sites[site].oracle.died(worker, self.now);
            self.hold(died);
        }
        ControlFlow::Break(())
    }

    pub(crate) fn admitted(&mut self, worker: usize, id: u64, stream: StreamId, whole: bool) {
        self.trace.add(self.now, worker, What::Admitted(id));
        let number = self.workers[worker].site;
        let site = &mut self.sites[number];
        let granted = site.oracle.admitted(worker, id, whole, self.now);
        let mut answer = site.mood.answer(&mut self.rng);
        let Some(grant) = self.finish(worker, granted) else {
            return;
        };
        let (mut body_due, mut due) = (None, self.now + answer.latency(&mut self.rng));
        if !whole {
            let micros = |rng: &mut Rng, most| Duration::from_micros(rng.u64(100..most));
            match self.rng.u32(0..10) {
                // Its client never ends it, and leaves.
                0 => (answer, due) = (Answer::Abandoned, due + micros(&mut self.rng, 3_000_000)),
                late => {
                    let body = micros(&mut self.rng, if late == 1 { 1_500_000 } else { 20_000 });
                    (body_due, due) = (Some(self.now + body), due + body);
                }
            }
        }
        let head_sent = false;
        let flight =
            Flight { worker, site: number, stream, grant, answer, body_due, due, head_sent };
        self.flights.insert(id, flight);
    }

    /// All of a request has come.
    pub(crate) fn completed(&mut self, worker: usize, id: u64) {
        let Some(flight) = self.flights.get_mut(&id) else {
            return self.ended(worker);
        };
        flight.body_due = None;
        let grant = flight.grant;
        let completed = self.site(worker).oracle.completed(worker, grant);
        if let Some(grant) = self.finish(worker, completed)
            && let Some(flight) = self.flights.get_mut(&id)
        {
            flight.grant = grant;
        }
    }

    pub(crate) fn diverted(&mut self, worker: usize, id: u64) {
        self.trace.add(self.now, worker, What::Diverted(id));
        let diverted = self.site(worker).oracle.diverted(worker);
        self.finish(worker, diverted);
    }

    pub(crate) fn refused(&mut self, worker: usize, id: u64) {
        self.trace.add(self.now, worker, What::Refused(id));
        self.ended(worker);
    }

    pub(crate) fn ended(&mut self, worker: usize) {
        self.finish(worker, Ok(()));
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
        self.settled(worker, grant, answer, answer.settles_at_head());
    }

    /// A stream has ended.
    pub(crate) fn stream_ended(&mut self, worker: usize, id: u64) {
        let Some(flight) = self.flights.remove(&id) else {
            return self.ended(worker);
        };
        let Flight { grant, answer, .. } = flight;
        self.settled(worker, grant, answer, !answer.settles_at_head());
    }

    fn settled(&mut self, worker: usize, grant: Grant, answer: Answer, here: bool) {
        let now = self.now;
        let oracle = &mut self.site(worker).oracle;
        let found = match here {
            true => oracle.settled(worker, grant, answer, now),
            false => oracle.ended_without_write(worker),
        };
        self.finish(worker, found);
    }

    /// A timer has come, and calls may have been made.
    pub(crate) fn ticked(&mut self, worker: usize, calls: &[Call], next: Option<Duration>) {
        for number in 0..self.sites.len() {
            let name = self.sites[number].name;
            let own = calls.iter().filter(|call| call.cluster == name);
            for (nth, call) in own.enumerate() {
                self.trace.add(self.now, worker, What::CheckSent);
                let sent = self.sites[number].oracle.check_sent(worker, nth, self.now);
                let Some(generation) = self.hold(sent) else {
                    return;
                };
                self.send_check(worker, number, call, generation);
            }
        }
        self.workers[worker].next_tick = next;
        self.ended(worker);
    }

    fn send_check(&mut self, worker: usize, site: usize, call: &Call, generation: u64) {
        let lost = self.faults() && self.rng.u32(0..15) == 0;
        let answer = match (lost, self.sites[site].mood.is_healthy(&mut self.rng)) {
            (true, _) => CheckAnswer::Lost,
            (false, true) => CheckAnswer::Healthy,
            (false, false) if self.rng.u32(0..4) == 0 => CheckAnswer::Reset,
            (false, false) => CheckAnswer::Unhealthy,
        };
        let timeout = call.timeout.unwrap_or(Duration::from_secs(1));
        let most = u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX).max(2);
        let due = self.now + Duration::from_micros(self.rng.u64(1..most));
        let token = call.token;
        self.checks.push(Check { worker, site, token, generation, due, answer });
    }

    /// A new configuration was put into force.
    pub(crate) fn configured(&mut self, worker: usize, next_tick: Option<Duration>) {
        self.updates += u64::from(matches!(self.phase, Phase::Traffic(_)));
        self.workers[worker].next_tick = next_tick;
        self.ended(worker);
    }

    /// A worker's VM has died.
    pub(crate) fn killed(&mut self, worker: usize) {
        self.trace.add(self.now, worker, What::Killed);
        self.sites.iter_mut().for_each(|site| site.oracle.gone(worker, self.now));
        self.flights.retain(|_, flight| flight.worker != worker);
        self.checks.retain(|check| check.worker != worker);
        self.workers[worker].alive = false;
        self.workers[worker].next_tick = None;
    }

    /// The worker has a VM, and that is when it wants to tick.
    pub(crate) fn alive(&mut self, worker: usize, next_tick: Option<Duration>) {
        self.workers[worker].alive = true;
        self.workers[worker].next_tick = next_tick;
    }

    /// A callback is over: notes what was found of it, and closes what it has left open.
    fn finish<T>(&mut self, worker: usize, found: Result<T, String>) -> Option<T> {
        let found = self.hold(found);
        for number in 0..self.sites.len() {
            let oracle = &mut self.sites[number].oracle;
            if oracle.is_under_way(worker) {
                let ended = oracle.ended(worker);
                self.hold(ended);
            }
        }
        found
    }

    /// The service that a worker's callback is about.
    fn site(&mut self, worker: usize) -> &mut Site {
        let number = self.workers[worker].site;
        &mut self.sites[number]
    }

    /// Whether this is the main thread, which ticks and serves no streams.
    fn is_main(&self, worker: usize) -> bool {
        worker == self.setup.workers
    }

    const fn faults(&self) -> bool {
        self.setup.faults && matches!(self.phase, Phase::Traffic(_))
    }

    /// What has been simulated.
    pub(crate) fn report(&self) -> crate::Report {
        let tallies = || self.sites.iter().map(|site| site.oracle.tally);
        let generations = self.sites.iter().map(|site| site.oracle.record().generation - 1);
        crate::Report {
            requests: self.requests,
            trace: self.trace.hash(),
            virtual_time: self.now,
            transitions: generations.sum(),
            admitted: tallies().flat_map(|tally| tally.outcomes).sum(),
            diverted: tallies().map(|tally| tally.diverted).sum(),
            trials: tallies().map(|tally| tally.trials).sum(),
            late: tallies().map(|tally| tally.late).sum(),
            writes: tallies().map(|tally| tally.writes).sum(),
            unprotected: tallies().map(|tally| tally.unprotected).sum(),
            died_midway: self.died_midway,
            updates: self.updates,
            rests: self.rests,
        }
    }
}
