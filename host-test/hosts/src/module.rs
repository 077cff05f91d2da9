//! The proxy-wasm module under wasmtime as a host of scenarios, as a proxy runs it: a VM for each
//! worker and one more on the main thread, which ticks but sees no request.

mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use host_test_proxy_wasm::{Call, CallAnswer, CallToken, LogLevel, Module, Plugin, Process};
use scenario::{
    Answer, CallId, CalloutAnswer, Configured, Event, GARBAGE, Host, Late, Made, NEWER, Received,
    Request, Sent, Status, Store, Thread, WALL_START, Worker,
};
use serde_json::Value;

use self::stream::{Next, Stream};
use crate::driver::{Callouts, Due};

/// The monotonic clock of a proxy that has been up for a while.
const MONOTONIC_START: Duration = Duration::from_secs(1_000);

const VM_ID: &str = "edge-breaker";

/// What a record says, or that there is none, of a service that is configured to be in this mode. The
/// module's own code knows its form; a host is told.
pub type ReadRecord = fn(Option<&[u8]>, &str) -> Status;

/// A process with workers.
pub struct ModuleHost {
    module: Module,
    read: ReadRecord,
    process: Process,
    workers: usize,
    /// The configuration at work.
    config: String,
    /// Those that a canary has taken: the proxy remembers.
    tried: BTreeSet<String>,
    /// Those that requests come to, and the main thread's.
    vms: Vec<host_test_proxy_wasm::Worker>,
    streams: BTreeMap<CallId, Stream>,
    callouts: Callouts<Owner>,
    wall_offset: i64,
}

/// Who waits for a call-out.
struct Owner {
    thread: Worker,
    token: CallToken,
    /// The request; `None`: it is a health check.
    call: Option<CallId>,
}

/// The key of a service's record.
fn key(service: &str) -> String {
    format!("edge-breaker/v1/{service}")
}

fn plugin() -> Plugin {
    Plugin { vm_id: VM_ID.to_owned(), ..Plugin::default() }
}

impl ModuleHost {
    /// A process with so many workers, which is given a configuration next.
    #[must_use]
    pub fn new(module: Module, workers: usize, read: ReadRecord) -> Self {
        let process = Process::new();
        process.set_log_level(LogLevel::Info);
        let mut host = Self {
            module,
            read,
            process,
            workers,
            config: String::new(),
            tried: BTreeSet::new(),
            vms: Vec::new(),
            streams: BTreeMap::new(),
            callouts: Callouts::default(),
            wall_offset: 0,
        };
        host.set_clocks(Duration::ZERO);
        host
    }

    fn set_clocks(&mut self, now: Duration) {
        let passed = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let wall = WALL_START.saturating_add_signed(passed.saturating_add(self.wall_offset));
        self.process.set_monotonic(MONOTONIC_START + now);
        self.process.set_wall(Duration::from_nanos(wall));
    }

    fn vm(&mut self, thread: Worker) -> Result<&mut host_test_proxy_wasm::Worker> {
        self.vms.get_mut(thread).with_context(|| format!("there is no thread {thread}"))
    }

    fn new_vm(&mut self, thread: Worker) -> Result<host_test_proxy_wasm::Worker> {
        let vm = host_test_proxy_wasm::Worker::start(
            &self.process,
            &self.module,
            plugin(),
            self.config.as_bytes(),
        )?;
        self.callouts.timers.tick_every(thread, vm.tick_period().unwrap_or_default());
        Ok(vm)
    }

    fn tick(&mut self, thread: Worker) -> Result<()> {
        for event in self.vm(thread)?.tick() {
            match event {
                host_test_proxy_wasm::Event::Call(call) => drop(self.call(thread, call, None)?),
                other => bail!("a tick brought {other:?}"),
            }
        }
        Ok(())
    }

    /// Makes a call-out. Returns what its client got if it was answered at once.
    fn call(&mut self, thread: Worker, made: Call, call: Option<CallId>) -> Result<Option<Late>> {
        let owner = Owner { thread, token: made.token, call };
        let timeout = made.timeout.unwrap_or(Duration::MAX);
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let headers = made.headers.iter().map(|(name, value)| (text(name), text(value))).collect();
        match self.callouts.make(&made.cluster, headers, timeout, owner) {
            None => Ok(None),
            Some((owner, answer)) => self.finish_call(&owner, answer),
        }
    }

    fn finish_call(&mut self, owner: &Owner, answer: CalloutAnswer) -> Result<Option<Late>> {
        let answer = match answer {
            CalloutAnswer::Status(status) => CallAnswer::status(status, "fallback"),
            CalloutAnswer::Refused | CalloutAnswer::Unknown | CalloutAnswer::Held => {
                CallAnswer::Failed
            }
        };
        let vm = self.vm(owner.thread)?;
        let events = vm.answer_call(owner.token, answer);
        let Some(call) = owner.call else {
            return Ok(None);
        };
        let mut stream = self.streams.remove(&call).context("the stream is gone")?;
        let received = stream.fallback_answered(self.vm(owner.thread)?, events)?;
        Ok(Some(Late { call, received }))
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
                Ok(self.call(thread, callout, Some(call))?.map(|late| late.received))
            }
        }
    }

    /// Why the module has refused a configuration.
    fn refusal(&self) -> String {
        let lines = self.process.take_log().into_iter().map(|line| line.message);
        let lines: Vec<_> = lines.map(|line| message(&line).to_owned()).collect();
        let reason = lines.iter().find_map(|line| line.strip_prefix("configuration refused: "));
        reason.map_or_else(|| lines.join("\n"), str::to_owned)
    }
}

impl Host for ModuleHost {
    fn configure(&mut self, config: &Value) -> Result<Configured> {
        let text = config.to_string();
        if !self.tried.contains(&text) {
            let (process, module) = (&self.process, &self.module);
            if host_test_proxy_wasm::Worker::canary(process, module, plugin(), text.as_bytes())
                .is_err()
            {
                return Ok(Configured::Refused(self.refusal()));
            }
            self.tried.insert(text.clone());
        }
        self.callouts.forget(|owner| owner.call.is_none());
        self.config = text;
        for thread in 0..=self.workers {
            if thread == self.vms.len() {
                let vm = self.new_vm(thread)?;
                self.vms.push(vm);
                continue;
            }
            let config = self.config.clone();
            let vm = self.vm(thread)?;
            vm.configure(config.as_bytes())?;
            let period = vm.tick_period().unwrap_or_default();
            self.callouts.timers.tick_every(thread, period);
        }
        Ok(Configured::Accepted)
    }

    fn advance(&mut self, by: Duration) -> Result<Vec<Late>> {
        let end = self.callouts.timers.now() + by;
        let mut late = Vec::new();
        while let Some(due) = self.callouts.timers.next(end) {
            self.set_clocks(self.callouts.timers.now());
            match due {
                Due::Tick(thread) => self.tick(thread)?,
                Due::Deadline(number) => {
                    if let Some(owner) = self.callouts.expire(number) {
                        late.extend(self.finish_call(&owner, CalloutAnswer::Refused)?);
                    }
                }
            }
        }
        self.set_clocks(end);
        Ok(late)
    }

    fn request(&mut self, call: CallId, request: &Request) -> Result<Sent> {
        let Self { vms, callouts, .. } = self;
        let vm = vms.get_mut(request.worker).context("there is no such worker")?;
        let (stream, next) =
            Stream::begin(vm, call, request, |cluster| callouts.answer_of(cluster))?;
        let received = self.go_on(call, stream, next)?;
        Ok(received.map_or(Sent::Forwarded, Sent::Answered))
    }

    fn answer(&mut self, call: CallId, answer: &Answer) -> Result<Option<Received>> {
        if self.callouts.any(|owner| owner.call == Some(call)) {
            if *answer != Answer::ClientGone {
                bail!("the service has answered already, and the fallback has not");
            }
            self.callouts.forget(|owner| owner.call == Some(call));
        }
        let mut stream = self.streams.remove(&call).context("there is no such stream")?;
        let next = stream.answer(self.vm(stream.worker)?, answer)?;
        self.go_on(call, stream, next)
    }

    fn upstream(&mut self, cluster: &str, answers: CalloutAnswer) -> Result<()> {
        self.process.set_cluster(cluster, answers != CalloutAnswer::Unknown);
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
                self.callouts.forget(|owner| owner.thread == *worker);
                let vm = self.new_vm(*worker)?;
                *self.vm(*worker)? = vm;
            }
            Event::Tick(Thread::Worker(worker)) => self.tick(*worker)?,
            Event::Tick(Thread::Main) => self.tick(self.workers)?,
            Event::WallClock { nanos } => {
                self.wall_offset = self.wall_offset.saturating_add(*nanos);
                self.set_clocks(self.callouts.timers.now());
            }
            Event::LostRaces(count) => self.process.lose_races((*count).into()),
            Event::Store(Store::Well) => self.process.clear_faults(),
            Event::Store(Store::Unreadable) => self.fail_store("proxy_get_shared_data"),
            Event::Store(Store::Unwritable) => self.fail_store("proxy_set_shared_data"),
            Event::Store(Store::Garbage(service)) => self.put(service, GARBAGE)?,
            Event::Store(Store::Newer(service)) => self.put(service, NEWER)?,
            other => bail!("not a disturbance: {other:?}"),
        }
        Ok(())
    }

    fn status(&mut self, service: &str) -> Result<Status> {
        let get = |key: &str| Some(self.process.shared_data(VM_ID, key.as_bytes())?.0);
        let bytes = scenario::stored_record(&self.config, service, get);
        let mode = scenario::configured_mode(&self.config, service);
        Ok((self.read)(bytes.as_deref(), &mode))
    }

    fn metrics(&mut self) -> Result<Option<BTreeMap<String, u64>>> {
        let metrics = self.process.metrics().into_iter();
        Ok(Some(metrics.map(|(name, (_, value))| (name, value)).collect()))
    }

    fn log(&mut self) -> Result<Option<Vec<String>>> {
        let lines = self.process.take_log().into_iter();
        Ok(Some(lines.map(|line| message(&line.message).to_owned()).collect()))
    }

    fn callouts(&mut self) -> Result<Option<Made>> {
        Ok(Some(self.callouts.take_made()))
    }
}

impl ModuleHost {
    /// Overwrites a service's record.
    fn put(&self, service: &str, bytes: &[u8]) -> Result<()> {
        let written = self.process.set_shared_data(VM_ID, key(service).as_bytes(), bytes, 0);
        written.map_err(|status| anyhow!("{status:?}"))
    }

    fn fail_store(&self, function: &'static str) {
        // Not as a proxy does that withholds the function, which the module would refuse.
        self.process.fail_hostcalls(
            function,
            host_test_proxy_wasm::Status::SerializationFailure,
            u64::MAX,
        );
    }
}

/// A line without what tells it from other plugins' lines.
fn message(line: &str) -> &str {
    line.strip_prefix("edge-breaker ").unwrap_or(line)
}
