//! The ids of the metrics, defined once for each configuration and worker: those of the module at
//! the start, the others when they come to be.

use std::cell::RefCell;

use breaker_filter::{Change, Effects, Level, Metric, MetricKind};

use crate::host::{self, LogLevel, MetricType};

/// The proxy's ids, by the metrics' own numbers.
pub(crate) struct MetricIds(RefCell<Vec<Option<u32>>>);

impl MetricIds {
    /// Defines the metrics of the module.
    pub(crate) fn of_module() -> Self {
        let ids = Self(RefCell::default());
        ids.define(0, Metric::of_module(), "");
        ids
    }

    /// Defines the metrics of a service. All at once and in advance: a counter that first shows up as
    /// a one has not risen, as far as an alarm can tell.
    pub(crate) fn of_service(&self, number: usize, name: &str) {
        self.define(number.saturating_add(1), Metric::of_service(number), name);
    }

    /// Defines the gauge of a slot.
    pub(crate) fn of_slot(&self, number: usize, name: &str) {
        self.define(number.saturating_add(1), [Metric::Slot(number)].into_iter(), name);
    }

    fn define(&self, services: usize, metrics: impl Iterator<Item = Metric>, service: &str) {
        // Borrowed for no longer than this, here and below, so that it is never refused.
        let Ok(mut ids) = self.0.try_borrow_mut() else {
            return;
        };
        let len = ids.len().max(Metric::count(services));
        ids.resize(len, None);
        for metric in metrics {
            let kind = match metric.kind() {
                MetricKind::Counter => MetricType::Counter,
                MetricKind::Gauge => MetricType::Gauge,
            };
            if let Some(id) = ids.get_mut(metric.index()) {
                *id = host::define_metric(kind, &metric.stat_name(service));
            }
        }
    }

    /// The proxy's id of a metric.
    #[inline(always)]
    pub(crate) fn id(&self, metric: Metric) -> Option<u32> {
        self.0.try_borrow().ok()?.get(metric.index()).copied().flatten()
    }

    /// Applies what a callback wants done, and leaves nothing of it but the memory.
    pub(crate) fn apply(&self, effects: &mut Effects) {
        if !effects.is_empty() {
            self.apply_all(effects);
        }
    }

    #[inline(never)]
    fn apply_all(&self, effects: &mut Effects) {
        for (metric, change) in effects.metrics.drain(..) {
            let Some(id) = self.id(metric) else {
                continue;
            };
            match change {
                Change::Count => host::increment_metric(id),
                Change::Set(value) => host::record_metric(id, value),
            }
        }
        log(&mut effects.lines);
    }
}

/// Writes log lines.
fn log(lines: &mut Vec<(Level, String)>) {
    for (level, line) in lines.drain(..) {
        let level = match level {
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
        };
        host::log(level, &format!("edge-breaker {line}"));
    }
}
