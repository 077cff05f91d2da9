//! The ids of the metrics, defined once for each configuration and worker.

use breaker_filter::{Change, Config, Effects, Level, Metric, MetricKind};

use crate::host::{self, LogLevel, MetricType};

/// The proxy's ids, by the metrics' own numbers.
#[derive(Debug)]
pub(crate) struct MetricIds(Vec<Option<u32>>);

impl MetricIds {
    /// Defines all metrics of a configuration. All at once and in advance: a counter that first
    /// shows up as a one has not risen, as far as an alarm can tell.
    pub(crate) fn define(config: &Config) -> Self {
        let names: Vec<_> = config.service_names().collect();
        let mut ids = vec![None; Metric::count(names.len())];
        for metric in Metric::all(names.len()) {
            let kind = match metric.kind() {
                MetricKind::Counter => MetricType::Counter,
                MetricKind::Gauge => MetricType::Gauge,
            };
            let service = match metric {
                Metric::Of(number, _) => names.get(number).copied().unwrap_or_default(),
                _ => "",
            };
            if let Some(id) = ids.get_mut(metric.index()) {
                *id = host::define_metric(kind, &metric.stat_name(service));
            }
        }
        Self(ids)
    }

    /// The proxy's id of a metric.
    pub(crate) fn id(&self, metric: Metric) -> Option<u32> {
        self.0.get(metric.index()).copied().flatten()
    }

    /// Applies what a callback wants done, and leaves nothing of it but the memory.
    pub(crate) fn apply(&self, effects: &mut Effects) {
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
