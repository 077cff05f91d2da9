//! The component under wasmtime, as a gateway would run it: an instance for each worker and one more
//! on the main thread, which ticks but sees no request. All of them share one store.

mod stream;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use host_test_component::types::{self, Callout, ErrandId};
use host_test_component::{Artefact, Guard, Shared};
use scenario::{
    Answer, CallId, CalloutAnswer, Configured, Event, GARBAGE, Host, Late, Made, NEWER, Received,
    Request, Sent, Status, Store, Thread, Worker, configured_mode, stored_record,
};
use serde_json::Value;

use self::stream::{Next, Stream};
use crate::driver::{Callouts, Due};
use crate::record;

/// Compiled once for all scenarios.
static ARTEFACT: LazyLock<Result<Artefact, String>> = LazyLock::new(|| {
    let load = || Artefact::load(&artifacts::component()?);
    load().map_err(|error| format!("{error:#}"))
});

/// A host with workers.
pub(crate) struct Component {
    shared: Shared,
    workers: usize,
    /// The configuration at work.
    config: String,
    /// Those that requests come to, and the main thread's.
    guards: Vec<Guard>,
    streams: BTreeMap<CallId, Stream>,
    callouts: Callouts<Owner>,
}

/// Who waits for a call-out.
enum Owner {
    /// The plugin itself: a health check, or a notification.
    Plugin(Worker, ErrandId),
    Replay(Worker, CallId),
}

impl Owner {
    const fn thread(&self) -> Worker {
        match self {
            Self::Plugin(thread, _) | Self::Replay(thread, _) => *thread,
        }
    }

    fn is_replay_of(&self, call: CallId) -> bool {
        matches!(self, Self::Replay(_, of) if *of == call)
    }
}

fn artefact() -> Result<&'static Artefact> {
    ARTEFACT.as_ref().map_err(|error| anyhow!("{error}"))
}

impl Component {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            shared: Shared::new(),
            workers,
            config: String::new(),
            guards: Vec::new(),
            streams: BTreeMap::new(),
            callouts: Callouts::default(),
        }
    }

    fn guard(&mut self, thread: Worker) -> Result<&mut Guard> {
        self.guards.get_mut(thread).with_context(|| format!("there is no thread {thread}"))
    }

    fn new_guard(&mut self, thread: Worker) -> Result<Guard> {
        let mut guard = Guard::new(artefact()?, &self.shared)?;
        self.put_in_force(thread, &mut guard)?;
        Ok(guard)
    }

    fn put_in_force(&mut self, thread: Worker, guard: &mut Guard) -> Result<()> {
        let configured = guard.configure(&self.config)?.map_err(|e| anyhow!(e.message))?;
        let period = Duration::from_nanos(configured.tick_period);
        self.callouts.timers.tick_every(thread, period);
        Ok(())
    }

    fn tick(&mut self, thread: Worker) -> Result<()> {
        for errand in self.guard(thread)?.tick()? {
            self.call(&errand.callout, Owner::Plugin(thread, errand.id))?;
        }
        Ok(())
    }

    /// Makes a call-out. Returns what its client got if it was answered at once.
    fn call(&mut self, callout: &Callout, owner: Owner) -> Result<Option<Late>> {
        let timeout = Duration::from_nanos(callout.timeout);
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = callout.fields.iter().map(|it| (it.name.clone(), text(&it.value))).collect();
        match self.callouts.make(&callout.cluster, headers, timeout, owner) {
            None => Ok(None),
            Some((owner, answer)) => self.finish_call(&owner, answer),
        }
    }

    fn finish_call(&mut self, owner: &Owner, answer: CalloutAnswer) -> Result<Option<Late>> {
        let status = match answer {
            CalloutAnswer::Status(status) => Some(status),
            CalloutAnswer::Refused | CalloutAnswer::Unknown | CalloutAnswer::Held => None,
        };
        match *owner {
            Owner::Plugin(thread, errand) => {
                self.guard(thread)?.reported(errand, status)?;
                Ok(None)
            }
            Owner::Replay(thread, call) => {
                let mut stream = self.streams.remove(&call).context("the stream is gone")?;
                let received = stream.fallback_answers(self.guard(thread)?, status)?;
                Ok(Some(Late { call, received }))
            }
        }
    }

    fn go_on(&mut self, call: CallId, stream: Stream, next: Next) -> Result<Option<Received>> {
        let thread = stream.worker;
        match next {
            Next::Done(received) => Ok(Some(received)),
            Next::Waiting => {
                self.streams.insert(call, stream);
                Ok(None)
            }
            Next::Ask(callout) => {
                self.streams.insert(call, stream);
                let owner = Owner::Replay(thread, call);
                Ok(self.call(&callout, owner)?.map(|late| late.received))
            }
        }
    }
}

impl Host for Component {
    fn configure(&mut self, config: &Value) -> Result<Configured> {
        let text = config.to_string();
        // An instance of its own tries it before any worker sees it, as a proxy has one do.
        if let Err(error) = Guard::new(artefact()?, &self.shared)?.configure(&text)? {
            return Ok(Configured::Refused(error.message));
        }
        // Nor does a proxy wait for checks of a configuration that is not at work any more.
        self.callouts.forget(|owner| matches!(owner, Owner::Plugin(..)));
        self.config = text;
        for thread in 0..=self.workers {
            if thread == self.guards.len() {
                let guard = self.new_guard(thread)?;
                self.guards.push(guard);
                continue;
            }
            let mut guard = self.guards.remove(thread);
            let configured = self.put_in_force(thread, &mut guard);
            self.guards.insert(thread, guard);
            configured?;
        }
        Ok(Configured::Accepted)
    }

    fn advance(&mut self, by: Duration) -> Result<Vec<Late>> {
        let end = self.callouts.timers.now() + by;
        let mut late = Vec::new();
        while let Some(due) = self.callouts.timers.next(end) {
            self.shared.advance_to(self.callouts.timers.now());
            match due {
                Due::Tick(thread) => self.tick(thread)?,
                Due::Deadline(number) => {
                    if let Some(owner) = self.callouts.expire(number) {
                        late.extend(self.finish_call(&owner, CalloutAnswer::Refused)?);
                    }
                }
            }
        }
        self.shared.advance_to(end);
        Ok(late)
    }

    fn request(&mut self, call: CallId, request: &Request) -> Result<Sent> {
        let Self { guards, callouts, .. } = self;
        let guard = guards.get_mut(request.worker).context("there is no such worker")?;
        let (stream, next) = Stream::begin(guard, request, |cluster| callouts.answer_of(cluster))?;
        let received = self.go_on(call, stream, next)?;
        Ok(received.map_or(Sent::Forwarded, Sent::Answered))
    }

    fn answer(&mut self, call: CallId, answer: &Answer) -> Result<Option<Received>> {
        if self.callouts.any(|owner| owner.is_replay_of(call)) {
            if *answer != Answer::ClientGone {
                bail!("the service has answered already, and the fallback has not");
            }
            self.callouts.forget(|owner| owner.is_replay_of(call));
        }
        let mut stream = self.streams.remove(&call).context("there is no such stream")?;
        let next = stream.answer(self.guard(stream.worker)?, answer)?;
        self.go_on(call, stream, next)
    }

    fn upstream(&mut self, cluster: &str, answers: CalloutAnswer) -> Result<()> {
        self.callouts.set_answer(cluster, answers);
        Ok(())
    }

    fn release(&mut self, cluster: &str, answer: CalloutAnswer) -> Result<Vec<Late>> {
        let owner = self.callouts.release(cluster)?;
        Ok(self.finish_call(&owner, answer)?.into_iter().collect())
    }

    fn disturb(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Crash { worker } => {
                self.streams.retain(|_, stream| stream.worker != *worker);
                self.callouts.forget(|owner| owner.thread() == *worker);
                let guard = self.new_guard(*worker)?;
                *self.guard(*worker)? = guard;
            }
            Event::Tick(Thread::Worker(worker)) => self.tick(*worker)?,
            Event::Tick(Thread::Main) => self.tick(self.workers)?,
            Event::WallClock { nanos } => self.shared.shift_wall(*nanos),
            Event::LostRaces(count) => self.shared.lose_races(usize::try_from(*count)?),
            Event::Store(Store::Well) => self.shared.break_store(false),
            Event::Store(Store::Unreadable) => self.shared.break_reads(true),
            Event::Store(Store::Unwritable) => self.shared.break_writes(true),
            Event::Store(Store::Garbage(service)) => {
                self.shared.put(&record::key(service), GARBAGE);
            }
            Event::Store(Store::Newer(service)) => {
                self.shared.put(&record::key(service), NEWER);
            }
            other => bail!("not a disturbance: {other:?}"),
        }
        Ok(())
    }

    fn status(&mut self, service: &str) -> Result<Status> {
        let bytes = stored_record(&self.config, service, |key| self.shared.value(key));
        let status = record::status(bytes.as_deref(), &configured_mode(&self.config, service));
        // An instance tells the same of the services that it guards, if it can read the store.
        let shown = self.guard(0)?.status()?.unwrap_or_default();
        if let Some(shown) = shown.into_iter().find(|it| it.service_name == service) {
            let shown = status_of(&shown);
            ensure!(shown == status, "{service}: shown {shown:?}, stored {status:?}");
        }
        Ok(status)
    }

    fn metrics(&mut self) -> Result<Option<BTreeMap<String, u64>>> {
        Ok(Some(self.shared.all_metrics()))
    }

    fn log(&mut self) -> Result<Option<Vec<String>>> {
        let lines = self.shared.take_log().into_iter();
        Ok(Some(lines.map(|(_, line)| line).collect()))
    }

    fn callouts(&mut self) -> Result<Option<Made>> {
        Ok(Some(self.callouts.take_made()))
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
    });
    Status {
        state: state.to_owned(),
        failure_count: shown.failure_count.into(),
        generation: shown.generation,
        trip_reason: reason.map(str::to_owned),
    }
}
