//! What a callback wants done besides its verdict: metrics and log lines, as values.

use shared::{Report, Unreadable};

use crate::telemetry::{Metric, ModuleMetric, ServiceMetric};

/// What a shell applies after a callback, in any order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Metrics to change.
    pub metrics: Vec<(Metric, Change)>,
    /// Lines to log.
    pub lines: Vec<(Level, String)>,
}

/// How a metric changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// By one, upwards.
    Count,
    /// To this value.
    Set(u64),
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is as it should be.
    Info,
    /// Somebody may want to look.
    Warn,
}

impl Effects {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { metrics: Vec::new(), lines: Vec::new() }
    }

    /// Whether there is nothing to be done.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.lines.is_empty()
    }

    pub(crate) fn count(&mut self, metric: impl Into<Metric>) {
        self.metrics.push((metric.into(), Change::Count));
    }

    pub(crate) fn count_of(&mut self, service: usize, metric: ServiceMetric) {
        self.count(Metric::Of(service, metric));
    }

    pub(crate) fn set_of(&mut self, service: usize, metric: ServiceMetric, value: u64) {
        self.metrics.push((Metric::Of(service, metric), Change::Set(value)));
    }

    pub(crate) fn info(&mut self, line: String) {
        self.lines.push((Level::Info, line));
    }

    pub(crate) fn warn(&mut self, line: String) {
        self.lines.push((Level::Warn, line));
    }

    /// What the gauges show of a breaker that is no more.
    pub(crate) fn clear_gauges(&mut self, service: usize) {
        for metric in ServiceMetric::GAUGES {
            self.set_of(service, metric, 0);
        }
    }
}

impl Report for Effects {
    fn unreadable(&mut self, value: Unreadable<'_>) {
        self.count(ModuleMetric::UnreadableRecords);
        if value.warn {
            let service = value.service.map(|name| format!("service={name} "));
            self.warn(format!(
                "{}event=unreadable_record problem=\"{}\" action={}",
                service.unwrap_or_default(),
                value.problem,
                if value.replaced { "replaced" } else { "left_alone" },
            ));
        }
    }
}
