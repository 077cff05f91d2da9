//! The bulkhead: how many calls of a service may be under way at a time, over all workers.
//!
//! Who acquires a permit writes so in a second record of the service, by compare-and-swap; who
//! releases one does, too. Each worker writes the number of calls that it has under way by its own
//! count, not the one more or less, so that a write which was lost is made good by the next. What a
//! worker has written holds for a few seconds and is renewed as long as it lives: the permits of one
//! that has crashed return by themselves ([`leases`]).
//!
//! A call whose request is not complete keeps no permit for long: a client that never ends its
//! request would keep it from all others. What such calls have ends by itself, for all workers,
//! since the end is written where they are counted. When the request is complete the call acquires a
//! permit once more, or the one it has still becomes its own.
//!
//! A full bulkhead says nothing about the service: it is no failure, and a call that found it full
//! was none.

mod leases;
mod under_way;

use std::cell::{Cell, RefCell};

use breaker::{Now, Timestamp};
use shared::{Decision, Decoded, Kind, Lost, StoreFault, Watch};

use crate::effects::Effects;
use crate::host::Host;
use crate::random::scrambled;
use crate::request_warnings::Warned;
use crate::telemetry::{ModuleMetric, ServiceMetric, Unprotected};
use crate::tenure::{Tenure, decode_part};
use config::Bulkhead;

use leases::{FORMAT, LEASE, Leases};
pub(crate) use under_way::BulkheadPermit;
use under_way::UnderWay;

/// The key of the calls that a service has under way, beside its record's.
pub(crate) fn key(record: &str) -> String {
    // No service's name has a slash.
    format!("{record}/calls")
}

/// What one worker keeps of a service's bulkhead.
#[derive(Debug, Default)]
pub(crate) struct LocalPermits {
    /// The number by which the others know it; zero: it has had no call yet.
    worker: Cell<u32>,
    /// Its calls under way.
    under_way: RefCell<UnderWay>,
    /// Until when its leases hold.
    until: Cell<Timestamp>,
    /// Whether its leases say another number.
    unwritten: Cell<bool>,
    /// Whether the gauge shows that nobody has calls under way, as the leases say.
    none_shown: Cell<bool>,
    watch: Watch,
}

/// The bulkhead of a service.
pub(crate) struct Permits<'a> {
    pub(crate) local: &'a LocalPermits,
    pub(crate) bulkhead: &'a Bulkhead,
    /// The key of its leases.
    pub(crate) key: &'a str,
    pub(crate) tenure: Option<&'a Tenure>,
    /// The number of its metrics; `None`: others are counted in them as well.
    pub(crate) series: Option<usize>,
    pub(crate) service: &'a str,
    pub(crate) warned: &'a Warned,
}

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Its class.
    pub(crate) class: usize,
    /// Whether its request is complete.
    pub(crate) complete: bool,
    /// Whether the limits are heeded. If not, there is always a permit.
    pub(crate) heeded: bool,
}

/// What a call got.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// A permit.
    Permit(BulkheadPermit),
    /// None, since the bulkhead is full; or one all the same, since the limits are not heeded.
    Full(Option<BulkheadPermit>),
    /// None: nobody can tell.
    Unknown,
}

/// The leases of a service.
pub(crate) struct LeasesKind<'a>(pub(crate) Option<&'a Tenure>);

/// A permit that was decided on.
struct Granted {
    permit: BulkheadPermit,
    full: bool,
    /// Whether it is in exchange for one that the call had.
    exchanged: bool,
    told: Told,
}

/// What leases say of this worker once they are stored.
#[derive(Clone, Copy)]
struct Told {
    worker: u32,
    /// The calls of all workers.
    total: u32,
    at: Timestamp,
}

impl Kind for LeasesKind<'_> {
    type Value = Leases;

    fn decode(&self, bytes: &[u8]) -> Decoded<Leases> {
        decode_part(self.0, bytes, "calls", |part| {
            Decoded::new(Leases::decode(part), part, FORMAT, "calls")
        })
    }

    fn encode(&self, leases: &Leases) -> impl AsRef<[u8]> {
        let bytes = leases.encode();
        match self.0 {
            None => bytes,
            Some(tenure) => tenure.with_part(&bytes),
        }
    }

    fn replacement(&self, now: Now) -> Option<Leases> {
        Some(begun(now.monotonic))
    }
}

/// Leases where there are none.
fn begun(now: Timestamp) -> Leases {
    Leases::begun(scrambled(now.as_nanos()))
}

impl LocalPermits {
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
}

impl<'a> Permits<'a> {
    fn cell(&self) -> shared::Cell<'a, LeasesKind<'a>> {
        let (kind, service) = (LeasesKind(self.tenure), Some(self.service));
        shared::Cell { key: self.key, kind, watch: &self.local.watch, service }
    }

    /// How many calls are under way, over all workers. To look changes nothing.
    pub(crate) fn in_flight(&self, host: &dyn Host) -> Result<u32, StoreFault> {
        let stored = host.load(self.key)?;
        let decoded = stored.map(|(bytes, _)| self.cell().kind.decode(&bytes));
        let Some(Decoded::Value(mut leases)) = decoded else {
            return Ok(0);
        };
        // The clock is read after the leases: by an earlier time the latest would be too long.
        leases.expire(host.now().monotonic);
        Ok(leases.total())
    }

    /// Acquires a permit for a call.
    pub(crate) fn acquire(
        &self,
        wanted: Wanted,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Acquired {
        self.exchange(wanted, None, host, effects)
    }

    /// Makes a permit that awaited its request a complete call's. It is the same one if its time is not
    /// over; else another one, if there is one.
    pub(crate) fn complete(
        &self,
        permit: &BulkheadPermit,
        heeded: bool,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Acquired {
        let wanted = Wanted { class: permit.class(), complete: true, heeded };
        self.exchange(wanted, Some(permit), host, effects)
    }

    /// Acquires a permit, in exchange for the one that the call `had`.
    fn exchange(
        &self,
        Wanted { class, complete, heeded }: Wanted,
        had: Option<&BulkheadPermit>,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Acquired {
        let granted = self.cell().update(host, effects, |leases, effects| {
            let now = host.now().monotonic;
            let leases = leases.get_or_insert_with(|| begun(now));
            let worker = self.local.number(leases);
            self.write(worker, leases, now);
            let had = had.filter(|had| !had.is_over(|| now));
            let full = had.is_none()
                && !self.bulkhead.has_place(class, |class| match class {
                    None => leases.total(),
                    Some(class) => leases.of(class),
                });
            if full && heeded {
                self.show(leases.total(), effects);
                return Decision::Keep(None);
            }
            let limit = self.bulkhead.max_request_duration;
            let permit = self.local.with(|calls| calls.permit(class, complete, limit, now));
            self.count(&permit, had);
            let told = self.write(worker, leases, now);
            self.uncount(&permit, had);
            let exchanged = had.is_some();
            Decision::Store(Some(Granted { permit, full, exchanged, told }))
        });
        match granted {
            Ok(Some(Granted { permit, full, exchanged, told })) => {
                self.count(&permit, had.filter(|_| exchanged));
                self.written(told, effects);
                if full { Acquired::Full(Some(permit)) } else { Acquired::Permit(permit) }
            }
            Ok(None) => Acquired::Full(None),
            Err(Lost::Race) => {
                // Others got theirs each time. Who could not write has none: too many calls are worse.
                self.warned.lost_update(self.service, Lost::Race, effects);
                if heeded { Acquired::Full(None) } else { Acquired::Unknown }
            }
            Err(_) => {
                effects.count(ModuleMetric::Unprotected(Unprotected::Store));
                Acquired::Unknown
            }
        }
    }

    /// Counts a permit, in exchange for another.
    fn count(&self, permit: &BulkheadPermit, had: Option<&BulkheadPermit>) {
        self.local.with(|calls| {
            calls.add(permit);
            had.into_iter().for_each(|had| calls.remove(had));
        });
    }

    /// Takes that back.
    fn uncount(&self, permit: &BulkheadPermit, had: Option<&BulkheadPermit>) {
        self.local.with(|calls| {
            calls.remove(permit);
            had.into_iter().for_each(|had| calls.add(had));
        });
    }

    /// Releases a permit.
    pub(crate) fn release(&self, permit: &BulkheadPermit, host: &dyn Host, effects: &mut Effects) {
        self.local.with(|calls| calls.remove(permit));
        if !permit.is_over(|| host.now().monotonic) {
            self.local.unwritten.set(true);
            self.write_all(host, effects);
        }
    }

    /// Renews the leases of this worker, if need be, and shows how many calls are under way: by the
    /// leases, unless they said none. Then whoever gets a permit shows it. `read`: in any case.
    pub(crate) fn renew(&self, read: bool, host: &dyn Host, effects: &mut Effects) {
        let local = self.local;
        let is_idle = local.with(|calls| calls.is_idle());
        let lags = || local.until.get().since(host.now().monotonic) < LEASE / 2;
        if local.unwritten.get() || (!is_idle && lags()) {
            return self.write_all(host, effects);
        }
        if local.none_shown.get() && !read {
            return;
        }
        let mut leases = None;
        if self.cell().load(host, effects, &mut leases).is_ok() {
            let now = host.now().monotonic;
            let mut leases = leases.unwrap_or_else(|| begun(now));
            leases.expire(now);
            self.show(leases.total(), effects);
            local.none_shown.set(leases.total() == 0);
        }
    }

    /// Writes how many calls this worker has under way. What cannot be written now is written with the
    /// next call, or by the timer.
    fn write_all(&self, host: &dyn Host, effects: &mut Effects) {
        let told = self.cell().update(host, effects, |leases, _| {
            let now = host.now().monotonic;
            let leases = leases.get_or_insert_with(|| begun(now));
            Decision::Store(self.write(self.local.number(leases), leases, now))
        });
        match told {
            Ok(told) => self.written(told, effects),
            Err(Lost::Race) => self.warned.lost_update(self.service, Lost::Race, effects),
            Err(_) => {}
        }
    }

    /// Brings leases up to date, with this worker's calls in them.
    fn write(&self, worker: u32, leases: &mut Leases, at: Timestamp) -> Told {
        leases.expire(at);
        self.local.with(|calls| calls.write(self.bulkhead, worker, leases, at));
        Told { worker, total: leases.total(), at }
    }

    /// Takes note that leases are stored.
    fn written(&self, Told { worker, total, at }: Told, effects: &mut Effects) {
        self.local.worker.set(worker);
        self.local.until.set(at.after(LEASE));
        self.local.unwritten.set(false);
        self.show(total, effects);
    }

    /// What the gauge shows of the calls that are under way.
    fn show(&self, in_flight: u32, effects: &mut Effects) {
        self.local.none_shown.set(false);
        if let Some(series) = self.series {
            effects.set_of(series, ServiceMetric::InFlight, in_flight.into());
        }
    }
}
