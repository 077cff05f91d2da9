//! The records of the breakers in the store that all workers share.
//!
//! A record is created if absent and changed only by compare-and-swap. Whoever loses a race
//! reads again and decides again, so that a decision is never based on what another has
//! overtaken, and a transition is stored by exactly one.
//!
//! # Reading without reading
//!
//! Most requests find a breaker closed and clean, just as the one before them did, and to read
//! its record costs ten times what it costs to read a gauge. So each record has a gauge that is
//! moved before each write and again after it: upwards by a version and a write in progress, then
//! down by that write. A worker that finds no write in progress, *then* reads the record and finds
//! it clean may remember that: as long as the gauge stands still nobody has begun to write, and
//! the record is as it was. This is no approximation: what is remembered is as good as what is
//! read at that moment.
//!
//! What could go wrong with the gauge goes the slow way. A proxy that keeps none, or whose
//! configuration drops it, is found out at the start, and a worker that crashed in mid-write leaves
//! a write in progress for good: both mean that records are read each time. And each tick reads
//! them anew in any case.

use std::cell::Cell;
use std::fmt::Display;

use breaker::{
    Breaker, Clean, Ended, Impact, Permit, RECORD_FORMAT, StateName, Tally, Timestamp, Transition,
    WindowPolicy,
};

use crate::bulkhead::Places;
use crate::client_names::{Part, slot};
use crate::config::Service;
use crate::effects::Effects;
use crate::events::Unwritten;
use crate::host::{Host, StoreFault, SwapError, Version};
use crate::instances::Shown;
use crate::stale::Copied;
use crate::telemetry::{Metric, ServiceMetric};
use crate::unreadable::{Unreadable, Watch};

/// How often an update that lost a race is tried again. Each loss means that another worker got
/// its update through, so that even many workers get there in a few rounds.
pub(crate) const ATTEMPTS: usize = 64;

/// The key of a service's record. Its prefix keeps it apart from other plugins', which share the
/// store where no `vm_id` is set; the version is that of the key space, not of the record.
pub(crate) fn key(service: &str) -> String {
    format!("edge-breaker/v1/{service}")
}

/// The key of the calls that a service has under way, where it has a bulkhead. No service's name has a
/// slash.
pub(crate) fn calls_key(service: &str) -> String {
    format!("edge-breaker/v1/{service}/calls")
}

/// Why an update was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Others were faster each time.
    Race,
    /// The store cannot be used.
    Store,
    /// What is there may be a newer module's, and is left alone.
    Newer,
    /// The name has made room: there is nothing to be updated any more.
    Gone,
}

/// Why a record was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The store cannot be used.
    Fault(StoreFault),
    /// The name has made room.
    Gone,
}

impl From<StoreFault> for Unread {
    fn from(fault: StoreFault) -> Self {
        Self::Fault(fault)
    }
}

/// What an update made of a breaker.
pub(crate) enum Update<R> {
    /// Nothing: there is nothing to store.
    Unchanged(R),
    /// Another one, perhaps in another state.
    Changed(R, Option<Transition>),
}

/// Moves the gauge of a record's version on, and marks a write in progress.
const BEGIN_WRITE: i64 = (1 << 32) + 1;
/// Takes the mark back.
const END_WRITE: i64 = -1;
const WRITES_IN_PROGRESS: u64 = (1 << 32) - 1;

/// What one worker keeps of a service's record.
#[derive(Debug, Default)]
pub(crate) struct LocalState {
    /// Whether the gauge of the record's version can be relied on.
    versioned: Cell<bool>,
    /// The version in which the record was clean, and how.
    clean: Cell<Option<(u64, Clean)>>,
    /// What a good call changed of it then.
    good_call: Cell<Impact>,
    /// Whether the window and the health check of this configuration were put in force.
    adopted: Cell<bool>,
    /// The record, if it could not be read.
    watch: Watch,
    /// The calls under way, likewise.
    pub(crate) calls_watch: Watch,
    /// What was complained of since the last tick, a bit each.
    said: Cell<u8>,
    /// Good calls that are not in the record yet.
    tally: Cell<Tally>,
    /// Its calls under way, where there is a bulkhead.
    pub(crate) places: Places,
    /// The answers that it has copied, where stale ones are given.
    pub(crate) copied: Copied,
    /// Events that are not in the list yet.
    pub(crate) unwritten: Unwritten,
}

impl LocalState {
    /// That of a worker which has seen nothing.
    pub(crate) fn new(service: &Service) -> Self {
        Self { tally: Cell::new(Tally::new(&service.policy)), ..Self::default() }
    }

    /// Takes note of whether the gauge of the record's version can be relied on.
    pub(crate) fn set_versioned(&self, versioned: bool) {
        self.versioned.set(versioned);
    }

    /// Takes note that the window and the health check of this configuration are in force.
    pub(crate) fn set_adopted(&self) {
        self.adopted.set(true);
    }
}

/// What may be wrong with each request, and is said once between two ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Complaint {
    /// An update was given up.
    LostUpdate,
    /// A diverted call went to the service.
    Misrouted,
}

/// Whether a gauge of writes can be relied on: whether it moves.
pub(crate) fn is_counted(gauge: Metric, host: &impl Host) -> bool {
    let before = host.metric(gauge);
    host.adjust(gauge, BEGIN_WRITE);
    let after = host.metric(gauge);
    host.adjust(gauge, END_WRITE);
    before.is_some() && after != before
}

/// A service's record, as one worker knows it.
#[derive(Clone)]
pub(crate) struct ServiceHandle<'a> {
    /// The number of its metrics.
    pub(crate) number: usize,
    pub(crate) instance: Shown<'a>,
    pub(crate) service: &'a Service,
}

/// What is stored under a record's key.
enum Own {
    Record(Vec<u8>),
    /// Another's, whose name has made room for this one.
    Nothing,
    /// Another's, for which this one's name has made room.
    Gone,
    Unreadable(Vec<u8>),
}

/// A record as it was read.
struct Loaded {
    breaker: Breaker,
    /// Its bytes; `None` if there were none or they were no record.
    bytes: Option<Vec<u8>>,
    version: Option<Version>,
    /// Whether it is not to be written.
    left_alone: bool,
}

impl ServiceHandle<'_> {
    /// Creates the record if there is none, puts its window and health check in force, finds out whether
    /// its version can be relied on, and leaves no more stale answers than there may be.
    pub(crate) fn ensure(&self, host: &impl Host, effects: &mut Effects) {
        self.adopt(host, effects);
        self.instance.memory.versioned.set(is_counted(self.gauge(), host));
        if let Some(stale) = &self.service.fallback.stale {
            self.adopt_slots(stale, host);
        }
    }

    /// Puts the configured window and health check in force, once. What cannot be stored now is
    /// tried again by the next tick.
    pub(crate) fn adopt(&self, host: &impl Host, effects: &mut Effects) {
        if self.instance.memory.adopted.get() {
            return;
        }
        let adopted = self.update(host, effects, |breaker| {
            breaker.sync(&self.service.policy, host.now().monotonic);
            Update::Changed((), None)
        });
        self.instance.memory.adopted.set(adopted.is_ok());
    }

    /// The good calls that are not in the record yet.
    pub(crate) fn tally(&self) -> Tally {
        self.instance.memory.tally.get()
    }

    /// Takes note that these are all there are.
    pub(crate) fn set_tally(&self, tally: Tally) {
        self.instance.memory.tally.set(tally);
    }

    /// Adds a good call to them, if there is a window that it belongs in.
    pub(crate) fn keep(&self, permit: &Permit, host: &impl Host) {
        let now = match self.service.policy.trip.rates.map(|rates| rates.window) {
            None => return,
            Some(WindowPolicy::Calls(_)) => Timestamp::default(),
            Some(WindowPolicy::Time(_)) => host.now().monotonic,
        };
        let mut tally = self.instance.memory.tally.get();
        tally.add(permit, now);
        self.instance.memory.tally.set(tally);
    }

    /// The breaker, if it is known to be clean without reading it. In line: it is all that most
    /// calls want to know.
    #[inline(always)]
    pub(crate) fn clean(&self, host: &impl Host) -> Option<Clean> {
        let (version, clean) = self.instance.memory.clean.get()?;
        (host.metric(self.gauge()) == Some(version)).then_some(clean)
    }

    /// The same, after a call of this permit that has ended so: it is settled by that. `None`: it is
    /// to be settled in the record. In line: the closed path is held to its instructions.
    #[inline(always)]
    pub(crate) fn settle_clean(
        &self,
        permit: &Permit,
        ended: Ended,
        host: &impl Host,
    ) -> Option<Clean> {
        let impact = ended.impact(self.instance.memory.good_call.get());
        if impact == Impact::Write {
            return None;
        }
        let clean = self.clean(host)?;
        if impact == Impact::TallyOnly {
            self.keep(permit, host);
        }
        Some(clean)
    }

    /// The state that the breaker shows, without reading it where it is known to be clean. `None`: it
    /// cannot be read.
    pub(crate) fn state(&self, host: &impl Host, effects: &mut Effects) -> Option<StateName> {
        match self.clean(host) {
            Some(clean) => Some(clean.state()),
            None => {
                self.load(host, effects).ok().map(|it| it.shown_state(self.service.policy.mode))
            }
        }
    }

    /// The breaker as it is now; one that was never stored is closed and clean.
    pub(crate) fn load(&self, host: &impl Host, effects: &mut Effects) -> Result<Breaker, Unread> {
        self.read(host, effects).map(|loaded| loaded.breaker)
    }

    /// The same, forgetting what is remembered.
    pub(crate) fn reload(
        &self,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Result<Breaker, Unread> {
        self.instance.memory.clean.take();
        self.instance.memory.said.take();
        self.load(host, effects)
    }

    /// Loads, changes and stores the breaker, anew for each lost race. A change that depends on the
    /// time reads the clock itself, each time: read before the record was, it would lie before what
    /// others have written meanwhile, and their waits would look longer than any may be.
    pub(crate) fn update<R>(
        &self,
        host: &impl Host,
        effects: &mut Effects,
        mut change: impl FnMut(&mut Breaker) -> Update<R>,
    ) -> Result<R, Lost> {
        let mut lost = Lost::Race;
        for _ in 0..ATTEMPTS {
            let mut loaded = match self.read(host, effects) {
                Ok(loaded) => loaded,
                Err(Unread::Gone) => return Err(Lost::Gone),
                Err(Unread::Fault(_)) => {
                    lost = Lost::Store;
                    break;
                }
            };
            let (result, transition) = match change(&mut loaded.breaker) {
                Update::Unchanged(result) => return Ok(result),
                Update::Changed(..) if loaded.left_alone => return Err(Lost::Newer),
                Update::Changed(result, transition) => (result, transition),
            };
            let bytes = loaded.breaker.encode();
            if loaded.bytes.as_deref() == Some(&bytes) {
                return Ok(result);
            }
            match self.swap(host, &bytes, loaded.version) {
                Ok(()) => {
                    self.gauges(&loaded.breaker, host, effects);
                    if let Some(transition) = transition {
                        self.announce(&loaded.breaker, transition, host, effects);
                    }
                    return Ok(result);
                }
                Err(SwapError::Conflict) => {}
                Err(SwapError::Fault(_)) => {
                    lost = Lost::Store;
                    break;
                }
            }
        }
        effects.count(Metric::LostUpdates);
        if self.is_news(Complaint::LostUpdate) {
            effects
                .warn(format!("service={} event=lost_update cause={lost:?}", self.instance.name));
        }
        Err(lost)
    }

    /// What the gauges show of the breaker.
    pub(crate) fn gauges(&self, breaker: &Breaker, host: &impl Host, effects: &mut Effects) {
        if !self.instance.is_told_apart() {
            return;
        }
        let rates = self.service.policy.trip.rates;
        let counts = rates.map(|_| breaker.counts(host.now().monotonic));
        effects.gauges(self.number, &breaker.status(self.service.policy.mode), counts);
    }

    /// Whether this worker has not complained of it since the last tick.
    pub(crate) fn is_news(&self, complaint: Complaint) -> bool {
        let bit = 1 << complaint as u8;
        let said = self.instance.memory.said.get();
        self.instance.memory.said.set(said | bit);
        said & bit == 0
    }

    #[inline(always)]
    fn gauge(&self) -> Metric {
        match &self.instance.tenure {
            None => Metric::Of(self.number, ServiceMetric::RecordVersion),
            Some(tenure) => Metric::Slot(tenure.gauge),
        }
    }

    pub(crate) fn swap(
        &self,
        host: &impl Host,
        bytes: &[u8],
        expected: Option<Version>,
    ) -> Result<(), SwapError> {
        let held = self.instance.tenure.as_ref().map(|tenure| tenure.with_record(bytes));
        host.adjust(self.gauge(), BEGIN_WRITE);
        let swapped = host.swap(&self.instance.key, held.as_deref().unwrap_or(bytes), expected);
        host.adjust(self.gauge(), END_WRITE);
        swapped
    }

    /// A breaker that has seen nothing, where there is none or none that can be read. It knows from the
    /// first what this configuration wants kept and asked.
    #[inline(never)]
    fn begun(&self, host: &impl Host) -> Breaker {
        let mut breaker = Breaker::new();
        breaker.sync(&self.service.policy, host.now().monotonic);
        breaker
    }

    /// What is stored under its key, as far as it is this breaker's.
    fn own(&self, mut stored: Vec<u8>) -> Own {
        let Some(tenure) = &self.instance.tenure else {
            return Own::Record(stored);
        };
        match tenure.record_in(&stored) {
            Part::Own(record) => {
                let head = stored.len().saturating_sub(record.len());
                stored.drain(..head);
                Own::Record(stored)
            }
            Part::Earlier => Own::Nothing,
            Part::Later => Own::Gone,
            Part::Unreadable => Own::Unreadable(stored),
        }
    }

    /// The breaker as whoever looks at it sees it, to which that changes nothing; `None`: its name has made
    /// room. A damaged record shows a new breaker, as it will be taken for one.
    pub(crate) fn peek(&self, host: &impl Host) -> Result<Option<Breaker>, StoreFault> {
        let stored = host.load(&self.instance.key)?;
        Ok(match stored.map_or(Own::Nothing, |(stored, _)| self.own(stored)) {
            Own::Record(bytes) => Some(Breaker::decode(&bytes).unwrap_or_default()),
            Own::Nothing | Own::Unreadable(_) => Some(Breaker::new()),
            Own::Gone => None,
        })
    }

    /// An unreadable record is as good as none, never a reason to fail.
    fn read(&self, host: &impl Host, effects: &mut Effects) -> Result<Loaded, Unread> {
        let gauge =
            self.instance.memory.versioned.get().then(|| host.metric(self.gauge())).flatten();
        let Some((stored, version)) = host.load(&self.instance.key)? else {
            let breaker = self.begun(host);
            return Ok(Loaded { breaker, bytes: None, version: None, left_alone: false });
        };
        let bytes = match self.own(stored) {
            Own::Record(bytes) => bytes,
            Own::Nothing => {
                let (breaker, version) = (self.begun(host), Some(version));
                return Ok(Loaded { breaker, bytes: None, version, left_alone: false });
            }
            Own::Gone => return Err(Unread::Gone),
            Own::Unreadable(stored) => {
                return Ok(self.unreadable(&stored, version, &"slot", host, effects));
            }
        };
        match Breaker::decode(&bytes) {
            Ok(breaker) => {
                let policy = &self.service.policy;
                let good_call = breaker.impact_where_clean(policy, &self.tally());
                self.instance.memory.good_call.set(good_call);
                let settled = gauge.filter(|version| version & WRITES_IN_PROGRESS == 0);
                self.instance.memory.clean.set(settled.zip(breaker.clean(policy)));
                let (bytes, version) = (Some(bytes), Some(version));
                Ok(Loaded { breaker, bytes, version, left_alone: false })
            }
            Err(error) => Ok(self.unreadable(&bytes, version, &error, host, effects)),
        }
    }

    /// What there is in place of an unreadable record. It is replaced on sight if it may be, or it would
    /// be complained of until something changes.
    #[inline(never)]
    fn unreadable(
        &self,
        bytes: &[u8],
        version: Version,
        problem: &dyn Display,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Loaded {
        let service = Some(self.instance.name.as_str());
        let known = if self.instance.tenure.is_some() { slot::FORMAT } else { RECORD_FORMAT };
        let value = Unreadable { bytes, version, known, service, problem };
        let left_alone = !self.instance.memory.watch.may_replace(&value, host, effects);
        let breaker = self.begun(host);
        if !left_alone {
            // Lost, another was faster.
            let _ = self.swap(host, &breaker.encode(), Some(version));
        }
        Loaded { breaker, bytes: None, version: Some(version), left_alone }
    }
}
