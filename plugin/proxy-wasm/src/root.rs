//! One plugin configuration on one worker: configured once, ticking from then on.

use std::collections::BTreeMap;
use std::rc::Rc;

use breaker_filter::{Config, Effects, ErrandAnswer, Filter, PendingErrand};
use proxy_wasm::traits::{Context, RootContext};

use crate::contexts;
use crate::host::{self, Buffer, LogLevel, Map, Proxy};
use crate::metrics::MetricIds;

/// What the streams of a configuration share on a worker.
pub(crate) struct Worker {
    pub(crate) filter: Filter,
    pub(crate) metrics: MetricIds,
}

impl Worker {
    pub(crate) const fn proxy(&self) -> Proxy<'_> {
        Proxy { metrics: &self.metrics }
    }

    /// Runs the filter, and applies what it wants done besides what it returns.
    fn run<R>(&self, f: impl FnOnce(&mut Effects) -> R) -> Option<R> {
        contexts::with_effects(|effects| {
            let result = f(effects);
            self.metrics.apply(effects);
            result
        })
    }
}

pub(crate) struct Root {
    number: u32,
    worker: Option<Rc<Worker>>,
    /// Calls of the timer under way, by the proxy's numbers.
    errands: BTreeMap<u32, PendingErrand>,
}

impl Root {
    pub(crate) fn new(number: u32) -> Self {
        contexts::set_root(number, None);
        Self { number, worker: None, errands: BTreeMap::new() }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, headers: usize, _: usize, _: usize) {
        let (Some(worker), Some(pending)) = (self.worker.clone(), self.errands.remove(&call))
        else {
            return;
        };
        // No headers: the call was reset, or its answer too large.
        let answer = match headers {
            0 => ErrandAnswer::Failed,
            _ => ErrandAnswer::Answered(host::headers(Map::CallResponse)),
        };
        worker.run(|effects| {
            worker.filter.on_errand_answer(pending, &answer, &worker.proxy(), effects);
        });
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let bytes = match size {
            0 => Vec::new(),
            size => host::buffer(Buffer::Configuration, size).unwrap_or_default(),
        };
        let config = match Config::parse(&bytes) {
            Ok(config) => config,
            Err(error) => {
                let line = format!("edge-breaker configuration refused: {error}");
                host::log(LogLevel::Error, &line);
                return false;
            }
        };
        let mut effects = Effects::default();
        let metrics = MetricIds::of_module();
        let filter = Filter::new(config, &Proxy { metrics: &metrics }, &mut effects);
        metrics.apply(&mut effects);
        host::set_tick_period(filter.tick_period());
        self.worker = Some(Rc::new(Worker { filter, metrics }));
        contexts::set_root(self.number, self.worker.clone());
        true
    }

    fn on_tick(&mut self) {
        let Some(worker) = self.worker.clone() else {
            return;
        };
        worker.run(|effects| {
            for errand in worker.filter.on_tick(&worker.proxy(), effects) {
                let (pending, callout) = errand.into_parts();
                match host::call_for_root(&callout) {
                    Some(call) => {
                        self.errands.insert(call, pending);
                    }
                    None => {
                        let failed = ErrandAnswer::Failed;
                        worker.filter.on_errand_answer(pending, &failed, &worker.proxy(), effects);
                    }
                }
            }
        });
    }
}
