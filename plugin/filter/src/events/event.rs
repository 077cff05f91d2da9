//! A transition as an event: in the log, in the admin API, and in a notification.

use std::fmt::Write;

use breaker::{Counts, Mode, Reason, StateName, Transition, UnixTime};

use crate::response::reply::rfc3339;

/// A transition, and how things stood at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) at: UnixTime,
    pub(crate) service: String,
    pub(crate) from: StateName,
    pub(crate) to: StateName,
    pub(crate) reason: Reason,
    /// What is done with the breaker's decisions.
    pub(crate) mode: Mode,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// The latest calls, where a rule is about them and they tripped it.
    pub(crate) calls: Counts,
    pub(crate) generation: u64,
}

/// An event as the admin API shows it, and as a notification has it.
#[derive(serde::Serialize)]
pub(crate) struct View<'a> {
    pub(crate) id: String,
    pub(crate) time: String,
    pub(crate) service_name: &'a str,
    from: &'static str,
    to: &'static str,
    reason: &'static str,
    mode: &'static str,
    failure_count: u32,
    failure_rate: Option<f64>,
    slow_call_rate: Option<f64>,
    buffered_calls: Option<u32>,
    generation: u64,
}

impl Event {
    /// A transition of a service with this mode.
    pub(crate) fn new(at: UnixTime, service: String, mode: Mode, transition: Transition) -> Self {
        let Transition { from, to, reason, failures, calls, generation } = transition;
        let generation = generation.number();
        Self { at, service, from, to, reason, mode, failures, calls, generation }
    }

    pub(super) fn view(&self, id: String) -> View<'_> {
        let calls = Some(self.calls).filter(|calls| calls.calls > 0);
        View {
            id,
            time: rfc3339(self.at),
            service_name: &self.service,
            from: self.from.name(),
            to: self.to.name(),
            reason: self.reason.name(),
            mode: self.mode.name(),
            failure_count: self.failures,
            failure_rate: calls.map(|calls| percent(calls.failures, calls.calls)),
            slow_call_rate: calls.map(|calls| percent(calls.slow, calls.calls)),
            buffered_calls: calls.map(|calls| calls.calls),
            generation: self.generation,
        }
    }

    /// As the log has it.
    pub(super) fn line(&self) -> String {
        let Self { service, from, to, reason, failures, generation, calls, .. } = self;
        let mut line = format!(
            "service={service} event=transition from={} to={} reason={} failures={failures} \
             generation={generation}",
            from.name(),
            to.name(),
            reason.name(),
        );
        if calls.calls > 0 {
            let (failures, slow) = (calls.failure_percent(), calls.slow_percent());
            // It cannot fail on a string.
            let _ = write!(
                line,
                " calls={} failure_rate={failures} slow_call_rate={slow}",
                calls.calls
            );
        }
        if self.mode != Mode::Enabled {
            line.push_str(" mode=");
            line.push_str(self.mode.name());
        }
        line
    }
}

/// A share in percent.
pub(crate) fn percent(part: u32, whole: u32) -> f64 {
    f64::from(part) * 100.0 / f64::from(whole.max(1))
}
