//! One downstream service: how it behaves, and what it has seen.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::share::Share;

/// A handle to one downstream service. Clones are handles to the same service.
#[derive(Clone, Debug)]
pub struct Downstream {
    name: Arc<str>,
    // A watch channel rather than a mutex, so that a test can wait for a count without polling.
    state: watch::Sender<State>,
}

/// How a service behaves until it is told otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Initial {
    /// The share of calls that fail, from 0 to 1.
    pub failure_rate: f64,
    /// How long each call takes.
    pub latency: Duration,
}

/// What the health listener says of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Healthy while less than half of its calls fail. The [`Mode`] plays no part in it.
    #[default]
    Auto,
    /// Healthy, whatever becomes of its calls.
    Healthy,
    /// Sick, whatever becomes of its calls.
    Sick,
}

/// How a service answers its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// With success or failure, by its share of failures.
    #[default]
    Normal,
    /// Never.
    Hang,
    /// With 200 and half of the body that it announced; then the connection is closed.
    CutBody,
    /// Not at all: the connection is closed.
    CloseBeforeAnswer,
    /// With this status. What is no HTTP status closes the connection instead.
    Status(u16),
}

/// What a service has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Calls received, retries included, health checks not.
    pub calls: u64,
    /// Calls received and not yet answered or given up.
    pub in_flight: u64,
    /// The most calls that were ever in flight at once.
    pub max_in_flight: u64,
    /// Questions after its health.
    pub health_calls: u64,
}

#[derive(Debug)]
struct State {
    failures: Share,
    latency: Duration,
    health: Health,
    mode: Mode,
    counts: Counts,
}

impl Downstream {
    pub(crate) fn new(name: &str, initial: Initial) -> Self {
        let state = State {
            failures: Share::new(initial.failure_rate),
            latency: initial.latency,
            health: Health::default(),
            mode: Mode::default(),
            counts: Counts::default(),
        };
        Self { name: name.into(), state: watch::Sender::new(state) }
    }

    /// Sets the share of calls that fail, from 0 to 1 (what lies outside is taken as the nearer
    /// end), and starts its sequence anew: the same setting is followed by the same answers.
    pub fn set_failure_rate(&self, rate: f64) {
        self.state.send_modify(|state| state.failures = Share::new(rate));
    }

    /// Sets how long a call takes. Calls that are under way keep theirs.
    pub fn set_latency(&self, latency: Duration) {
        self.state.send_modify(|state| state.latency = latency);
    }

    /// Sets what the health listener says of the service.
    pub fn set_health(&self, health: Health) {
        self.state.send_modify(|state| state.health = health);
    }

    /// Sets how calls are answered. Calls that are under way keep theirs.
    pub fn set_mode(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }

    /// The service's name: the first segment of its calls' paths.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The share of calls that fail, from 0 to 1.
    #[must_use]
    pub fn failure_rate(&self) -> f64 {
        self.state.borrow().failures.rate()
    }

    /// How long a call takes.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.state.borrow().latency
    }

    /// What the health listener was told to say.
    #[must_use]
    pub fn health(&self) -> Health {
        self.state.borrow().health
    }

    /// What the health listener says.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let state = self.state.borrow();
        match state.health {
            Health::Auto => !state.failures.is_half_or_more(),
            Health::Healthy => true,
            Health::Sick => false,
        }
    }

    /// How calls are answered.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.state.borrow().mode
    }

    /// All counts, taken at one moment.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state.borrow().counts
    }

    /// How many calls were received, each counted as soon as its head was there.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.counts().calls
    }

    /// How many calls were received and are not yet answered or given up by the caller.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.counts().in_flight
    }

    /// The most calls that were ever in flight at once.
    #[must_use]
    pub fn max_in_flight(&self) -> u64 {
        self.counts().max_in_flight
    }

    /// How often the health listener was asked.
    #[must_use]
    pub fn health_calls(&self) -> u64 {
        self.counts().health_calls
    }

    /// Counts from zero again. Calls that are still in flight stay counted as such.
    pub fn reset_calls(&self) {
        self.state.send_modify(|state| {
            let in_flight = state.counts.in_flight;
            state.counts = Counts { in_flight, max_in_flight: in_flight, ..Counts::default() };
        });
    }

    /// Waits until the counts are as wanted, and gives them.
    pub async fn until(&self, mut wanted: impl FnMut(&Counts) -> bool) -> Counts {
        let mut states = self.state.subscribe();
        match states.wait_for(|state| wanted(&state.counts)).await {
            Ok(state) => state.counts,
            // The channel cannot be closed while its sender, which is in `self`, is borrowed.
            Err(_) => self.counts(),
        }
    }

    /// Takes a call, and says how it is to be answered.
    pub(crate) fn begin_call(&self) -> (Call, Plan) {
        let mut plan = Plan::default();
        self.state.send_modify(|state| plan = state.take_call());
        (Call(self.clone()), plan)
    }

    pub(crate) fn count_health_call(&self) {
        self.state.send_modify(|state| state.counts.health_calls += 1);
    }
}

impl State {
    fn take_call(&mut self) -> Plan {
        let counts = &mut self.counts;
        counts.calls += 1;
        counts.in_flight += 1;
        counts.max_in_flight = counts.max_in_flight.max(counts.in_flight);
        let ending = match self.mode {
            Mode::Normal if self.failures.next() => Ending::Failure,
            Mode::Normal => Ending::Success,
            Mode::Hang => Ending::Never,
            Mode::CutBody => Ending::CutBody,
            Mode::CloseBeforeAnswer => Ending::Close,
            Mode::Status(status) => Ending::Status(status),
        };
        Plan { latency: self.latency, ending }
    }
}

/// A call in flight, until it is dropped: answered, or given up by its caller.
#[derive(Debug)]
pub(crate) struct Call(Downstream);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.counts.in_flight -= 1);
    }
}

/// How a call is to be answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) latency: Duration,
    pub(crate) ending: Ending,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Ending {
    #[default]
    Success,
    Failure,
    Never,
    CutBody,
    Close,
    Status(u16),
}
