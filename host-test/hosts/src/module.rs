//! The proxy-wasm module under wasmtime as a host of scenarios, as a proxy runs it: a VM for each
//! thread.

mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use host_test_proxy_wasm::{
    Call, CallAnswer, CallToken, Event, LogLevel, Module, Plugin, Process, Status, Worker,
};
use scenario::{CallId, CalloutAnswer, Configured, Host, Request};

use self::stream::ModuleStream;
use crate::driver::{Admission, Callout, Driver, Instance, Operation, ReadRecord, VirtualProxy};

const VM_ID: &str = "edge-breaker";

/// A process that runs the module.
struct ModuleProxy {
    module: Module,
    process: Process,
    /// The configurations that a canary has taken: the proxy remembers.
    tried: BTreeSet<String>,
}

/// A process with so many workers, which is given a configuration next.
#[must_use]
pub fn module_host(module: Module, workers: usize, read: ReadRecord) -> impl Host {
    let process = Process::new();
    process.set_log_level(LogLevel::Info);
    Driver::new(ModuleProxy { module, process, tried: BTreeSet::new() }, workers, read)
}

fn plugin() -> Plugin {
    Plugin { vm_id: VM_ID.to_owned(), ..Plugin::default() }
}

impl ModuleProxy {
    /// Why the module has refused a configuration.
    fn refusal(&mut self) -> String {
        let lines = self.take_log();
        let reason = lines.iter().find_map(|line| line.strip_prefix("configuration refused: "));
        reason.map_or_else(|| lines.join("\n"), str::to_owned)
    }
}

impl VirtualProxy for ModuleProxy {
    type Instance = Worker;

    fn set_clocks(&mut self, monotonic: Duration, wall: Duration) {
        self.process.set_clocks(monotonic, wall);
    }

    fn check(&mut self, config: &str) -> Result<Configured> {
        if !self.tried.contains(config) {
            let (process, module) = (&self.process, &self.module);
            if Worker::canary(process, module, plugin(), config.as_bytes()).is_err() {
                return Ok(Configured::Refused(self.refusal()));
            }
            self.tried.insert(config.to_owned());
        }
        Ok(Configured::Accepted)
    }

    fn start(&mut self, config: &str) -> Result<(Worker, Duration)> {
        let vm = Worker::start(&self.process, &self.module, plugin(), config.as_bytes())?;
        let period = vm.tick_period().unwrap_or_default();
        Ok((vm, period))
    }

    fn set_cluster(&mut self, name: &str, is_there: bool) {
        self.process.set_cluster(name, is_there);
    }

    fn break_store(&mut self, operation: Operation) {
        let function = match operation {
            Operation::Read => "proxy_get_shared_data",
            Operation::Write => "proxy_set_shared_data",
        };
        // Not as a proxy does that withholds the function, which the module would refuse.
        self.process.fail_hostcalls(function, Status::SerializationFailure, u64::MAX);
    }

    fn mend_store(&mut self) {
        self.process.clear_faults();
    }

    fn lose_races(&mut self, count: u32) {
        self.process.lose_races(count.into());
    }

    fn stored(&self, key: &str) -> Option<Vec<u8>> {
        Some(self.process.shared_data(VM_ID, key.as_bytes())?.0)
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<()> {
        let written = self.process.set_shared_data(VM_ID, key.as_bytes(), value, 0);
        written.map_err(|status| anyhow!("{status:?}"))
    }

    fn metrics(&self) -> BTreeMap<String, u64> {
        let metrics = self.process.metrics().into_iter();
        metrics.map(|(name, (_, value))| (name, value)).collect()
    }

    fn take_log(&mut self) -> Vec<String> {
        let lines = self.process.take_log().into_iter();
        lines.map(|line| message(&line.message).to_owned()).collect()
    }
}

impl Instance for Worker {
    type Stream = ModuleStream;
    type Token = CallToken;

    fn configure(&mut self, config: &str) -> Result<Duration> {
        Self::configure(self, config.as_bytes())?;
        Ok(self.tick_period().unwrap_or_default())
    }

    fn tick(&mut self) -> Result<Vec<(CallToken, Callout)>> {
        let events = Self::tick(self).into_iter();
        let callouts = events.map(|event| match event {
            Event::Call(call) => Ok((call.token, callout(&call))),
            other => bail!("a tick brought {other:?}"),
        });
        callouts.collect()
    }

    fn on_callout_answer(&mut self, token: CallToken, answer: CalloutAnswer) -> Result<()> {
        self.answer_call(token, call_answer(answer));
        Ok(())
    }

    fn on_request(&mut self, call: CallId, request: &Request) -> Result<(ModuleStream, Admission)> {
        ModuleStream::begin(self, call, request)
    }
}

/// A callout as the module has made it.
fn callout(call: &Call) -> Callout {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Callout {
        cluster: call.cluster.clone(),
        headers: call.headers.iter().map(|(name, value)| (text(name), text(value))).collect(),
        timeout: call.timeout.unwrap_or(Duration::MAX),
    }
}

fn call_answer(answer: CalloutAnswer) -> CallAnswer {
    match answer {
        CalloutAnswer::Status(status) => CallAnswer::status(status, "fallback"),
        CalloutAnswer::Refused | CalloutAnswer::Unknown | CalloutAnswer::Held => CallAnswer::Failed,
    }
}

/// A line without the plugin's name before it.
fn message(line: &str) -> &str {
    line.strip_prefix("edge-breaker ").unwrap_or(line)
}
