//! What has happened to the breakers of this process: each transition, published once.
//!
//! Whoever stored a transition publishes it: in the log, and in the list in the shared store
//! that the admin API shows and that notifications are taken from. A list that cannot be written
//! at that moment is written by a later tick.

mod event;
mod ring;

use std::cell::Cell;
use std::fmt;

use breaker::{StateName, UnixTime};
use shared::{Decision, StoreFault, Watch};

pub(crate) use self::event::{Event, percent};
pub(crate) use self::ring::{Ring, RingKind};
use crate::effects::Effects;
use crate::host::Host;
use crate::telemetry::ModuleMetric;

/// No service's name has a slash.
const KEY: &str = "edge-breaker/v1/events/list";

/// The most events of a service that wait to be written.
const MOST_UNWRITTEN: usize = 16;

/// What one worker keeps of a service's events: those that are not in the list yet.
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

impl Unwritten {
    /// Publishes a transition that was stored, or what the adaptive rule did without one.
    pub(crate) fn publish(
        &self,
        event: Event,
        is_limited: bool,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        match event.to {
            _ if is_limited => effects.warn(event.line()),
            StateName::Open | StateName::ForcedOpen | StateName::Disabled => {
                effects.warn(event.line());
            }
            StateName::Closed | StateName::HalfOpen | StateName::MetricsOnly => {
                effects.info(event.line());
            }
        }
        let mut events = self.events.take();
        events.push(event);
        while events.len() > MOST_UNWRITTEN {
            events.remove(0);
            effects.count(ModuleMetric::LostUpdates);
        }
        self.events.set(events);
        self.write(host, effects);
    }

    /// Adds what was published to the list, as far as it is not there yet.
    pub(crate) fn write(&self, host: &dyn Host, effects: &mut Effects) {
        let events = self.events.take();
        if events.is_empty() {
            return;
        }
        let list = shared::Cell { key: KEY, kind: RingKind, watch: &self.watch, service: None };
        let written = list.update(host, effects, |ring, _| {
            let ring = ring.get_or_insert_with(|| Ring::begun(host.now().wall));
            events.iter().for_each(|event| ring.push(event.clone()));
            Decision::Store(())
        });
        if written.is_err() {
            self.events.set(events);
        }
    }
}

/// What has happened lately. A list that cannot be read is as good as none.
///
/// # Errors
///
/// If the store cannot be read.
pub(crate) fn latest(host: &dyn Host) -> Result<Ring, StoreFault> {
    let stored = host.load(KEY)?;
    let ring = stored.and_then(|(bytes, _)| Ring::decode(&bytes));
    Ok(ring.unwrap_or_else(|| Ring::begun(UnixTime::from_nanos(0))))
}
