//! One instance of the component: a configuration at work, and what is under way.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use filter::{Config, Effects, Exchange, Filter, Metric, PendingCallout};

use crate::bindings::exports::edge_breaker::guard::breaker as wit;
use crate::convert;
use crate::facts::Facts;

/// One configuration at work. Calls and errands hold on to the one that they began with.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) filter: Filter,
    /// How many services' metrics the host has defined.
    defined: Cell<usize>,
}

impl Worker {
    /// Puts a configuration to work.
    pub(crate) fn new(config: Config, effects: &mut Effects) -> Self {
        let filter = Filter::new(config, &Facts::default(), effects);
        Self { filter, defined: Cell::new(0) }
    }

    /// The metrics of no service.
    pub(crate) fn metrics_of_module(&self) -> Vec<wit::Metric> {
        let shown = Metric::of_module().filter(|metric| !metric.is_for_own_use());
        shown.map(|metric| self.metric(metric)).collect()
    }

    /// Those of the services that the host has not defined yet.
    pub(crate) fn take_defined(&self) -> Vec<wit::Metric> {
        let mut defined = Vec::new();
        while self.filter.series_name(self.defined.get()).is_some() {
            let number = self.defined.get();
            self.defined.set(number.saturating_add(1));
            let shown = Metric::of_service(number).filter(|metric| !metric.is_for_own_use());
            defined.extend(shown.map(|metric| self.metric(metric)));
        }
        defined
    }

    /// What the host does besides.
    pub(crate) fn effects(&self, effects: Effects) -> wit::Effects {
        let metrics = effects.metrics.into_iter().map(|(metric, change)| wit::MetricChange {
            name: self.stat_name(metric),
            change: convert::change(change),
        });
        wit::Effects {
            defined: self.take_defined(),
            metrics: metrics.collect(),
            lines: effects.lines.into_iter().map(convert::log_line).collect(),
        }
    }

    fn metric(&self, metric: Metric) -> wit::Metric {
        wit::Metric { name: self.stat_name(metric), kind: convert::metric_kind(metric.kind()) }
    }

    fn stat_name(&self, metric: Metric) -> String {
        let service = match metric {
            Metric::Of(number, _) => self.filter.series_name(number),
            _ => None,
        };
        metric.stat_name(service.as_deref().unwrap_or_default())
    }
}

/// A call that is waited for.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) worker: Rc<Worker>,
    pub(crate) exchange: Exchange,
    /// Whether the host tells of the request's body.
    pub(crate) has_body: bool,
    /// Whether the head of an answer has come.
    pub(crate) answered: bool,
    /// The headers of the answer, once they have come: its end may be judged by them.
    pub(crate) fields: Vec<wit::Field>,
}

/// A call of the timer that is waited for.
#[derive(Debug)]
pub(crate) struct UnderWay {
    pub(crate) worker: Rc<Worker>,
    pub(crate) pending: PendingCallout,
}

/// All that an instance keeps between two calls of the host.
#[derive(Debug, Default)]
pub(crate) struct Instance {
    /// The configuration in force; `None` until there is one.
    pub(crate) worker: Option<Rc<Worker>>,
    /// Those before it that have calls under way, oldest first.
    replaced: Vec<Rc<Worker>>,
    pub(crate) calls: BTreeMap<u64, Call>,
    pub(crate) errands: BTreeMap<u64, UnderWay>,
    /// What is to be done and was not returned yet: pieces of a body and errors return no effects.
    pub(crate) pending: Vec<wit::Effects>,
    last_number: u64,
}

impl Instance {
    const fn new() -> Self {
        Self {
            worker: None,
            replaced: Vec::new(),
            calls: BTreeMap::new(),
            errands: BTreeMap::new(),
            pending: Vec::new(),
            last_number: 0,
        }
    }

    /// What is to be done now, after all that was not returned before.
    pub(crate) fn with_pending(&mut self, now: wit::Effects) -> wit::Effects {
        let mut all = wit::Effects { defined: Vec::new(), metrics: Vec::new(), lines: Vec::new() };
        for wit::Effects { defined, metrics, lines } in self.pending.drain(..).chain([now]) {
            all.defined.extend(defined);
            all.metrics.extend(metrics);
            all.lines.extend(lines);
        }
        all
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
