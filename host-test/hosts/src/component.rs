//! The component under wasmtime, as a gateway would run it: an instance for each thread. All of them
//! share one store.

mod stream;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Result, anyhow};
use host_test_component::types::{self, ErrandId};
use host_test_component::{Artefact, Guard, Shared};
use scenario::{CallId, CalloutAnswer, Configured, Request, Status};

use self::stream::ComponentStream;
use crate::driver::{
    Admission, Callout, Driver, Instance, MONOTONIC_START, Operation, VirtualProxy,
};
use crate::record;

/// Compiled once for all scenarios.
static ARTEFACT: LazyLock<Result<Artefact, String>> = LazyLock::new(|| {
    let load = || Artefact::load(&artifacts::component()?);
    load().map_err(|error| format!("{error:#}"))
});

/// A gateway that runs the component.
pub(crate) struct Component {
    shared: Shared,
}

impl Component {
    pub(crate) fn start(workers: usize) -> Driver<Self> {
        Driver::new(Self { shared: Shared::new() }, workers, record::status)
    }

    fn guard(&self) -> Result<Guard> {
        let artefact = ARTEFACT.as_ref().map_err(|error| anyhow!("{error}"))?;
        Guard::new(artefact, &self.shared)
    }
}

impl VirtualProxy for Component {
    type Instance = Guard;

    fn set_clocks(&mut self, monotonic: Duration, wall: Duration) {
        self.shared.advance_to(monotonic.saturating_sub(MONOTONIC_START));
        self.shared.set_wall(u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX));
    }

    fn check(&mut self, config: &str) -> Result<Configured> {
        // An instance of its own tries it, as a proxy has one do.
        let configured = self.guard()?.configure(config)?;
        Ok(configured.map_or_else(|e| Configured::Refused(e.message), |_| Configured::Accepted))
    }

    fn start(&mut self, config: &str) -> Result<(Guard, Duration)> {
        let mut guard = self.guard()?;
        let period = Instance::configure(&mut guard, config)?;
        Ok((guard, period))
    }

    fn break_store(&mut self, operation: Operation) {
        match operation {
            Operation::Read => self.shared.break_reads(true),
            Operation::Write => self.shared.break_writes(true),
        }
    }

    fn mend_store(&mut self) {
        self.shared.break_store(false);
    }

    fn lose_races(&mut self, count: u32) {
        self.shared.lose_races(count as usize);
    }

    fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.shared.value(key)
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<()> {
        self.shared.put(key, value);
        Ok(())
    }

    fn metrics(&self) -> BTreeMap<String, u64> {
        self.shared.all_metrics()
    }

    fn take_log(&mut self) -> Vec<String> {
        self.shared.take_log().into_iter().map(|(_, line)| line).collect()
    }
}

impl Instance for Guard {
    type Stream = ComponentStream;
    type Token = ErrandId;

    fn configure(&mut self, config: &str) -> Result<Duration> {
        let configured = Self::configure(self, config)?.map_err(|e| anyhow!(e.message))?;
        Ok(Duration::from_nanos(configured.tick_period))
    }

    fn tick(&mut self) -> Result<Vec<(ErrandId, Callout)>> {
        let errands = Self::tick(self)?.into_iter();
        Ok(errands.map(|errand| (errand.id, callout(&errand.callout))).collect())
    }

    fn on_callout_answer(&mut self, errand: ErrandId, answer: CalloutAnswer) -> Result<()> {
        self.reported(errand, status_in(answer))
    }

    fn on_request(&mut self, _: CallId, request: &Request) -> Result<(ComponentStream, Admission)> {
        ComponentStream::begin(self, request)
    }

    fn shown(&mut self, service: &str) -> Result<Option<Status>> {
        let shown = self.status()?.unwrap_or_default();
        Ok(shown.iter().find(|it| it.service_name == service).map(status_of))
    }
}

/// A callout as the component wants it made.
fn callout(callout: &types::Callout) -> Callout {
    Callout {
        cluster: callout.cluster.clone(),
        headers: callout.fields.iter().map(pair).collect(),
        timeout: Duration::from_nanos(callout.timeout),
    }
}

/// A header's name and value.
fn pair(field: &types::Field) -> (String, String) {
    (field.name.clone(), String::from_utf8_lossy(&field.value).into_owned())
}

/// The status that a cluster answers with, if it does.
const fn status_in(answer: CalloutAnswer) -> Option<u16> {
    match answer {
        CalloutAnswer::Status(status) => Some(status),
        CalloutAnswer::Refused | CalloutAnswer::Unknown | CalloutAnswer::Held => None,
    }
}

fn status_of(shown: &types::ServiceStatus) -> Status {
    let state = match shown.state {
        types::State::Closed => "CLOSED",
        types::State::Open => "OPEN",
        types::State::HalfOpen => "HALF_OPEN",
        types::State::ForcedOpen => "FORCED_OPEN",
        types::State::Disabled => "DISABLED",
        types::State::MetricsOnly => "METRICS_ONLY",
    };
    let reason = shown.trip_reason.map(|reason| match reason {
        types::Reason::ConsecutiveFailures => "consecutive_failures",
        types::Reason::FailureRate => "failure_rate",
        types::Reason::SlowCallRate => "slow_call_rate",
        types::Reason::HealthCheck => "health_check",
        types::Reason::TrialFailed => "trial_failed",
        types::Reason::TrialsSucceeded => "trials_succeeded",
        types::Reason::WaitElapsed => "wait_elapsed",
        types::Reason::Operator => "operator",
        types::Reason::Adaptive => "adaptive",
        types::Reason::RetryAfter => "retry_after",
        types::Reason::Fleet => "fleet",
    });
    Status {
        state: state.to_owned(),
        failure_count: shown.failure_count.into(),
        generation: shown.generation,
        trip_reason: reason.map(str::to_owned),
    }
}
