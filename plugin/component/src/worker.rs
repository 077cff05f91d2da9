//! One instance of the component: a configuration at work, and what is under way.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use breaker_filter::{Config, Effects, Exchange, Filter, Metric, PendingCheck, ServiceMetric};

use crate::bindings::exports::edge_breaker::guard::breaker as wit;
use crate::convert;
use crate::facts::Facts;

/// One configuration at work. Calls and checks hold on to the one that they began with.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) filter: Filter,
    pub(crate) services: Vec<String>,
    /// The names of the metrics, by their numbers.
    metrics: Vec<Option<String>>,
}

impl Worker {
    /// Puts a configuration to work.
    pub(crate) fn new(config: Config, effects: &mut Effects) -> Self {
        let services: Vec<_> = config.service_names().map(str::to_owned).collect();
        let mut metrics = vec![None; Metric::count(services.len())];
        for metric in Metric::all(services.len()) {
            if let Some(name) = metrics.get_mut(metric.index()) {
                *name = Some(stat_name(metric, &services));
            }
        }
        Self { filter: Filter::new(config, &Facts::default(), effects), services, metrics }
    }

    /// All metrics that effects may name.
    pub(crate) fn metrics(&self) -> Vec<wit::Metric> {
        // The gauge of a record's version is asked for, never set, and here there is none.
        let told = |metric: &Metric| !matches!(metric, Metric::Of(_, ServiceMetric::RecordVersion));
        let all = Metric::all(self.services.len()).filter(told);
        all.filter_map(|metric| {
            let name = self.name(metric)?.to_owned();
            Some(wit::Metric { name, kind: convert::metric_kind(metric.kind()) })
        })
        .collect()
    }

    /// What the host does besides.
    pub(crate) fn effects(&self, effects: Effects) -> wit::Effects {
        let metrics = effects.metrics.into_iter().filter_map(|(metric, change)| {
            let name = self.name(metric)?.to_owned();
            Some(wit::MetricChange { name, change: convert::change(change) })
        });
        wit::Effects {
            metrics: metrics.collect(),
            lines: effects.lines.into_iter().map(convert::log_line).collect(),
        }
    }

    fn name(&self, metric: Metric) -> Option<&str> {
        self.metrics.get(metric.index())?.as_deref()
    }
}

fn stat_name(metric: Metric, services: &[String]) -> String {
    let service = match metric {
        Metric::Of(number, _) => services.get(number).map_or("", String::as_str),
        _ => "",
    };
    metric.stat_name(service)
}

/// A call that is waited for.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) worker: Rc<Worker>,
    pub(crate) exchange: Exchange,
    /// The headers of the answer, once they have come: its end may be judged by them.
    pub(crate) fields: Vec<wit::Field>,
}

/// A health check that is waited for.
#[derive(Debug)]
pub(crate) struct UnderWay {
    pub(crate) worker: Rc<Worker>,
    pub(crate) pending: PendingCheck,
}

/// All that an instance keeps between two calls of the host.
#[derive(Debug, Default)]
pub(crate) struct Instance {
    /// The configuration in force; `None` until there is one.
    pub(crate) worker: Option<Rc<Worker>>,
    /// Those before it that have calls under way, oldest first.
    replaced: Vec<Rc<Worker>>,
    pub(crate) calls: BTreeMap<u64, Call>,
    pub(crate) checks: BTreeMap<u64, UnderWay>,
    last_number: u64,
}

impl Instance {
    const fn new() -> Self {
        Self {
            worker: None,
            replaced: Vec::new(),
            calls: BTreeMap::new(),
            checks: BTreeMap::new(),
            last_number: 0,
        }
    }

    /// Puts another configuration in force.
    pub(crate) fn replace(&mut self, worker: Worker) {
        self.replaced.extend(self.worker.replace(Rc::new(worker)));
        self.forget_idle();
    }

    /// Whoever is to tick. A replaced configuration does, as in a proxy, until its last call has
    /// ended: what such a call brings is written down like any other's.
    pub(crate) fn ticking(&mut self) -> Vec<Rc<Worker>> {
        self.forget_idle();
        self.replaced.iter().chain(&self.worker).map(Rc::clone).collect()
    }

    fn forget_idle(&mut self) {
        let calls = &self.calls;
        self.replaced.retain(|worker| calls.values().any(|call| Rc::ptr_eq(&call.worker, worker)));
    }

    /// A number that was not given out before.
    pub(crate) const fn next_number(&mut self) -> u64 {
        self.last_number = self.last_number.wrapping_add(1);
        self.last_number
    }
}

thread_local! {
    static INSTANCE: Cell<Instance> = const { Cell::new(Instance::new()) };
}

/// Works on the instance. A host cannot call in while it is called, so what is taken out here is
/// missed by nobody.
pub(crate) fn with_instance<R>(f: impl FnOnce(&mut Instance) -> R) -> R {
    let mut instance = INSTANCE.try_with(Cell::take).unwrap_or_default();
    let result = f(&mut instance);
    // It fails only at the end of a thread, which an instance does not live to see.
    let _ = INSTANCE.try_with(|cell| cell.set(instance));
    result
}
