//! One configuration of the filter, with a worker for each of Envoy's threads.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use filter::{CalloutAnswer, Config, Headers, PendingCallout};

use crate::abi::LogLevel;
use crate::clock::ProcessClock;
use crate::envoy::{self, HeadersOf, NotMade, OnMain, OnStream};
use crate::metrics::{Caller, Defined};
use crate::proxy::Process;
use crate::store::Shared;
use crate::timer::Timer;
use crate::worker::{Common, Worker};

/// The name of the filter. A module may have several: this one has one.
const NAME: &str = "edge_breaker";

/// Configurations share their breakers with those of the same name: what follows the filter's own, after
/// a slash. `None`: it is another filter's.
fn space(name: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(name).ok()?;
    match name.strip_prefix(NAME).unwrap_or(name) {
        "" => Some(""),
        rest => rest.strip_prefix('/').filter(|_| name.starts_with(NAME)),
    }
}

/// A configuration at work.
#[derive(Debug)]
pub struct Configuration {
    process: Process,
    defined: Defined,
    /// By their numbers.
    workers: Box<[Worker]>,
    /// The main thread's, which sees no request.
    main: Worker,
    /// Calls that were made and are not answered, by Envoy's numbers.
    calls: Mutex<Vec<Call>>,
    timer: Timer,
}

/// A call that the filter of one thread waits for.
#[derive(Debug)]
struct Call {
    number: u64,
    /// `None`: that of the main thread.
    worker: Option<usize>,
    pending: PendingCallout,
}

impl Configuration {
    /// Puts a configuration to work; `None`: it is refused, and the log says why.
    pub(crate) fn new(name: &[u8], text: &[u8], main: OnMain) -> Option<Self> {
        match Self::try_new(name, text, main) {
            Ok(configuration) => Some(configuration),
            Err(problem) => {
                let line = format!("edge-breaker configuration refused: {problem}");
                envoy::log(LogLevel::Error, &line);
                None
            }
        }
    }

    fn try_new(name: &[u8], text: &[u8], main: OnMain) -> Result<Self, String> {
        let space = space(name).ok_or_else(|| {
            format!(
                "filter_name: \"{}\" is none of this module's: say \"edge_breaker\", nothing, or \
                 \"edge_breaker/NAME\" for breakers of its own",
                String::from_utf8_lossy(name)
            )
        })?;
        let config = read(text)?;
        let process = Process { store: Shared::find(space)?, clock: ProcessClock::find() };
        let plain = config.services.iter().filter(|service| service.name.is_plain());
        let is_all_known = plain.clone().count() == config.services.len();
        let names = plain.map(|service| service.name.text());
        let defined = Defined::new(names, is_all_known, main);
        let common = Common { process: &process, defined: &defined };
        let caller = Caller::Main(main);
        // Each reads it for itself, and now: the first request of a worker takes no longer than others.
        let workers = (0..main.workers()).map(|_| Ok(Worker::new(read(text)?, common, caller)));
        let workers = workers.collect::<Result<Box<[_]>, String>>()?;
        let of_main = Worker::new(config, common, caller);
        let period = of_main.step(common, caller, |filter, _, _| filter.tick_period());
        let timer = Timer::start(period, workers.len(), main).map_err(|error| {
            format!("no timer ({error}): without one no health check is made and no breaker closes")
        })?;
        Ok(Self { process, defined, workers, main: of_main, calls: Mutex::default(), timer })
    }

    /// How often its timer ticks.
    #[must_use]
    pub const fn tick_period(&self) -> Duration {
        self.timer.period
    }

    pub(crate) const fn common(&self) -> Common<'_> {
        Common { process: &self.process, defined: &self.defined }
    }

    /// The worker that a stream is on. `None`: Envoy has never told of it.
    pub(crate) fn worker(&self, stream: OnStream) -> Option<&Worker> {
        self.workers.get(stream.worker())
    }

    /// The worker of this number; `None`: the main thread's.
    fn thread(&self, number: Option<usize>) -> Option<&Worker> {
        number.map_or(Some(&self.main), |number| self.workers.get(number))
    }

    /// The timer has ticked for a thread. All of this is done on the main one.
    pub(crate) fn on_tick(&self, event: u64, main: OnMain) {
        self.timer.called(event);
        let number = usize::try_from(event).unwrap_or(usize::MAX);
        let number = Some(number).filter(|number| *number != self.workers.len());
        let Some(worker) = self.thread(number) else {
            return;
        };
        let caller = Caller::Main(main);
        let callouts = worker
            .step(self.common(), caller, |filter, proxy, effects| filter.on_tick(proxy, effects));
        for callout in callouts {
            let (pending, request) = callout.into_parts();
            let answer = match main.call(&request) {
                Ok(call) => {
                    self.with_calls(|calls| {
                        calls.push(Call { number: call, worker: number, pending })
                    });
                    continue;
                }
                Err(NotMade::Failed) => CalloutAnswer::Failed,
                Err(NotMade::UnknownCluster) => CalloutAnswer::UnknownCluster,
            };
            worker.step(self.common(), caller, |filter, proxy, effects| {
                filter.on_callout_answer(pending, &answer, proxy, effects);
            });
        }
    }

    /// A call is answered, by headers and a body that is read if it matters; `None`: it has failed.
    pub(crate) fn on_call_answer(
        &self,
        number: u64,
        answer: Option<(HeadersOf<'_>, &dyn Fn() -> Vec<u8>)>,
        main: OnMain,
    ) {
        let call = self.with_calls(|calls| {
            let place = calls.iter().position(|call| call.number == number)?;
            Some(calls.swap_remove(place))
        });
        let Some(Call { worker, pending, .. }) = call else {
            return;
        };
        let Some(worker) = self.thread(worker) else {
            return;
        };
        let answer = match answer {
            None => CalloutAnswer::Failed,
            Some((headers, body)) => {
                let mut body = if pending.wanted_body() > 0 { body() } else { Vec::new() };
                body.truncate(pending.wanted_body());
                CalloutAnswer::Answered(Headers::collect(headers.iter()), body)
            }
        };
        worker.step(self.common(), Caller::Main(main), |filter, proxy, effects| {
            filter.on_callout_answer(pending, &answer, proxy, effects);
        });
    }

    fn with_calls<R>(&self, f: impl FnOnce(&mut Vec<Call>) -> R) -> R {
        f(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Nothing is withheld from a module.
fn read(text: &[u8]) -> Result<Config, String> {
    Config::read(&mut |_| false, &|| Some(text.to_vec()))
}
