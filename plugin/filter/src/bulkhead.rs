//! The bulkhead: how many calls of a service may be under way at a time, over all workers.
//!
//! Who takes a place writes so in a second record of the service, by compare-and-swap; who gives
//! one back does, too. Each worker writes the number of calls that it has under way by its own
//! count, not the one more or less, so that a write which was lost is made good by the next. What a
//! worker says holds for a few seconds and is renewed as long as it lives: the places of one that
//! has crashed return by themselves ([`leases`]).
//!
//! A call whose request is not complete keeps no place for long: a client that never ends its
//! request would keep it from all others. What such calls have ends by itself, for all workers,
//! since the end is written where they are counted. When the request is complete the call takes a
//! place once more, or the one it has still becomes its own.
//!
//! A full bulkhead says nothing about the service: it is no failure, and a call that found it full
//! was none.

mod leases;
mod under_way;

use std::cell::{Cell, RefCell};

use breaker::Timestamp;

use crate::client_names::Part;
use crate::config::Bulkhead;
use crate::effects::Effects;
use crate::host::{Host, StoreFault, SwapError, Version};
use crate::random::scrambled;
use crate::store::{ATTEMPTS, Complaint, Lost, ServiceHandle};
use crate::telemetry::{Metric, ServiceMetric};
use crate::unreadable::Unreadable;

use leases::{FORMAT, LEASE, Leases};
pub(crate) use under_way::Place;
use under_way::UnderWay;

/// What one worker keeps of a service's bulkhead.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The number by which the others know it; zero: it has had no call yet.
    worker: Cell<u32>,
    /// Its calls under way.
    under_way: RefCell<UnderWay>,
    /// Until when the others believe in them.
    until: Cell<Timestamp>,
    /// Whether the others have been told another number.
    untold: Cell<bool>,
}

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Its class.
    pub(crate) class: usize,
    /// Whether its request is complete.
    pub(crate) complete: bool,
    /// Whether the limits are heeded. If not, there is always a place.
    pub(crate) heeded: bool,
}

/// Whether there was a place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// There was.
    Place(Place),
    /// There was not; with a place: it is taken all the same, since it does not matter.
    Full(Option<Place>),
    /// Nobody can tell.
    Unknown,
}

/// The leases as they were read.
struct Loaded {
    leases: Leases,
    version: Option<Version>,
}

impl Places {
    /// Looks at the calls under way, or changes them.
    fn with<R>(&self, look: impl FnOnce(&mut UnderWay) -> R) -> R {
        match self.under_way.try_borrow_mut() {
            Ok(mut under_way) => look(&mut under_way),
            // Never: nobody looks while another does.
            Err(_) => look(&mut UnderWay::default()),
        }
    }

    /// The number by which the others know this worker, or will.
    fn number(&self, leases: &Leases) -> u32 {
        match self.worker.get() {
            0 => leases.next_worker(),
            worker => worker,
        }
    }

    fn is_idle(&self) -> bool {
        self.with(|calls| calls.is_idle())
    }
}

/// How many calls of a service are under way, over all workers; `None`: it has no bulkhead. To look
/// changes nothing.
pub(crate) fn in_flight(
    record: &ServiceHandle<'_>,
    host: &impl Host,
) -> Result<Option<u32>, StoreFault> {
    if record.service.bulkhead.is_none() {
        return Ok(None);
    }
    let stored = host.load(&record.instance.calls_key)?;
    let own = stored.as_ref().and_then(|(bytes, _)| match part(record, bytes) {
        Part::Own(bytes) => Leases::decode(bytes).ok(),
        Part::Earlier | Part::Later | Part::Unreadable => None,
    });
    let Some(mut leases) = own else {
        return Ok(Some(0));
    };
    // The clock is read after the leases: by an earlier time the latest would be too long.
    leases.expire(host.now().monotonic);
    Ok(Some(leases.total()))
}

/// Whose leases a value is.
fn part<'a>(record: &ServiceHandle<'_>, bytes: &'a [u8]) -> Part<'a> {
    record.instance.tenure.as_ref().map_or(Part::Own(bytes), |tenure| tenure.part_of(bytes))
}

/// Leases where there are none.
fn begun(host: &impl Host) -> Leases {
    Leases::begun(scrambled(host.now().monotonic.as_nanos()))
}

impl ServiceHandle<'_> {
    /// Takes a place for a call.
    pub(crate) fn take_place(
        &self,
        bulkhead: &Bulkhead,
        wanted: Wanted,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Taken {
        self.take(bulkhead, wanted, None, host, effects)
    }

    /// Makes a place that awaited its request a complete call's. It is the same place if it was
    /// not given back meanwhile; else another one, if there is one.
    pub(crate) fn complete_place(
        &self,
        bulkhead: &Bulkhead,
        place: Place,
        heeded: bool,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Taken {
        let wanted = Wanted { class: place.class(), complete: true, heeded };
        self.take(bulkhead, wanted, Some(&place), host, effects)
    }

    /// Takes a place, in exchange for the one that the call `had`.
    fn take(
        &self,
        bulkhead: &Bulkhead,
        Wanted { class, complete, heeded }: Wanted,
        had: Option<&Place>,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Taken {
        let places = &self.instance.memory.places;
        for _ in 0..ATTEMPTS {
            let Ok(Loaded { mut leases, version }) = self.load_leases(host, effects) else {
                effects.count(Metric::Unprotected);
                return Taken::Unknown;
            };
            let now = host.now().monotonic;
            let worker = places.number(&leases);
            self.tell(bulkhead, worker, &mut leases, now);
            let had = had.filter(|had| !had.is_over(|| now));
            let full = had.is_none()
                && !bulkhead.has_place(class, |class| match class {
                    None => leases.total(),
                    Some(class) => leases.of(class),
                });
            if full && heeded {
                self.show(leases.total(), effects);
                return Taken::Full(None);
            }
            let place = places.with(|calls| {
                let place = calls.place(class, complete, bulkhead.max_request_duration, now);
                calls.add(&place);
                if let Some(had) = had {
                    calls.remove(had);
                }
                place
            });
            self.tell(bulkhead, worker, &mut leases, now);
            match self.store_leases(&leases, version, host) {
                Ok(()) => {
                    self.told(worker, &leases, now, effects);
                    return if full { Taken::Full(Some(place)) } else { Taken::Place(place) };
                }
                Err(lost) => {
                    places.with(|calls| {
                        calls.remove(&place);
                        if let Some(had) = had {
                            calls.add(had);
                        }
                    });
                    if lost != SwapError::Conflict {
                        effects.count(Metric::Unprotected);
                        return Taken::Unknown;
                    }
                }
            }
        }
        // Others took theirs each time. Who could not write has no place: too many calls are worse.
        self.complain(effects);
        if heeded { Taken::Full(None) } else { Taken::Unknown }
    }

    /// Gives a place back.
    pub(crate) fn give_place_back(
        &self,
        bulkhead: &Bulkhead,
        place: Place,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        let places = &self.instance.memory.places;
        places.with(|calls| calls.remove(&place));
        if place.is_over(|| host.now().monotonic) {
            return;
        }
        places.untold.set(true);
        self.tell_all(bulkhead, host, effects);
    }

    /// Renews what this worker has said, if need be, and shows how many calls are under way.
    pub(crate) fn renew_places(
        &self,
        bulkhead: &Bulkhead,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        let places = &self.instance.memory.places;
        let left = places.until.get().since(host.now().monotonic);
        if places.untold.get() || (!places.is_idle() && left < LEASE / 2) {
            self.tell_all(bulkhead, host, effects);
        } else if let Ok(Loaded { mut leases, .. }) = self.load_leases(host, effects) {
            leases.expire(host.now().monotonic);
            self.show(leases.total(), effects);
        }
    }

    /// Tells the others how many calls this worker has under way. What cannot be told now is told
    /// with the next call, or by the timer.
    fn tell_all(&self, bulkhead: &Bulkhead, host: &impl Host, effects: &mut Effects) {
        for _ in 0..ATTEMPTS {
            let Ok(Loaded { mut leases, version }) = self.load_leases(host, effects) else {
                return;
            };
            let now = host.now().monotonic;
            let worker = self.instance.memory.places.number(&leases);
            self.tell(bulkhead, worker, &mut leases, now);
            match self.store_leases(&leases, version, host) {
                Ok(()) => return self.told(worker, &leases, now, effects),
                Err(SwapError::Conflict) => {}
                Err(SwapError::Fault(_)) => return,
            }
        }
        self.complain(effects);
    }

    /// Brings leases up to date, with this worker's word in them.
    fn tell(&self, bulkhead: &Bulkhead, worker: u32, leases: &mut Leases, now: Timestamp) {
        leases.expire(now);
        self.instance.memory.places.with(|calls| calls.tell(bulkhead, worker, leases, now));
    }

    /// Takes note that the others know.
    fn told(&self, worker: u32, leases: &Leases, now: Timestamp, effects: &mut Effects) {
        let places = &self.instance.memory.places;
        places.worker.set(worker);
        places.until.set(now.after(LEASE));
        places.untold.set(false);
        self.show(leases.total(), effects);
    }

    /// What the gauge shows of the calls that are under way.
    fn show(&self, in_flight: u32, effects: &mut Effects) {
        if self.instance.is_told_apart() {
            effects.set_of(self.number, ServiceMetric::InFlight, in_flight);
        }
    }

    /// Those that cannot be read are as good as none, once they may be replaced.
    fn load_leases(&self, host: &impl Host, effects: &mut Effects) -> Result<Loaded, Lost> {
        let stored = host.load(&self.instance.calls_key).map_err(|_| Lost::Store)?;
        let Some((bytes, version)) = stored else {
            return Ok(Loaded { leases: begun(host), version: None });
        };
        let own = match part(self, &bytes) {
            Part::Own(bytes) => Leases::decode(bytes),
            Part::Earlier => return Ok(Loaded { leases: begun(host), version: Some(version) }),
            Part::Later => return Err(Lost::Gone),
            Part::Unreadable => Err(leases::Unreadable),
        };
        if let Ok(leases) = own {
            return Ok(Loaded { leases, version: Some(version) });
        }
        let service = Some(self.instance.name.as_str());
        let value =
            Unreadable { bytes: &bytes, version, known: FORMAT, service, problem: &"calls" };
        if !self.instance.memory.calls_watch.may_replace(&value, host, effects) {
            return Err(Lost::Newer);
        }
        let leases = begun(host);
        // Lost, another was faster.
        let _ = self.store_leases(&leases, Some(version), host);
        Ok(Loaded { leases, version: Some(version) })
    }

    fn store_leases(
        &self,
        leases: &Leases,
        version: Option<Version>,
        host: &impl Host,
    ) -> Result<(), SwapError> {
        let bytes = leases.encode();
        let held = self.instance.tenure.as_ref().map(|tenure| tenure.with_part(&bytes));
        host.swap(&self.instance.calls_key, held.as_deref().unwrap_or(&bytes), version)
    }

    fn complain(&self, effects: &mut Effects) {
        effects.count(Metric::LostUpdates);
        if self.is_news(Complaint::LostUpdate) {
            effects.warn(format!("service={} event=lost_update cause=Race", self.instance.name));
        }
    }
}
