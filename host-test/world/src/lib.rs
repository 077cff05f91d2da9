//! A simulated world: one process of a proxy with several workers, two services, their clients,
//! and one clock, under random schedules.
//!
//! The module under test is the one that a proxy loads, run by [`host_test_proxy_wasm`]. Each worker has a
//! thread of its own, of which exactly one runs at a time, and which one is decided at each host
//! call by a random generator. So a [seed](Setup::seed) is a schedule, and the same seed gives
//! the same world again: this is what makes a race something to look at.
//!
//! After every step the invariants are checked, by what an outsider sees, and never by the
//! module's own code: what came to the service, what is written in the shared data and by whom,
//! what the metrics and the log say.

mod defect;
mod oracle;
mod record;
mod rules;
mod runner;
mod scheduler;
mod service;
mod trace;
mod world;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use host_test_proxy_wasm::{FailurePolicy, LogLevel, Module, Plugin, Process, Worker};

pub use defect::Defect;
pub use rules::{CheckRules, RateRules, Rules};

use scheduler::Scheduler;
use world::World;

/// A world to be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// What all that is random follows from.
    pub seed: u64,
    /// How many workers there are, besides the main thread, which serves no streams.
    pub workers: usize,
    /// How many requests come at least.
    pub requests: u64,
    /// How the service is guarded.
    pub rules: Rules,
    /// Whether VMs die, clocks jump, races and calls are lost, and the store fails.
    pub faults: bool,
    /// A defect that is to be found.
    pub defect: Option<Defect>,
}

/// What was simulated, and went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Requests that came.
    pub requests: u64,
    /// A number for all that happened, in its order.
    pub trace: u64,
    /// The monotonic clock in the end.
    pub virtual_time: Duration,
    /// Transitions of all breakers.
    pub transitions: u64,
    /// Admitted calls that were settled.
    pub admitted: u64,
    /// Diverted calls.
    pub diverted: u64,
    /// Admitted calls that were trials.
    pub trials: u64,
    /// Results that came when their period was over.
    pub late: u64,
    /// Writes of the records.
    pub writes: u64,
    /// VMs that died in the middle of a callback.
    pub died_midway: u64,
    /// Calls that passed unprotected, as the store could not be used.
    pub unprotected: u64,
    /// New configurations that were put into force under traffic, each on one worker.
    pub updates: u64,
    /// How often all was at rest, and compared.
    pub rests: u64,
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The world to be simulated again.
    pub setup: Setup,
    /// What is wrong.
    pub problem: String,
    /// How many requests had come.
    pub requests: u64,
    /// A number for all that happened, in its order.
    pub trace: u64,
    /// What happened last, line by line.
    pub last: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 1,
            workers: 4,
            requests: 10_000,
            rules: Rules::default(),
            faults: true,
            defect: None,
        }
    }
}

/// Simulates a world.
///
/// # Errors
///
/// If an invariant does not hold.
pub fn simulate(module: &Module, setup: Setup) -> Result<Report, Box<Violation>> {
    let failed = |problem: String, requests, trace, last| {
        Box::new(Violation { setup, problem, requests, trace, last })
    };
    let process = Process::new();
    process.set_seed(setup.seed);
    process.set_log_level(LogLevel::Info);
    let plugin = Plugin {
        failure_policy: FailurePolicy::FailReload { backoff: Duration::from_millis(20) },
        ..Plugin::default()
    };
    let configuration = setup.rules.configuration("never");
    let workers = (0..=setup.workers)
        .map(|_| Worker::start(&process, module, plugin.clone(), &configuration));
    let workers: Result<Vec<Worker>, _> = workers.collect();
    let workers = workers.map_err(|error| failed(error.to_string(), 0, 0, String::new()))?;
    let world =
        World::new(setup, process).map_err(|problem| failed(problem, 0, 0, String::new()))?;
    let scheduler = Arc::new(Scheduler::new(world, setup.workers + 1));
    std::thread::scope(|threads| {
        for (number, worker) in workers.into_iter().enumerate() {
            let scheduler = &scheduler;
            threads.spawn(move || runner::run(scheduler, number, worker));
        }
    });
    let Some(scheduler) = Arc::into_inner(scheduler) else {
        return Err(failed("a worker did not go".to_owned(), 0, 0, String::new()));
    };
    let world = scheduler.into_world();
    match &world.failure {
        None => Ok(world.report()),
        Some(problem) => {
            let (problem, last) = (problem.clone(), world.trace.to_string());
            Err(failed(problem, world.requests, world.trace.hash(), last))
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, trace, virtual_time, transitions, admitted, diverted, .. } = self;
        let Self { trials, late, unprotected, writes, died_midway, updates, rests, .. } = self;
        write!(
            f,
            "{requests} requests ({admitted} admitted, {diverted} diverted, {trials} trials, \
             {late} late, {unprotected} unprotected), {transitions} transitions, {writes} writes, \
             {died_midway} died midway, {updates} updates, {rests} rests, {:.1} s, {trace:016x}",
            virtual_time.as_secs_f64(),
        )
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setup, problem, requests, trace, last } = self;
        writeln!(f, "{last}")?;
        writeln!(f, "{problem}")?;
        writeln!(f, "after {requests} requests, trace {trace:016x}")?;
        write!(f, "replay: {setup:?}")
    }
}

impl std::error::Error for Violation {}
