//! A transition as an event: in the log, in the admin API, and in a notification.

use std::fmt::Write;

use breaker::{Counts, Mode, Reason, StateName, Transition, UnixTime};

use crate::calendar::rfc3339;
use crate::json::Json;

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
    pub(crate) fn json(&self, id: String) -> Json<'_> {
        let calls = Some(self.calls).filter(|calls| calls.calls > 0);
        let percent = |part: fn(&Counts) -> u32| {
            Json::from(calls.map(|calls| percent(part(&calls), calls.calls)))
        };
        Json::object([
            ("id", id.into()),
            ("time", rfc3339(self.at).into()),
            ("service_name", Json::text(&self.service)),
            ("from", Json::text(self.from.name())),
            ("to", Json::text(self.to.name())),
            ("reason", Json::text(self.reason.name())),
            ("mode", Json::text(self.mode.name())),
            ("failure_count", self.failures.into()),
            ("failure_rate", percent(|calls| calls.failures)),
            ("slow_call_rate", percent(|calls| calls.slow)),
            ("buffered_calls", calls.map(|calls| calls.calls).into()),
            ("generation", self.generation.into()),
            (
                "adaptive",
                Some(&self.adaptive).filter(|it| !it.is_empty()).map(|it| Json::text(it)).into(),
            ),
        ])
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
