//! One configuration of the filter, with a worker for each of Envoy's threads.

use std::sync::{Mutex, OnceLock, PoisonError};
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
    /// As it was given: each worker reads it for itself.
    text: Vec<u8>,
    process: Process,
    defined: Defined,
    /// The main thread's, which sees no request.
    main: Worker,
    /// By their numbers. `None`: no stream has come there yet.
    workers: Box<[OnceLock<Option<Worker>>]>,
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
        let worker = Worker::new(
            config,
            Common { process: &process, defined: &defined },
            Caller::Main(main),
        );
        let common = Common { process: &process, defined: &defined };
        let period = worker.step(common, Caller::Main(main), |filter, _, _| filter.tick_period());
        let timer = Timer::start(period, main).map_err(|error| {
            format!("no timer ({error}): without one no health check is made and no breaker closes")
        })?;
        Ok(Self {
            text: text.to_vec(),
            process,
            defined,
            main: worker,
            workers: (0..main.workers()).map(|_| OnceLock::new()).collect(),
            calls: Mutex::default(),
            timer,
        })
    }

    /// How often its timer ticks.
    #[must_use]
    pub const fn tick_period(&self) -> Duration {
        self.timer.period
    }

    pub(crate) const fn common(&self) -> Common<'_> {
        Common { process: &self.process, defined: &self.defined }
    }

    /// The worker that a stream is on. It is put to work with its first stream. `None`: the stream is
    /// left alone.
    pub(crate) fn worker(&self, stream: OnStream) -> Option<&Worker> {
        let place = self.workers.get(stream.worker())?;
        place.get_or_init(|| self.begin(stream)).as_ref()
    }

    #[cold]
    fn begin(&self, stream: OnStream) -> Option<Worker> {
        // It was taken before, on the main thread.
        let config = read(&self.text).ok()?;
        Some(Worker::new(config, self.common(), Caller::Stream(stream)))
    }

    /// The worker of this number, if it is at work; `None`: the main thread's.
    fn at_work(&self, number: Option<usize>) -> Option<&Worker> {
        match number {
            None => Some(&self.main),
            Some(number) => self.workers.get(number)?.get()?.as_ref(),
        }
    }

    /// The timer has ticked: on the main thread, for all of them.
    pub(crate) fn on_tick(&self, main: OnMain) {
        self.timer.called();
        (0..self.workers.len()).for_each(|number| self.tick(Some(number), main));
        self.tick(None, main);
    }

    fn tick(&self, number: Option<usize>, main: OnMain) {
        let Some(worker) = self.at_work(number) else {
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

    /// A call is answered; no headers: it has failed.
    pub(crate) fn on_call_answer(&self, number: u64, headers: Option<HeadersOf<'_>>, main: OnMain) {
        let call = self.with_calls(|calls| {
            let place = calls.iter().position(|call| call.number == number)?;
            Some(calls.swap_remove(place))
        });
        let Some(Call { worker, pending, .. }) = call else {
            return;
        };
        let Some(worker) = self.at_work(worker) else {
            return;
        };
        let answer = match headers {
            None => CalloutAnswer::Failed,
            Some(headers) => CalloutAnswer::Answered(Headers::collect(headers.iter())),
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
    Config::read(|_| false, || Some(text.to_vec()))
}
