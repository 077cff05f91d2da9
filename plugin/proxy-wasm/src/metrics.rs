//! The ids of the metrics, defined once for each configuration and worker: those of the module at
//! the start, the others when they come to be.

use std::cell::RefCell;

use filter::{Change, Effects, Level, Metric, MetricKind};

use crate::host::{self, LogLevel, MetricType};

/// The proxy's ids, by the metrics' own numbers.
pub(crate) struct MetricIds(RefCell<Vec<Option<u32>>>);

impl MetricIds {
    /// Defines the metrics of the module.
    pub(crate) fn of_module() -> Self {
        let ids = Self(RefCell::default());
        Metric::of_module().for_each(|metric| ids.define(metric, ""));
        ids
    }

    /// Defines a metric: that of a service, or of a slot, with this name.
    pub(crate) fn define(&self, metric: Metric, name: &str) {
        let kind = match metric.kind() {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
        };
        let id = host::define_metric(kind, &metric.stat_name(name));
        // Borrowed for no longer than this, here and below, so that it is never refused.
        if let Ok(mut ids) = self.0.try_borrow_mut() {
            while ids.len() <= metric.index() {
                ids.push(None);
            }
            if let Some(known) = ids.get_mut(metric.index()) {
                *known = id;
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
