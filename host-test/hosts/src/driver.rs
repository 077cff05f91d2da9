//! One driver for all hosts with virtual time: it plays the events of a scenario on a
//! [`VirtualProxy`], which says how this form of the plugin is called.
//!
//! The driver has the time, the threads, the requests under way, and the clusters beside the
//! service's with the callouts that they hold back.

mod call;
mod callouts;
mod proxy;
mod timers;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use scenario::{
    Answer, CallId, CalloutAnswer, Configured, Event, GARBAGE, Host, Late, Made, NEWER, Received,
    Request, Sent, Status, Store, Thread, WALL_START, Worker, configured_mode, stored_record,
};
use serde_json::Value;

use self::call::{Call, Progress};
use self::callouts::Callouts;
pub(crate) use self::proxy::{
    Admission, Answered, By, Callout, Cut, Instance, Operation, SERVICE_TIME, Stream, VirtualProxy,
    answer_in_envoy,
};
use self::timers::Due;

/// The monotonic clock of a proxy that has been up for a while.
pub(crate) const MONOTONIC_START: Duration = Duration::from_secs(1_000);

/// What a record says, or that there is none, of a service that is configured to be in this mode. The
/// plugin's own code knows its form; a host is told.
pub type ReadRecord = fn(Option<&[u8]>, &str) -> Status;

/// A proxy with its threads.
pub(crate) struct Driver<P: VirtualProxy> {
    proxy: P,
    read: ReadRecord,
    workers: usize,
    /// The configuration at work.
    config: String,
    /// Those that requests come to, and the main thread's, which ticks but sees no request.
    instances: Vec<P::Instance>,
    calls: BTreeMap<CallId, Call<P::Instance>>,
    callouts: Callouts<Caller<<P::Instance as Instance>::Token>>,
    wall_offset: i64,
}

/// Who waits for a callout.
enum Caller<T> {
    /// The plugin itself: a health check, or a notification.
    Instance(Worker, T),
    /// A call, whose failed answer is held back.
    Call(Worker, CallId),
}

impl<T> Caller<T> {
    const fn thread(&self) -> Worker {
        match self {
            Self::Instance(thread, _) | Self::Call(thread, _) => *thread,
        }
    }

    fn is_call(&self, call: CallId) -> bool {
        matches!(self, Self::Call(_, of) if *of == call)
    }
}

impl<P: VirtualProxy> Driver<P> {
    /// A proxy with so many workers, which is given a configuration next.
    pub(crate) fn new(proxy: P, workers: usize, read: ReadRecord) -> Self {
        let mut driver = Self {
            proxy,
            read,
            workers,
            config: String::new(),
            instances: Vec::new(),
            calls: BTreeMap::new(),
            callouts: Callouts::default(),
            wall_offset: 0,
        };
        driver.set_clocks();
        driver
    }

    fn set_clocks(&mut self) {
        let now = self.callouts.timers.now();
        let passed = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let wall = WALL_START.saturating_add_signed(passed.saturating_add(self.wall_offset));
        self.proxy.set_clocks(MONOTONIC_START + now, Duration::from_nanos(wall));
    }

    fn instance(&mut self, thread: Worker) -> Result<&mut P::Instance> {
        self.instances.get_mut(thread).with_context(|| format!("there is no thread {thread}"))
    }

    fn start(&mut self, thread: Worker) -> Result<P::Instance> {
        let (instance, period) = self.proxy.start(&self.config)?;
        self.callouts.timers.tick_every(thread, period);
        Ok(instance)
    }

    fn tick(&mut self, thread: Worker) -> Result<()> {
        for (token, callout) in self.instance(thread)?.tick()? {
            self.make(callout, Caller::Instance(thread, token))?;
        }
        Ok(())
    }

    /// Makes a callout. Returns what its client got if it was answered at once.
    fn make(
        &mut self,
        callout: Callout,
        caller: Caller<<P::Instance as Instance>::Token>,
    ) -> Result<Option<Late>> {
        match self.callouts.make(callout, caller) {
            None => Ok(None),
            Some((caller, answer)) => self.answer_callout(caller, answer),
        }
    }

    fn answer_callout(
        &mut self,
        caller: Caller<<P::Instance as Instance>::Token>,
        answer: CalloutAnswer,
    ) -> Result<Option<Late>> {
        let instance = self.instance(caller.thread())?;
        match caller {
            Caller::Instance(_, token) => {
                instance.on_callout_answer(token, answer)?;
                Ok(None)
            }
            Caller::Call(thread, number) => {
                let mut call = self.calls.remove(&number).context("the call is gone")?;
                let received = call.fallback_answers(self.instance(thread)?, answer)?;
                Ok(Some(Late { call: number, received }))
            }
        }
    }

    /// Keeps a request that waits. Returns what its client got, if it does not.
    fn go_on(
        &mut self,
        number: CallId,
        call: Call<P::Instance>,
        progress: Progress,
    ) -> Result<Option<Received>> {
        let caller = Caller::Call(call.worker, number);
        match progress {
            Progress::Done(received) => Ok(Some(received)),
            Progress::Waiting => {
                self.calls.insert(number, call);
                Ok(None)
            }
            Progress::Ask(callout) => {
                self.calls.insert(number, call);
                Ok(self.make(callout, caller)?.map(|late| late.received))
            }
        }
    }

    fn crash(&mut self, worker: Worker) -> Result<()> {
        self.calls.retain(|_, call| call.worker != worker);
        self.callouts.forget(|caller| caller.thread() == worker);
        let instance = self.start(worker)?;
        *self.instance(worker)? = instance;
        Ok(())
    }
}

impl<P: VirtualProxy> Host for Driver<P> {
    fn configure(&mut self, config: &Value) -> Result<Configured> {
        let config = config.to_string();
        let configured = self.proxy.check(&config)?;
        if configured != Configured::Accepted {
            return Ok(configured);
        }
        // A proxy does not wait for checks of a configuration that is not at work any more.
        self.callouts.forget(|caller| matches!(caller, Caller::Instance(..)));
        self.config = config;
        for thread in 0..=self.workers {
            match self.instances.get_mut(thread) {
                Some(instance) => {
                    let period = instance.configure(&self.config)?;
                    self.callouts.timers.tick_every(thread, period);
                }
                None => {
                    let instance = self.start(thread)?;
                    self.instances.push(instance);
                }
            }
        }
        Ok(configured)
    }

    fn advance(&mut self, by: Duration) -> Result<Vec<Late>> {
        let end = self.callouts.timers.now() + by;
        let mut late = Vec::new();
        while let Some(due) = self.callouts.timers.next(end) {
            self.set_clocks();
            match due {
                Due::Tick(thread) => self.tick(thread)?,
                Due::Deadline(number) => {
                    if let Some(caller) = self.callouts.expire(number) {
                        late.extend(self.answer_callout(caller, CalloutAnswer::Refused)?);
                    }
                }
            }
        }
        self.set_clocks();
        Ok(late)
    }

    fn request(&mut self, number: CallId, request: &Request) -> Result<Sent> {
        let Self { instances, callouts, .. } = self;
        let instance = instances.get_mut(request.worker).context("there is no such worker")?;
        let now = callouts.timers.now();
        let (call, progress) =
            Call::begin(instance, number, request, now, |cluster| callouts.answer_of(cluster))?;
        let received = self.go_on(number, call, progress)?;
        Ok(received.map_or(Sent::Forwarded, Sent::Answered))
    }

    fn answer(&mut self, number: CallId, answer: &Answer) -> Result<Option<Received>> {
        if self.callouts.any(|caller| caller.is_call(number)) {
            if *answer != Answer::ClientGone {
                bail!("the service has answered already, and the fallback has not");
            }
            self.callouts.forget(|caller| caller.is_call(number));
        }
        let mut call = self.calls.remove(&number).context("there is no such call")?;
        let now = self.callouts.timers.now();
        let progress = call.answer(self.instance(call.worker)?, answer, now)?;
        self.go_on(number, call, progress)
    }

    fn upstream(&mut self, cluster: &str, answers: CalloutAnswer) -> Result<()> {
        self.proxy.set_cluster(cluster, answers != CalloutAnswer::Unknown);
        self.callouts.set_answer(cluster, answers);
        Ok(())
    }

    fn release(&mut self, cluster: &str, answer: CalloutAnswer) -> Result<Vec<Late>> {
        let caller = self.callouts.release(cluster)?;
        Ok(self.answer_callout(caller, answer)?.into_iter().collect())
    }

    fn disturb(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Crash { worker } => self.crash(*worker)?,
            Event::Tick(Thread::Worker(worker)) => self.tick(*worker)?,
            Event::Tick(Thread::Main) => self.tick(self.workers)?,
            Event::WallClock { nanos } => {
                self.wall_offset = self.wall_offset.saturating_add(*nanos);
                self.set_clocks();
            }
            Event::LostRaces(count) => self.proxy.lose_races(*count),
            Event::Store(Store::Well) => self.proxy.mend_store(),
            Event::Store(Store::Unreadable) => self.proxy.break_store(Operation::Read),
            Event::Store(Store::Unwritable) => self.proxy.break_store(Operation::Write),
            Event::Store(Store::Garbage(service)) => self.proxy.store(&key(service), GARBAGE)?,
            Event::Store(Store::Newer(service)) => self.proxy.store(&key(service), NEWER)?,
            other => bail!("not a disturbance: {other:?}"),
        }
        Ok(())
    }

    fn status(&mut self, service: &str) -> Result<Status> {
        let bytes = stored_record(&self.config, service, |key| self.proxy.stored(key));
        let status = (self.read)(bytes.as_deref(), &configured_mode(&self.config, service));
        if let Some(shown) = self.instance(0)?.shown(service)? {
            ensure!(shown == status, "{service}: shown {shown:?}, stored {status:?}");
        }
        Ok(status)
    }

    fn metrics(&mut self) -> Result<Option<BTreeMap<String, u64>>> {
        Ok(Some(self.proxy.metrics()))
    }

    fn log(&mut self) -> Result<Option<Vec<String>>> {
        Ok(Some(self.proxy.take_log()))
    }

    fn callouts(&mut self) -> Result<Option<Made>> {
        Ok(Some(self.callouts.take_made()))
    }
}

/// The key of a service's record.
fn key(service: &str) -> String {
    format!("edge-breaker/v1/{service}")
}
