//! A transition as an event: in the log, in the admin API, and in a notification.

use std::fmt::Write;

use breaker::{Counts, Mode, Reason, StateName, Transition, UnixTime};

use crate::calendar::rfc3339;
use crate::json::{Fields, Json};

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
    /// What the adaptive rule did, and by what; empty if it was not that rule.
    pub(crate) adaptive: String,
}

impl Event {
    /// A transition of a service with this mode.
    pub(crate) fn new(at: UnixTime, service: String, mode: Mode, transition: Transition) -> Self {
        let Transition { from, to, reason, failures, calls, generation, adaptive } = transition;
        let generation = generation.number();
        let adaptive = adaptive.map(|it| it.to_string()).unwrap_or_default();
        Self { at, service, from, to, reason, mode, failures, calls, generation, adaptive }
    }

    /// Whether it is no transition: the adaptive rule did something to the calls of a closed
    /// breaker.
    fn is_none(&self) -> bool {
        !self.adaptive.is_empty() && self.from == self.to
    }

    /// As the admin API shows it, and as a notification has it.
    pub(crate) fn json(&self, id: &str) -> Json<'static> {
        let calls = Some(self.calls).filter(|calls| calls.calls > 0);
        let percent = |part: fn(&Counts) -> u32| {
            Json::from(calls.map(|calls| percent(part(&calls), calls.calls)))
        };
        let mut shown = Fields::new();
        shown.text("id", id);
        shown.text("time", &rfc3339(self.at));
        shown.text("service_name", &self.service);
        shown.text("from", self.from.name());
        shown.text("to", self.to.name());
        shown.text("reason", self.reason.name());
        shown.text("mode", self.mode.name());
        shown.number("failure_count", self.failures.into());
        shown.add("failure_rate", percent(|calls| calls.failures));
        shown.add("slow_call_rate", percent(|calls| calls.slow));
        shown.maybe("buffered_calls", calls.map(|calls| calls.calls.into()));
        shown.number("generation", self.generation);
        let adaptive = Some(self.adaptive.as_str()).filter(|it| !it.is_empty());
        shown.maybe_text("adaptive", adaptive);
        shown.end()
    }

    /// As the log has it.
    pub(super) fn line(&self) -> String {
        let Self { service, from, to, reason, failures, generation, calls, .. } = self;
        let mut line = match self.is_none() {
            false => format!(
                "service={service} event=transition from={} to={} reason={} failures={failures} \
                 generation={generation}",
                from.name(),
                to.name(),
                reason.name(),
            ),
            true => format!("service={service} event=limited generation={generation}"),
        };
        if !self.adaptive.is_empty() {
            line.push_str(" adaptive=\"");
            line.push_str(&self.adaptive);
            line.push('"');
        }
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
