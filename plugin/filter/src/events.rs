//! What has happened to the breakers of this process: each transition, told once.
//!
//! Whoever stored a transition tells it: to the metrics, the log, and the list in the shared store
//! that the admin API shows and that notifications are taken from. A list that cannot be written
//! at that moment is written by a later tick.

mod ring;

use std::cell::Cell;
use std::fmt::{self, Write};

use breaker::{Breaker, Counts, Mode, Reason, StateName, Transition, UnixTime};

use self::ring::FORMAT;
pub(crate) use self::ring::Ring;
use crate::effects::Effects;
use crate::filter::Filter;
use crate::host::{Host, StoreFault, SwapError};
use crate::reply::rfc3339;
use crate::store::{ATTEMPTS, ServiceHandle};
use crate::telemetry::{Metric, ServiceMetric};
use crate::unreadable::{Unreadable, Watch};

/// No service's name has a slash.
const KEY: &str = "edge-breaker/v1/events/list";

/// The most events of a service that wait to be written.
const MOST_UNWRITTEN: usize = 16;

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

/// Events of one service that are not in the list yet.
#[derive(Default)]
pub(crate) struct Unwritten {
    events: Cell<Vec<Event>>,
    /// The list, if it could not be read.
    watch: Watch,
}

impl fmt::Debug for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unwritten").finish_non_exhaustive()
    }
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
    fn view(&self, id: String) -> View<'_> {
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
    fn line(&self) -> String {
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

impl ServiceHandle<'_> {
    /// Tells of a transition that was stored.
    pub(crate) fn announce(
        &self,
        breaker: &Breaker,
        transition: Transition,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        let Transition { from, to, reason, failures, calls, generation } = transition;
        effects.count_of(self.number, ServiceMetric::Transitions(to, reason));
        let event = Event {
            at: host.now().wall,
            service: self.instance.name.clone(),
            from,
            to,
            reason,
            mode: breaker.mode(self.service.policy.mode),
            failures,
            calls,
            generation: generation.number(),
        };
        match to {
            StateName::Open | StateName::ForcedOpen | StateName::Disabled => {
                effects.warn(event.line());
            }
            StateName::Closed | StateName::HalfOpen | StateName::MetricsOnly => {
                effects.info(event.line());
            }
        }
        let unwritten = &self.instance.memory.unwritten.events;
        let mut events = unwritten.take();
        events.push(event);
        while events.len() > MOST_UNWRITTEN {
            events.remove(0);
            effects.count(Metric::LostUpdates);
        }
        unwritten.set(events);
        self.write_events(host, effects);
    }

    /// Adds what was told to the list, as far as it is not there yet.
    pub(crate) fn write_events(&self, host: &impl Host, effects: &mut Effects) {
        let Unwritten { events: unwritten, watch } = &self.instance.memory.unwritten;
        let events = unwritten.take();
        if !events.is_empty() && append(&events, watch, host, effects).is_none() {
            unwritten.set(events);
        }
    }
}

/// Adds events to the list; `None`: they are not there.
fn append(events: &[Event], watch: &Watch, host: &impl Host, effects: &mut Effects) -> Option<()> {
    for _ in 0..ATTEMPTS {
        let stored = host.load(KEY).ok()?;
        let version = stored.as_ref().map(|(_, version)| *version);
        let read = stored.as_ref().and_then(|(bytes, _)| Ring::decode(bytes));
        if let (Some((bytes, version)), None) = (&stored, &read) {
            let problem = &"events";
            let list =
                Unreadable { bytes, version: *version, known: FORMAT, service: None, problem };
            if !watch.may_replace(&list, host, effects) {
                return None;
            }
        }
        let mut ring = read.unwrap_or_else(|| Ring::begun(host.now().wall));
        for event in events {
            ring.push(event.clone());
        }
        match host.swap(KEY, &ring.encode(), version) {
            Ok(()) => return Some(()),
            Err(SwapError::Conflict) => {}
            Err(SwapError::Fault(_)) => return None,
        }
    }
    None
}

impl Filter {
    /// What has happened lately. A list that cannot be read is as good as none.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub(crate) fn events(&self, host: &impl Host) -> Result<Ring, StoreFault> {
        let stored = host.load(KEY)?;
        let ring = stored.and_then(|(bytes, _)| Ring::decode(&bytes));
        Ok(ring.unwrap_or_else(|| Ring::begun(UnixTime::from_nanos(0))))
    }
}
