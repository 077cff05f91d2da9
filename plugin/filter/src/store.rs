//! The records of the breakers in the store that all workers share.
//!
//! A record is created if absent and changed only by compare-and-swap, so that a transition is stored
//! by exactly one worker.
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
//! a write in progress for good: both mean that records are read each time. And the timer reads all
//! of them anew in any case, in turn ([`crate::rounds`]).

use std::cell::Cell;
use std::time::Duration;

use breaker::{
    Breaker, Clean, DecodeError, Encoded, Ended, Impact, Now, Patience, Permit, Policy,
    RECORD_FORMAT, Tally, Timestamp, Transition, Usual, WindowPolicy,
};
use shared::{Clock, Decision, Decoded, Kind, Lost, Store, StoreFault, SwapError, Version, Watch};

use crate::effects::Effects;
use crate::host::Host;
use crate::telemetry::Metric;
use crate::tenure::{Tenure, decode_record};

/// The key of a service's record. Its prefix keeps it apart from other plugins', which share the
/// store where no `vm_id` is set; the version is that of the key space, not of the record.
pub(crate) fn key(service: &str) -> String {
    format!("edge-breaker/v1/{service}")
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
#[derive(Debug)]
pub(crate) struct LocalState {
    /// Whether the gauge of the record's version can be relied on.
    versioned: Cell<bool>,
    /// The version in which the record was clean, and how.
    clean: Cell<Option<(u64, Clean)>>,
    /// What a good call changed of it then.
    good_call: Cell<Impact>,
    /// Whether the window and the health check of this configuration were put in force.
    synced: Cell<bool>,
    watch: Watch,
    /// Good calls that are not in the record yet.
    tally: Cell<Tally>,
    /// What the adaptive rule takes for usual, as of the record that was read last.
    usual: Cell<Option<Usual>>,
    /// For how long calls may be under way, likewise. `None`: for ever.
    patience: Cell<Option<Patience>>,
    version: Cell<Option<u64>>,
    rest: Cell<Rest>,
}

/// What the timer's last look at a record left to be done.
#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    /// The version in which there was nothing left; `None`: look again.
    version: Option<u64>,
    /// When a health check may be due in it; `None`: never.
    next_check: Option<Timestamp>,
}

/// A record, as one worker knows it.
pub(crate) struct Record<'a> {
    pub(crate) local: &'a LocalState,
    pub(crate) key: &'a str,
    /// The gauge of its version.
    pub(crate) gauge: Metric,
    pub(crate) tenure: Option<&'a Tenure>,
    pub(crate) policy: &'a Policy,
    /// The service, as it is shown.
    pub(crate) name: &'a str,
}

/// The kind of value that a record is.
pub(crate) struct RecordKind<'a> {
    pub(crate) tenure: Option<&'a Tenure>,
    pub(crate) policy: &'a Policy,
}

/// A record's bytes, within its slot's if it has a slot.
#[expect(clippy::large_enum_variant, reason = "the large one is what it nearly always is")]
enum Bytes {
    Plain(Encoded),
    InSlot(Vec<u8>),
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::InSlot(bytes) => bytes,
        }
    }
}

impl Kind for RecordKind<'_> {
    type Value = Breaker;

    #[inline(always)]
    fn decode(&self, bytes: &[u8]) -> Decoded<Breaker> {
        decode_record(self.tenure, bytes, |record| match Breaker::decode(record) {
            Ok(breaker) => Decoded::Value(breaker),
            Err(error) => unreadable(record, &error),
        })
    }

    fn encode(&self, breaker: &Breaker) -> impl AsRef<[u8]> {
        let record = breaker.encode();
        match self.tenure {
            None => Bytes::Plain(record),
            Some(tenure) => Bytes::InSlot(tenure.with_record(&record)),
        }
    }

    /// Or it would be warned of until something changes.
    fn replacement(&self, now: Now) -> Option<Breaker> {
        Some(begun(self.policy, now.monotonic))
    }
}

#[cold]
#[inline(never)]
fn unreadable(record: &[u8], error: &DecodeError) -> Decoded<Breaker> {
    Decoded::unreadable(record, RECORD_FORMAT, error.to_string())
}

/// A breaker that has seen nothing. It knows from the first what this configuration wants kept and
/// asked.
pub(crate) fn begun(policy: &Policy, now: Timestamp) -> Breaker {
    let mut breaker = Breaker::new();
    breaker.sync(policy, now);
    breaker
}

/// The store, with a gauge that shows each write.
pub(crate) struct Gauged<'a> {
    host: &'a dyn Host,
    gauge: Metric,
    /// Whether the gauge can be relied on.
    versioned: bool,
    /// What it stood at before the last load, if nobody was about to write.
    settled: Cell<Option<u64>>,
}

impl<'a> Gauged<'a> {
    pub(crate) fn new(host: &'a dyn Host, gauge: Metric) -> Self {
        Self { host, gauge, versioned: false, settled: Cell::default() }
    }
}

impl Store for Gauged<'_> {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        let gauges = self.host.gauges().filter(|_| self.versioned);
        let version = gauges.and_then(|gauges| gauges.read(self.gauge));
        self.settled.set(version.filter(|version| version & WRITES_IN_PROGRESS == 0));
        self.host.load(key)
    }

    fn swap(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        let mark = |by| self.host.gauges().into_iter().for_each(|it| it.adjust(self.gauge, by));
        mark(BEGIN_WRITE);
        let swapped = self.host.swap(key, value, expected);
        mark(END_WRITE);
        swapped
    }
}

impl Clock for Gauged<'_> {
    fn now(&self) -> Now {
        self.host.now()
    }

    fn monotonic(&self) -> Timestamp {
        self.host.monotonic()
    }
}

/// Whether a gauge of writes can be relied on: whether it moves.
pub(crate) fn is_counted(gauge: Metric, host: &dyn Host) -> bool {
    let Some(gauges) = host.gauges() else {
        return false;
    };
    let before = gauges.read(gauge);
    gauges.adjust(gauge, BEGIN_WRITE);
    let after = gauges.read(gauge);
    gauges.adjust(gauge, END_WRITE);
    before.is_some() && after != before
}

impl LocalState {
    /// That of a worker which has seen nothing.
    pub(crate) fn new(policy: &Policy) -> Self {
        Self {
            versioned: Cell::default(),
            clean: Cell::default(),
            good_call: Cell::default(),
            synced: Cell::default(),
            watch: Watch::default(),
            tally: Cell::new(Tally::new(policy)),
            usual: Cell::default(),
            patience: Cell::default(),
            version: Cell::default(),
            rest: Cell::default(),
        }
    }

    /// The version of the record that was read last; `None`: it is not known, or nothing could be read.
    pub(crate) const fn version(&self) -> Option<u64> {
        self.version.get()
    }

    /// The timer has looked at the record, and in this version there is nothing left to do before
    /// `next_check`; `None`: it has to look again.
    pub(crate) fn rest(&self, version: Option<u64>, next_check: Option<Timestamp>) {
        self.rest.set(Rest { version, next_check });
    }

    /// There is something else to do than it left.
    pub(crate) fn look_again(&self) {
        self.rest.set(Rest { version: None, ..self.rest.get() });
    }

    /// Whether another look would find nothing to do.
    pub(crate) fn is_at_rest(&self, gauge: Metric, host: &dyn Host) -> bool {
        let Rest { version, next_check } = self.rest.get();
        version.is_some()
            && next_check.is_none_or(|at| host.now().monotonic < at)
            && host.gauges().and_then(|gauges| gauges.read(gauge)) == version
    }

    /// Whether a health check may have to be made, as far as the last look knew.
    pub(crate) fn is_checked(&self) -> bool {
        self.rest.get().next_check.is_some()
    }

    /// Takes note of whether the gauge of the record's version can be relied on.
    pub(crate) fn set_versioned(&self, versioned: bool) {
        self.versioned.set(versioned);
    }

    /// Takes note of whether the window and the health check of this configuration are in force.
    pub(crate) fn set_synced(&self, synced: bool) {
        self.synced.set(synced);
    }

    /// Whether they are.
    pub(crate) const fn is_synced(&self) -> bool {
        self.synced.get()
    }

    /// The good calls that are not in the record yet.
    #[inline]
    pub(crate) const fn tally(&self) -> Tally {
        self.tally.get()
    }

    /// Takes note that these are all there are.
    pub(crate) fn set_tally(&self, tally: Tally) {
        self.tally.set(tally);
        if self.good_call.get() == Impact::Write {
            self.good_call.set(Impact::TallyOnly);
        }
    }

    /// Adds a good call to them, if there is a rule that asks for it. `false`: it took so long that
    /// it is to be told at once.
    #[inline]
    pub(crate) fn keep(
        &self,
        policy: &Policy,
        permit: &Permit,
        took: Duration,
        host: &dyn Clock,
    ) -> bool {
        let usual = self.usual.get();
        if usual.is_some_and(|usual| !usual.holds(took)) {
            return false;
        }
        let timed = usual.is_some_and(Usual::asks_for_time);
        let now = match policy.trip.window() {
            None if usual.is_none() => return true,
            Some(WindowPolicy::Time(_)) => host.monotonic(),
            _ if timed => host.monotonic(),
            None | Some(WindowPolicy::Calls(_)) => Timestamp::default(),
        };
        let mut tally = self.tally.get();
        tally.add(permit, took, usual, now);
        self.tally.set(tally);
        true
    }

    /// Whether a good call that took so long is nothing unusual, as far as is known.
    #[inline]
    pub(crate) fn is_usual(&self, took: Duration) -> bool {
        self.usual.get().is_none_or(|usual| usual.holds(took))
    }

    /// For how long calls may be under way, as far as is known. `None`: for ever.
    pub(crate) const fn patience(&self) -> Option<Patience> {
        self.patience.get()
    }

    /// The breaker, if it is known to be clean without reading it. In line: it is all that most
    /// calls want to know.
    #[inline(always)]
    pub(crate) fn clean(&self, gauge: impl FnOnce() -> Metric, host: &dyn Host) -> Option<Clean> {
        let (version, clean) = self.clean.get()?;
        (host.gauges()?.read(gauge()) == Some(version)).then_some(clean)
    }

    /// What settling a call that has ended so would change, if the breaker was clean when it was read
    /// last.
    #[inline(always)]
    pub(crate) fn impact(&self, ended: Ended) -> Impact {
        ended.impact(self.good_call.get())
    }

    /// Forgets that it is clean.
    pub(crate) fn forget(&self) {
        self.clean.take();
    }
}

impl<'a> Record<'a> {
    fn cell(&self) -> shared::Cell<'a, RecordKind<'a>> {
        let kind = RecordKind { tenure: self.tenure, policy: self.policy };
        shared::Cell { key: self.key, kind, watch: &self.local.watch, service: Some(self.name) }
    }

    pub(crate) fn gauged<'h>(&self, host: &'h dyn Host) -> Gauged<'h> {
        Gauged { versioned: self.local.versioned.get(), ..Gauged::new(host, self.gauge) }
    }

    /// The breaker as it is now; one that was never stored, or cannot be read, is closed and clean.
    pub(crate) fn load(&self, host: &dyn Host, effects: &mut Effects) -> Result<Breaker, Lost> {
        let gauged = self.gauged(host);
        let mut value = None;
        if let Err(lost) = self.cell().load(&gauged, effects, &mut value)
            && lost != Lost::Newer
        {
            return Err(lost);
        }
        self.remember(&value, &gauged);
        Ok(value.unwrap_or_else(|| begun(self.policy, host.now().monotonic)))
    }

    /// Remembers of the breaker that was read what there is to remember.
    #[inline(never)]
    fn remember(&self, read: &Option<Breaker>, gauged: &Gauged<'_>) {
        self.local.version.set(gauged.settled.get().filter(|_| read.is_some()));
        if let Some(breaker) = read {
            let tally = self.local.tally();
            self.local.good_call.set(breaker.impact_where_clean(self.policy, &tally));
            self.local.usual.set(breaker.usual(self.policy));
            let is_watched = self.policy.trip.watches_calls();
            self.local.patience.set(is_watched.then(|| breaker.patience(self.policy)));
            self.local.clean.set(gauged.settled.get().zip(breaker.clean(self.policy)));
        }
    }

    /// The breaker as whoever looks at it sees it, to which that changes nothing; `None`: its name has made
    /// room. A damaged record shows a new breaker, as it will be taken for one.
    pub(crate) fn peek(&self, host: &dyn Store) -> Result<Option<Breaker>, StoreFault> {
        let stored = host.load(self.key)?;
        Ok(match stored.map(|(stored, _)| self.cell().kind.decode(&stored)) {
            Some(Decoded::Value(breaker)) => Some(breaker),
            Some(Decoded::Latter) => None,
            _ => Some(Breaker::new()),
        })
    }

    /// Changes the breaker; `then`, once it is written, it is shown with its transition.
    pub(crate) fn update<R>(
        &self,
        host: &dyn Host,
        effects: &mut Effects,
        mut change: impl FnMut(&mut Breaker) -> Update<R>,
        then: impl FnOnce(&Breaker, Option<Transition>, &mut Effects),
    ) -> Result<R, Lost> {
        let gauged = self.gauged(host);
        let begun = || begun(self.policy, host.now().monotonic);
        let decide = |read: &mut Option<Breaker>, _: &mut Effects| {
            self.remember(read, &gauged);
            match change(read.get_or_insert_with(begun)) {
                Update::Unchanged(result) => Decision::Keep((result, None)),
                Update::Changed(result, transition) => Decision::Store((result, transition)),
            }
        };
        let then =
            |breaker: &Breaker, (_, transition): &(R, Option<Transition>), effects: &mut _| {
                then(breaker, *transition, effects);
            };
        match self.cell().update_then(None, &gauged, effects, decide, then) {
            Ok((result, _)) => Ok(result),
            Err(Lost::Newer) => match change(&mut begun()) {
                Update::Unchanged(result) => Ok(result),
                Update::Changed(..) => Err(Lost::Newer),
            },
            Err(lost) => Err(lost),
        }
    }
}
