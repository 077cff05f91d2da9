//! What a callback wants done besides its verdict: metrics and log lines, as values.

use breaker::{Breaker, StateName, Transition};

use crate::config::Service;
use crate::telemetry::{Metric, ServiceMetric};

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
    pub(crate) fn count(&mut self, metric: Metric) {
        self.metrics.push((metric, Change::Count));
    }

    pub(crate) fn count_of(&mut self, service: usize, metric: ServiceMetric) {
        self.count(Metric::Of(service, metric));
    }

    pub(crate) fn info(&mut self, line: String) {
        self.lines.push((Level::Info, line));
    }

    pub(crate) fn warn(&mut self, line: String) {
        self.lines.push((Level::Warn, line));
    }

    /// A breaker was stored: the gauges follow it, and a transition is told, once.
    pub(crate) fn stored(
        &mut self,
        service: usize,
        config: &Service,
        breaker: &Breaker,
        transition: Option<Transition>,
    ) {
        self.gauges(service, breaker);
        let Some(Transition { from, to, reason, failures, generation }) = transition else {
            return;
        };
        self.count_of(service, ServiceMetric::Transitions(to, reason));
        let line = format!(
            "service={} event=transition from={} to={} reason={} failures={failures} generation={}",
            config.name,
            from.name(),
            to.name(),
            reason.name(),
            generation.number(),
        );
        match to {
            StateName::Open => self.warn(line),
            StateName::Closed | StateName::HalfOpen => self.info(line),
        }
    }

    /// What the gauges show of a breaker.
    pub(crate) fn gauges(&mut self, service: usize, breaker: &Breaker) {
        let status = breaker.status();
        let state = (ServiceMetric::State, status.state.gauge());
        let failures = (ServiceMetric::FailureCount, u64::from(status.failures));
        for (metric, value) in [state, failures] {
            self.metrics.push((Metric::Of(service, metric), Change::Set(value)));
        }
    }
}
