//! The dynamic module in an Envoy that is made up, as a host of scenarios: one configuration for all
//! threads.

mod stream;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use host_test_dynamic_module::{Call, Configuration, Fault, Headers, Process, Refused};
use scenario::{CallId, CalloutAnswer, Configured, Host, Request};

use self::stream::ModuleStream;
use crate::driver::{Admission, Callout, Driver, Instance, Operation, VirtualProxy};
use crate::record;

const FILTER: &str = "edge_breaker";

/// A process with so many workers, which is given a configuration next.
pub(crate) fn dynamic_module_host(workers: usize) -> impl Host {
    let process = Process::new(u32::try_from(workers).unwrap_or(u32::MAX));
    let envoy = Envoy { process, workers, threads: 0, at_work: Rc::default() };
    Driver::new(envoy, workers, record::status)
}

/// A process that runs the module.
struct Envoy {
    process: Process,
    workers: usize,
    /// How many threads were started.
    threads: usize,
    at_work: Rc<RefCell<AtWork>>,
}

/// The configurations of a process.
#[derive(Default)]
struct AtWork {
    current: Option<Configuration>,
    /// Those that were replaced, as long as streams of theirs are under way.
    replaced: Vec<Configuration>,
}

/// A thread of the process.
struct Thread {
    process: Process,
    number: usize,
    is_main: bool,
    at_work: Rc<RefCell<AtWork>>,
}

impl VirtualProxy for Envoy {
    type Instance = Thread;

    fn set_clocks(&mut self, monotonic: Duration, wall: Duration) {
        self.process.set_clocks(monotonic, wall);
    }

    fn check(&mut self, config: &str) -> Result<Configured> {
        // Apart from the process, as an Envoy that takes a configuration puts it to work at once.
        let Err(Refused(lines)) = Process::new(1).configure(FILTER, config) else {
            return Ok(Configured::Accepted);
        };
        let lines = lines.iter().map(|line| message(line));
        let reason = lines.clone().find_map(|line| line.strip_prefix("configuration refused: "));
        let reason = reason.map_or_else(|| lines.collect::<Vec<_>>().join("\n"), str::to_owned);
        Ok(Configured::Refused(reason))
    }

    fn start(&mut self, config: &str) -> Result<(Thread, Duration)> {
        let (process, at_work) = (self.process.clone(), Rc::clone(&self.at_work));
        let (number, is_main) = (self.threads, self.threads == self.workers);
        self.threads += 1;
        let mut thread = Thread { process, number, is_main, at_work };
        let period = thread.configure(config)?;
        Ok((thread, period))
    }

    fn set_cluster(&mut self, name: &str, is_there: bool) {
        self.process.set_cluster(name, is_there);
    }

    fn break_store(&mut self, operation: Operation) {
        self.process.break_store(match operation {
            Operation::Read => Fault::Unreadable,
            Operation::Write => Fault::Unwritable,
        });
    }

    fn mend_store(&mut self) {
        self.process.mend_store();
    }

    fn lose_races(&mut self, count: u32) {
        self.process.lose_races(count);
    }

    fn stored(&self, key: &str) -> Option<Vec<u8>> {
        Some(self.process.stored(key)?.0)
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<()> {
        ensure!(self.process.store(key, value), "nothing is written under {key}");
        Ok(())
    }

    fn metrics(&self) -> BTreeMap<String, u64> {
        self.process.metrics()
    }

    fn take_log(&mut self) -> Vec<String> {
        self.process.take_log().iter().map(|line| message(line).to_owned()).collect()
    }
}

impl Instance for Thread {
    type Stream = ModuleStream;
    /// Envoy's number, which no other call of the process has.
    type Token = u64;

    fn configure(&mut self, config: &str) -> Result<Duration> {
        // All threads have the same, and the first one of them has it made.
        if self.number == 0 {
            let made = self.process.configure(FILTER, config);
            let made = made.map_err(|Refused(lines)| anyhow!(lines.join("\n")))?;
            let mut at_work = self.at_work.borrow_mut();
            let replaced = at_work.current.replace(made);
            at_work.replaced.extend(replaced);
        }
        Ok(self.configuration()?.tick_period())
    }

    fn tick(&mut self) -> Result<Vec<(u64, Callout)>> {
        let mut at_work = self.at_work.borrow_mut();
        at_work.replaced.retain(Configuration::is_in_use);
        let worker = u32::try_from(self.number).ok().filter(|_| !self.is_main);
        let ticking = at_work.replaced.iter().chain(&at_work.current);
        let calls = ticking.flat_map(|configuration| configuration.tick(worker));
        Ok(calls.map(|call| (call.number, callout(&call))).collect())
    }

    fn on_callout_answer(&mut self, call: u64, answer: CalloutAnswer) -> Result<()> {
        let at_work = self.at_work.borrow();
        let answer = headers_of(answer);
        for configuration in at_work.replaced.iter().chain(&at_work.current) {
            configuration.answer(call, answer.as_ref().map(|headers| (headers, &b"fallback"[..])));
        }
        Ok(())
    }

    fn on_request(&mut self, call: CallId, request: &Request) -> Result<(ModuleStream, Admission)> {
        let worker = u32::try_from(self.number)?;
        ModuleStream::begin(self.configuration()?.stream(worker), call, request)
    }
}

impl Thread {
    fn configuration(&self) -> Result<Configuration> {
        self.at_work.borrow().current.clone().context("there is no configuration")
    }
}

/// A call as the module has made it.
fn callout(call: &Call) -> Callout {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Callout {
        cluster: call.cluster.clone(),
        headers: call.headers.iter().map(|(name, value)| (text(name), text(value))).collect(),
        timeout: call.timeout,
    }
}

/// The headers that a call is answered with; `None`: it has failed.
fn headers_of(answer: CalloutAnswer) -> Option<Headers> {
    match answer {
        CalloutAnswer::Status(status) => {
            Some(vec![(b":status".to_vec(), status.to_string().into_bytes())])
        }
        CalloutAnswer::Refused | CalloutAnswer::Unknown | CalloutAnswer::Held => None,
    }
}

/// A line without the module's name before it.
fn message(line: &str) -> &str {
    line.strip_prefix("edge-breaker ").unwrap_or(line)
}
