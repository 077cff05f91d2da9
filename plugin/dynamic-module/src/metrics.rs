//! Metrics: as Envoy shows them, and the numbers that all workers share of them.
//!
//! Envoy can define a metric only while a configuration is made. So each of a service whose name is
//! known then is defined as it is in the other form of the filter: a metric by itself, with its labels
//! in its name. A name that is made at run time is the label of one that was defined for all of them.

use std::cell::RefCell;

use filter::{Change, Effects, LABEL_PREFIX, Level, Metric, MetricKind, ServiceMetric};

use crate::abi::{Bytes, LogLevel};
use crate::envoy::{self, OnMain, OnStream};
use crate::store::{Shared, SharedNumber};

/// On whose behalf Envoy is called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller {
    Stream(OnStream),
    Main(OnMain),
}

impl Caller {
    fn count(self, id: usize, labels: &[Bytes], by: u64) {
        match self {
            Self::Stream(stream) => stream.count(id, labels, by),
            Self::Main(main) => main.count(id, labels, by),
        }
    }

    fn set(self, id: usize, labels: &[Bytes], value: u64) {
        match self {
            Self::Stream(stream) => stream.set(id, labels, value),
            Self::Main(main) => main.set(id, labels, value),
        }
    }
}

/// What a configuration has defined: Envoy's numbers.
#[derive(Debug, Default)]
pub(crate) struct Defined {
    /// By the metrics' own numbers: of the module, and of the services whose names are known.
    plain: Vec<Option<usize>>,
    /// By the rows of [`ServiceMetric::ROWS`]: of all others, with labels.
    labelled: Vec<Option<usize>>,
}

impl Defined {
    /// Defines the metrics of services with these names, and if not all are known, those of the others.
    pub(crate) fn new<'a>(
        names: impl Iterator<Item = &'a str>,
        is_all_known: bool,
        main: OnMain,
    ) -> Self {
        let mut defined = Self::default();
        Metric::of_module().for_each(|metric| defined.define(metric, "", main));
        for (series, name) in names.enumerate() {
            Metric::of_service(series).for_each(|metric| defined.define(metric, name, main));
        }
        if !is_all_known {
            defined.labelled = ServiceMetric::ROWS
                .iter()
                .map(|row| {
                    let labels = [&["service"], row.labels].concat();
                    let labels = labels.iter().map(|label| [LABEL_PREFIX, label].concat());
                    let labels: Vec<_> = labels.collect();
                    let labels: Vec<_> = labels.iter().map(|it| Bytes::of(it.as_bytes())).collect();
                    define(row.kind, row.name, &labels, main)
                })
                .collect();
        }
        defined
    }

    fn define(&mut self, metric: Metric, name: &str, main: OnMain) {
        if !metric.is_for_own_use() {
            let len = self.plain.len().max(metric.index().saturating_add(1));
            self.plain.resize(len, None);
            if let Some(id) = self.plain.get_mut(metric.index()) {
                *id = define(metric.kind(), &metric.stat_name(name), &[], main);
            }
        }
    }

    /// Envoy's number of a metric.
    fn id(&self, metric: Metric, name: &str) -> Id {
        if metric.is_for_own_use() {
            return Id::None;
        }
        if let Some(id) = self.plain.get(metric.index()) {
            return id.map_or(Id::None, Id::Plain);
        }
        let mut values: Vec<Box<str>> = Vec::new();
        let stat = metric.describe(name, &mut |_, value| values.push(value.into()));
        let row = ServiceMetric::ROWS.iter().position(|row| row.name == stat);
        let id = row.and_then(|row| self.labelled.get(row).copied().flatten());
        id.map_or(Id::None, |id| Id::Labelled(id, values.into()))
    }
}

fn define(kind: MetricKind, name: &str, labels: &[Bytes], main: OnMain) -> Option<usize> {
    match kind {
        MetricKind::Counter => main.define_counter(name, labels),
        MetricKind::Gauge => main.define_gauge(name, labels),
    }
}

/// The metrics of a configuration on one worker, by their own numbers.
#[derive(Debug, Default)]
pub(crate) struct Metrics(RefCell<Vec<Row>>);

#[derive(Clone, Debug, Default)]
struct Row {
    id: Id,
    /// What is read again: counters, the states for the histories, and what the filter keeps for itself.
    number: Option<SharedNumber>,
}

/// How Envoy knows a metric.
#[derive(Clone, Debug, Default)]
enum Id {
    #[default]
    None,
    Plain(usize),
    /// With the values of its labels.
    Labelled(usize, Box<[Box<str>]>),
}

impl Metrics {
    /// Those of the module, which are there from the start.
    pub(crate) fn of_module(defined: &Defined, shared: &Shared) -> Self {
        let metrics = Self::default();
        for metric in Metric::of_module() {
            metrics.put(
                metric,
                Row { id: defined.id(metric, ""), number: number(metric, "", shared) },
            );
        }
        metrics
    }

    /// A metric of a service, or of a slot, with this name.
    pub(crate) fn define(
        &self,
        (metric, name): (Metric, &str),
        defined: &Defined,
        shared: &Shared,
        caller: Caller,
    ) {
        let row = Row { id: defined.id(metric, name), number: number(metric, name, shared) };
        if let (Id::Labelled(..), MetricKind::Counter) = (&row.id, metric.kind()) {
            // Or it would first be seen as a one, and would not have risen.
            row.count(0, caller);
        }
        self.put(metric, row);
    }

    fn put(&self, metric: Metric, row: Row) {
        // Borrowed for no longer than this, here and below, so that it is never refused.
        if let Ok(mut rows) = self.0.try_borrow_mut() {
            let len = rows.len().max(metric.index().saturating_add(1));
            rows.resize(len, Row::default());
            if let Some(known) = rows.get_mut(metric.index()) {
                *known = row;
            }
        }
    }

    /// What a number stands at.
    #[inline(always)]
    pub(crate) fn read(&self, metric: Metric) -> Option<u64> {
        Some(self.0.try_borrow().ok()?.get(metric.index())?.number?.get())
    }

    /// Moves a number, and what Envoy shows of it.
    #[inline(always)]
    pub(crate) fn adjust(&self, metric: Metric, by: i64, caller: Caller) {
        if let Ok(rows) = self.0.try_borrow()
            && let Some(row) = rows.get(metric.index())
        {
            if let Some(number) = row.number {
                number.adjust(by);
            }
            row.count(by.cast_unsigned(), caller);
        }
    }

    /// Applies what a step wants done, and leaves nothing of it but the memory.
    #[inline]
    pub(crate) fn apply(&self, effects: &mut Effects, caller: Caller) {
        if !effects.is_empty() {
            self.apply_all(effects, caller);
        }
    }

    #[inline(never)]
    fn apply_all(&self, effects: &mut Effects, caller: Caller) {
        for (metric, change) in effects.metrics.drain(..) {
            match change {
                Change::Count => self.adjust(metric, 1, caller),
                Change::Set(value) => self.set(metric, value, caller),
            }
        }
        for (level, line) in effects.lines.drain(..) {
            let level = match level {
                Level::Info => LogLevel::Info,
                Level::Warn => LogLevel::Warn,
            };
            envoy::log(level, &format!("edge-breaker {line}"));
        }
    }

    fn set(&self, metric: Metric, value: u64, caller: Caller) {
        if let Ok(rows) = self.0.try_borrow()
            && let Some(row) = rows.get(metric.index())
        {
            if let Some(number) = row.number {
                number.set(value);
            }
            row.with_labels(|id, labels| caller.set(id, labels, value));
        }
    }
}

impl Row {
    /// Counts up in Envoy.
    #[inline(always)]
    fn count(&self, by: u64, caller: Caller) {
        match &self.id {
            Id::None => {}
            Id::Plain(id) => caller.count(*id, &[], by),
            Id::Labelled(..) => self.with_labels(|id, labels| caller.count(id, labels, by)),
        }
    }

    #[inline(never)]
    fn with_labels(&self, f: impl FnOnce(usize, &[Bytes])) {
        match &self.id {
            Id::None => {}
            Id::Plain(id) => f(*id, &[]),
            Id::Labelled(id, values) => {
                let values: Vec<_> = values.iter().map(|it| Bytes::of(it.as_bytes())).collect();
                f(*id, &values);
            }
        }
    }
}

/// The number of a metric that is read again.
fn number(metric: Metric, name: &str, shared: &Shared) -> Option<SharedNumber> {
    let is_read = metric.is_for_own_use()
        || metric.kind() == MetricKind::Counter
        || matches!(metric, Metric::Of(_, ServiceMetric::State));
    is_read.then(|| shared.number(&metric.stat_name(name))).flatten()
}
