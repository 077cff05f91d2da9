//! What the workers of one host have in common: the store, the clocks, the metrics and the log.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::bindings::store;
use crate::types::{Change, Effects, Level, Metric};

/// Where the wall clock starts, in nanoseconds since 1970: May 1st, 2024, 12:00 UTC.
pub const WALL_START: u64 = 1_714_564_800_000_000_000;

/// The monotonic clock starts at a thousand seconds, since it may start anywhere.
const MONOTONIC_START: u64 = 1_000_000_000_000;

/// The host's own number for "the store is broken".
const BROKEN: u32 = 10;

/// The store, the clocks, the metrics and the log of one host. A clone is the same one.
#[derive(Clone)]
pub struct Shared(Rc<Inner>);

struct Inner {
    entries: RefCell<BTreeMap<String, store::Entry>>,
    last_version: Cell<u32>,
    monotonic: Cell<u64>,
    wall: Cell<u64>,
    metrics: RefCell<BTreeMap<String, u64>>,
    log: RefCell<Vec<(Level, String)>>,
    loads: Cell<usize>,
    swaps: Cell<usize>,
    unreadable: Cell<bool>,
    unwritable: Cell<bool>,
    races_to_lose: Cell<usize>,
    intrusion: Cell<Option<Box<dyn FnOnce()>>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    /// An empty store, at the start of time.
    #[must_use]
    pub fn new() -> Self {
        Self(Rc::new(Inner {
            entries: RefCell::default(),
            last_version: Cell::default(),
            monotonic: Cell::new(MONOTONIC_START),
            wall: Cell::new(WALL_START),
            metrics: RefCell::default(),
            log: RefCell::default(),
            loads: Cell::default(),
            swaps: Cell::default(),
            unreadable: Cell::default(),
            unwritable: Cell::default(),
            races_to_lose: Cell::default(),
            intrusion: Cell::default(),
        }))
    }

    // === Time

    /// Lets time pass, on both clocks.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.0.monotonic.set(self.0.monotonic.get().saturating_add(by));
        self.0.wall.set(self.0.wall.get().saturating_add(by));
    }

    /// Lets time pass until it has been so long since the start; it never goes back.
    pub fn advance_to(&self, elapsed: Duration) {
        self.advance(elapsed.saturating_sub(self.elapsed()));
    }

    /// Puts the wall clock forward, or back if it is negative.
    pub fn shift_wall(&self, nanos: i64) {
        self.0.wall.set(self.0.wall.get().saturating_add_signed(nanos));
    }

    /// Puts the wall clock to another time, in nanoseconds since 1970.
    pub fn set_wall(&self, nanos: u64) {
        self.0.wall.set(nanos);
    }

    /// How long it has been since the start of time.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.0.monotonic.get().saturating_sub(MONOTONIC_START))
    }

    // === Faults

    /// Has the store refuse everything, or work again.
    pub fn break_store(&self, broken: bool) {
        self.break_reads(broken);
        self.break_writes(broken);
    }

    /// Has the store refuse to be read, or work again.
    pub fn break_reads(&self, broken: bool) {
        self.0.unreadable.set(broken);
    }

    /// Has the store refuse to be written, or work again.
    pub fn break_writes(&self, broken: bool) {
        self.0.unwritable.set(broken);
    }

    /// Overwrites a value, whatever version it has, as nobody should.
    pub fn put(&self, key: &str, value: &[u8]) {
        // Over all keys: so it is another one after each write.
        let version = self.0.last_version.get() + 1;
        self.0.last_version.set(version);
        let entry = store::Entry { value: value.to_vec(), version };
        self.0.entries.borrow_mut().insert(key.to_owned(), entry);
    }

    /// Has the next so many writes come too late.
    pub fn lose_races(&self, races: usize) {
        self.0.races_to_lose.set(races);
    }

    /// Has something happen between the next write's decision and the write itself.
    pub fn before_next_swap(&self, intrusion: impl FnOnce() + 'static) {
        self.0.intrusion.set(Some(Box::new(intrusion)));
    }

    // === What came of it

    /// Does what an instance wants done besides its verdict.
    pub(crate) fn apply(&self, effects: Effects) {
        self.define(&effects.defined);
        for change in effects.metrics {
            let mut metrics = self.0.metrics.borrow_mut();
            let value = metrics.entry(change.name).or_default();
            match change.change {
                Change::Count => *value += 1,
                Change::Set(to) => *value = to,
            }
        }
        let lines = effects.lines.into_iter().map(|line| (line.level, line.text));
        self.0.log.borrow_mut().extend(lines);
    }

    /// All are defined in advance, at zero.
    pub(crate) fn define(&self, metrics: &[Metric]) {
        for metric in metrics {
            self.0.metrics.borrow_mut().entry(metric.name.clone()).or_default();
        }
    }

    /// A metric's value; `None` if there is none of that name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<u64> {
        self.0.metrics.borrow().get(name).copied()
    }

    /// All metrics that are not zero, by name.
    #[must_use]
    pub fn metrics(&self) -> BTreeMap<String, u64> {
        let metrics = self.0.metrics.borrow();
        metrics.iter().filter(|(_, v)| **v != 0).map(|(k, v)| (k.clone(), *v)).collect()
    }

    /// All metrics that there are, by name.
    #[must_use]
    pub fn all_metrics(&self) -> BTreeMap<String, u64> {
        self.0.metrics.borrow().clone()
    }

    /// The log since this was last asked for.
    #[must_use]
    pub fn take_log(&self) -> Vec<(Level, String)> {
        self.0.log.take()
    }

    /// How often the store was read, and how often it was to be written, since this was last asked
    /// for.
    #[must_use]
    pub fn take_store_calls(&self) -> (usize, usize) {
        (self.0.loads.take(), self.0.swaps.take())
    }

    /// What is stored under a key, whether or not the store can be read.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.0.entries.borrow().get(key).map(|entry| entry.value.clone())
    }

    /// The keys that were ever written.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.0.entries.borrow().keys().cloned().collect()
    }
}

impl store::Host for Shared {
    fn load(&mut self, key: String) -> Result<Option<store::Entry>, store::Fault> {
        self.0.loads.set(self.0.loads.get() + 1);
        if self.0.unreadable.get() {
            return Err(store::Fault { code: BROKEN });
        }
        Ok(self.0.entries.borrow().get(&key).cloned())
    }

    fn swap(
        &mut self,
        key: String,
        value: Vec<u8>,
        expected: Option<u32>,
    ) -> Result<(), store::SwapError> {
        self.0.swaps.set(self.0.swaps.get() + 1);
        if let Some(intrusion) = self.0.intrusion.take() {
            intrusion();
        }
        if self.0.unwritable.get() {
            return Err(store::SwapError::Fault(store::Fault { code: BROKEN }));
        }
        if let Some(left) = self.0.races_to_lose.get().checked_sub(1) {
            self.0.races_to_lose.set(left);
            return Err(store::SwapError::Conflict);
        }
        let stored = self.0.entries.borrow().get(&key).map(|entry| entry.version);
        if stored != expected {
            return Err(store::SwapError::Conflict);
        }
        self.put(&key, &value);
        Ok(())
    }

    fn now(&mut self) -> store::Clocks {
        store::Clocks { monotonic: self.0.monotonic.get(), wall: self.0.wall.get() }
    }
}
