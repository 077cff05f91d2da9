//! The proxy-wasm module under wasmtime, as a proxy runs it: a VM for each worker and one more on
//! the main thread, which ticks but sees no request.

mod stream;

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use breaker::Breaker;
use envoy_harness::repo_root;
use scenario::{
    Answer, CallId, CalloutAnswer, Configured, Due, Event, GARBAGE, Host, Late, Place, Received,
    Request, Sent, Status, Store, Timers, WALL_START, Worker,
};
use serde_json::Value;
use wasm_host::{Call, CallAnswer, CallToken, LogLevel, Module, Options, Plugin, Process};

use self::stream::{Next, Stream};

/// The monotonic clock of a proxy that has been up for a while.
const MONOTONIC_START: Duration = Duration::from_secs(1_000);

const VM_ID: &str = "edge-breaker";

/// Compiled once for all scenarios.
static MODULE: OnceLock<Result<Module, String>> = OnceLock::new();

/// A process with workers.
pub(crate) struct Wasm {
    process: Process,
    workers: usize,
    /// The configuration at work.
    config: String,
    /// Those that requests come to, and the main thread's.
    vms: Vec<wasm_host::Worker>,
    streams: BTreeMap<CallId, Stream>,
    upstreams: BTreeMap<String, CalloutAnswer>,
    timers: Timers<u64>,
    wall_offset: i64,
    /// Call-outs under way, oldest first.
    asked: VecDeque<Asked>,
    next_callout: u64,
    made: BTreeMap<String, u64>,
}

/// A call-out under way.
struct Asked {
    number: u64,
    thread: Worker,
    token: CallToken,
    cluster: String,
    /// The request that waits for it; `None`: a health check.
    owner: Option<CallId>,
}

fn module() -> Result<Module> {
    let load = || {
        let path = repo_root().join("target/wasm/edge_breaker.wasm");
        let bytes = std::fs::read(&path)
            .map_err(|error| format!("{}: {error}: run `make wasm`", path.display()))?;
        Module::new(&bytes, &Options::default()).map_err(|error| error.to_string())
    };
    MODULE.get_or_init(load).clone().map_err(|error| anyhow!(error))
}

fn plugin() -> Plugin {
    Plugin { vm_id: VM_ID.to_owned(), ..Plugin::default() }
}

impl Wasm {
    pub(crate) fn new(workers: usize) -> Self {
        let process = Process::new();
        process.set_log_level(LogLevel::Info);
        let mut host = Self {
            process,
            workers,
            config: String::new(),
            vms: Vec::new(),
            streams: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            timers: Timers::default(),
            wall_offset: 0,
            asked: VecDeque::new(),
            next_callout: 0,
            made: BTreeMap::new(),
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

    fn upstream_of(&self, cluster: &str) -> CalloutAnswer {
        self.upstreams.get(cluster).copied().unwrap_or(CalloutAnswer::Status(200))
    }

    fn vm(&mut self, thread: Worker) -> Result<&mut wasm_host::Worker> {
        self.vms.get_mut(thread).with_context(|| format!("there is no thread {thread}"))
    }

    fn new_vm(&mut self, thread: Worker) -> Result<wasm_host::Worker> {
        let vm =
            wasm_host::Worker::start(&self.process, &module()?, plugin(), self.config.as_bytes())?;
        self.timers.tick_every(thread, vm.tick_period().unwrap_or_default());
        Ok(vm)
    }

    fn tick(&mut self, thread: Worker) -> Result<()> {
        for event in self.vm(thread)?.tick() {
            match event {
                wasm_host::Event::Call(call) => drop(self.call(thread, call, None)?),
                other => bail!("a tick brought {other:?}"),
            }
        }
        Ok(())
    }

    /// Makes a call-out. Returns what its client got if it was answered at once.
    fn call(&mut self, thread: Worker, call: Call, owner: Option<CallId>) -> Result<Option<Late>> {
        *self.made.entry(call.cluster.clone()).or_default() += 1;
        let answer = self.upstream_of(&call.cluster);
        let number = self.next_callout;
        self.next_callout += 1;
        let asked = Asked { number, thread, token: call.token, cluster: call.cluster, owner };
        if answer != CalloutAnswer::Held {
            return self.finish_call(&asked, answer);
        }
        self.timers.set_deadline(call.timeout.unwrap_or(Duration::MAX), number);
        self.asked.push_back(asked);
        Ok(None)
    }

    fn finish_call(&mut self, asked: &Asked, answer: CalloutAnswer) -> Result<Option<Late>> {
        let answer = match answer {
            CalloutAnswer::Status(status) => CallAnswer::status(status, "fallback"),
            CalloutAnswer::Refused | CalloutAnswer::Held => CallAnswer::Failed,
        };
        let vm = self.vm(asked.thread)?;
        let events = vm.answer_call(asked.token, answer);
        let Some(call) = asked.owner else {
            return Ok(None);
        };
        let mut stream = self.streams.remove(&call).context("the stream is gone")?;
        let received = stream.fallback_answered(self.vm(asked.thread)?, events)?;
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

    /// Call-outs that nobody waits for any more are not answered.
    fn forget(&mut self, which: impl Fn(&Asked) -> bool) {
        let numbers: Vec<_> =
            self.asked.iter().filter(|asked| which(asked)).map(|asked| asked.number).collect();
        self.asked.retain(|asked| !numbers.contains(&asked.number));
        self.timers.forget(|number| numbers.contains(number));
    }

    /// Why the module has refused a configuration.
    fn refusal(&self) -> String {
        let lines = self.process.take_log().into_iter().map(|line| line.message);
        let lines: Vec<_> = lines.map(|line| told(&line).to_owned()).collect();
        let reason = lines.iter().find_map(|line| line.strip_prefix("configuration refused: "));
        reason.map_or_else(|| lines.join("\n"), str::to_owned)
    }
}

impl Host for Wasm {
    fn configure(&mut self, config: &Value) -> Result<Configured> {
        let text = config.to_string();
        if wasm_host::Worker::canary(&self.process, &module()?, plugin(), text.as_bytes()).is_err()
        {
            return Ok(Configured::Refused(self.refusal()));
        }
        self.forget(|asked| asked.owner.is_none());
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
            self.timers.tick_every(thread, period);
        }
        Ok(Configured::Accepted)
    }

    fn advance(&mut self, by: Duration) -> Result<Vec<Late>> {
        let end = self.timers.now() + by;
        let mut late = Vec::new();
        while let Some(due) = self.timers.next(end) {
            self.set_clocks(self.timers.now());
            match due {
                Due::Tick(thread) => self.tick(thread)?,
                Due::Deadline(number) => {
                    let found = self.asked.iter().position(|asked| asked.number == number);
                    if let Some(asked) = found.and_then(|at| self.asked.remove(at)) {
                        late.extend(self.finish_call(&asked, CalloutAnswer::Refused)?);
                    }
                }
            }
        }
        self.set_clocks(end);
        Ok(late)
    }

    fn request(&mut self, call: CallId, request: &Request) -> Result<Sent> {
        let upstreams = self.upstreams.clone();
        let cluster_of =
            |cluster: &str| upstreams.get(cluster).copied().unwrap_or(CalloutAnswer::Status(200));
        let vm = self.vm(request.worker)?;
        let (stream, next) = Stream::begin(vm, request, cluster_of)?;
        let received = self.go_on(call, stream, next)?;
        Ok(received.map_or(Sent::Forwarded, Sent::Answered))
    }

    fn answer(&mut self, call: CallId, answer: &Answer) -> Result<Option<Received>> {
        if self.asked.iter().any(|asked| asked.owner == Some(call)) {
            if *answer != Answer::ClientGone {
                bail!("the service has answered already, and the fallback has not");
            }
            self.forget(|asked| asked.owner == Some(call));
        }
        let mut stream = self.streams.remove(&call).context("there is no such stream")?;
        let next = stream.answer(self.vm(stream.worker)?, answer)?;
        self.go_on(call, stream, next)
    }

    fn upstream(&mut self, cluster: &str, answers: CalloutAnswer) -> Result<()> {
        self.upstreams.insert(cluster.to_owned(), answers);
        Ok(())
    }

    fn release(&mut self, cluster: &str, answer: CalloutAnswer) -> Result<Vec<Late>> {
        let oldest = self.asked.iter().position(|asked| asked.cluster == cluster);
        let asked = oldest.and_then(|at| self.asked.remove(at));
        let asked = asked.with_context(|| format!("{cluster} holds no call-out back"))?;
        self.timers.forget(|number| *number == asked.number);
        Ok(self.finish_call(&asked, answer)?.into_iter().collect())
    }

    fn disturb(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Crash { worker } => {
                self.streams.retain(|_, stream| stream.worker != *worker);
                self.forget(|asked| asked.thread == *worker);
                let vm = self.new_vm(*worker)?;
                *self.vm(*worker)? = vm;
            }
            Event::Tick(Place::Worker(worker)) => self.tick(*worker)?,
            Event::Tick(Place::Main) => self.tick(self.workers)?,
            Event::WallClock { nanos } => {
                self.wall_offset = self.wall_offset.saturating_add(*nanos);
                self.set_clocks(self.timers.now());
            }
            Event::LostRaces(count) => self.process.lose_races((*count).into()),
            Event::Store(Store::Well) => self.process.clear_faults(),
            Event::Store(Store::Unreadable) => self.fail_store("proxy_get_shared_data"),
            Event::Store(Store::Unwritable) => self.fail_store("proxy_set_shared_data"),
            Event::Store(Store::Garbage(service)) => {
                let written = self.process.set_shared_data(VM_ID, &key(service), GARBAGE, 0);
                written.map_err(|status| anyhow!("{status:?}"))?;
            }
            other => bail!("not a disturbance: {other:?}"),
        }
        Ok(())
    }

    fn status(&mut self, service: &str) -> Result<Status> {
        let record = self.process.shared_data(VM_ID, &key(service));
        let breaker = record.and_then(|(bytes, _)| Breaker::decode(&bytes).ok());
        let status = breaker.unwrap_or_default().status();
        Ok(Status {
            state: status.state.name().to_owned(),
            failure_count: status.failures.into(),
            generation: status.generation.number(),
            trip_reason: status.trip_reason.map(|reason| reason.name().to_owned()),
        })
    }

    fn metrics(&mut self) -> Result<Option<BTreeMap<String, u64>>> {
        let metrics = self.process.metrics().into_iter();
        Ok(Some(metrics.map(|(name, (_, value))| (name, value)).collect()))
    }

    fn log(&mut self) -> Result<Option<Vec<String>>> {
        let lines = self.process.take_log().into_iter();
        Ok(Some(lines.map(|line| told(&line.message).to_owned()).collect()))
    }

    fn callouts(&mut self) -> Result<Option<BTreeMap<String, u64>>> {
        Ok(Some(std::mem::take(&mut self.made)))
    }
}

impl Wasm {
    fn fail_store(&self, function: &'static str) {
        self.process.fail_hostcalls(function, wasm_host::Status::InternalFailure, u64::MAX);
    }
}

fn key(service: &str) -> Vec<u8> {
    format!("edge-breaker/v1/{service}").into_bytes()
}

/// A line without what tells it from other plugins' lines.
fn told(line: &str) -> &str {
    line.strip_prefix("edge-breaker ").unwrap_or(line)
}
