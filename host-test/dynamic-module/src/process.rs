//! A process: what its configurations have in common.

#![allow(unsafe_code, reason = "the module's table is one of C functions")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dynamic_module::clock::{self, Simulated};
use dynamic_module::store::table::{ABSENT, CONFLICT, DONE, FAILED, Found, Table};

/// A process that runs the module, on one thread.
#[derive(Clone, Debug)]
pub struct Process(pub(crate) Rc<State>);

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) workers: u32,
    clocks: &'static Simulated,
    pub(crate) log: RefCell<Vec<String>>,
    pub(crate) metrics: RefCell<BTreeMap<String, u64>>,
    pub(crate) unknown_clusters: RefCell<BTreeSet<String>>,
    pub(crate) has_diverted_route: Cell<bool>,
    /// What is published in it.
    pub(crate) data: RefCell<BTreeMap<Vec<u8>, *mut c_void>>,
    /// The module's own table, which the one that is published calls.
    table: Cell<Option<Table>>,
    faults: Cell<Faults>,
    pub(crate) last_call: Cell<u64>,
}

/// What goes wrong in the store.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    unreadable: bool,
    unwritable: bool,
    lost_races: u32,
}

/// What may go wrong in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing can be read.
    Unreadable,
    /// Nothing can be written.
    Unwritable,
}

thread_local! {
    /// The process that is at work on this thread.
    static CURRENT: RefCell<Option<Rc<State>>> = const { RefCell::new(None) };
}

/// What functions work on that are called for no stream or configuration.
pub(crate) fn current<R>(f: impl FnOnce(&Rc<State>) -> R) -> Option<R> {
    CURRENT.with_borrow(|current| current.as_ref().map(f))
}

impl Process {
    /// One with so many workers.
    #[must_use]
    pub fn new(workers: u32) -> Self {
        let clocks: &'static Simulated = Box::leak(Box::default());
        let data = [(clock::KEY.as_bytes().to_vec(), clocks as *const Simulated as *mut c_void)];
        Self(Rc::new(State {
            workers,
            clocks,
            log: RefCell::default(),
            metrics: RefCell::default(),
            unknown_clusters: RefCell::default(),
            has_diverted_route: Cell::new(false),
            data: RefCell::new(data.into()),
            table: Cell::new(None),
            faults: Cell::default(),
            last_call: Cell::default(),
        }))
    }

    /// Sets both clocks; the wall clock since 1970.
    pub fn set_clocks(&self, monotonic: Duration, wall: Duration) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.clocks.monotonic.store(nanos(monotonic), Ordering::Relaxed);
        self.0.clocks.wall.store(nanos(wall), Ordering::Relaxed);
    }

    /// Adds the route for diverted requests.
    pub fn route_diverted(&self) {
        self.0.has_diverted_route.set(true);
    }

    /// Says whether there is a cluster. At first, all are there.
    pub fn set_cluster(&self, name: &str, is_there: bool) {
        let mut unknown = self.0.unknown_clusters.borrow_mut();
        if is_there {
            unknown.remove(name);
        } else {
            unknown.insert(name.to_owned());
        }
    }

    /// The lines that were logged since this was last asked.
    #[must_use]
    pub fn take_log(&self) -> Vec<String> {
        self.0.log.take()
    }

    /// All metrics, by their names. Labels are written before them, as the module itself does where it
    /// has a metric for each.
    #[must_use]
    pub fn metrics(&self) -> BTreeMap<String, u64> {
        self.0.metrics.borrow().clone()
    }

    /// Has the store fail, until it is mended.
    pub fn break_store(&self, fault: Fault) {
        self.0.change_faults(|faults| match fault {
            Fault::Unreadable => faults.unreadable = true,
            Fault::Unwritable => faults.unwritable = true,
        });
    }

    /// Has the store work again.
    pub fn mend_store(&self) {
        self.0.faults.set(Faults::default());
    }

    /// Has so many writes of the store lose a race.
    pub fn lose_races(&self, count: u32) {
        self.0.change_faults(|faults| faults.lost_races = count);
    }

    /// What the store has under a key, whether or not it can be read, with its version.
    #[must_use]
    pub fn stored(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        let table = self.0.table.get()?;
        let mut bytes = vec![0; 1 << 20];
        let mut found = Found::default();
        // SAFETY: there is as much room as is said, and all lives until the call returns.
        let status = unsafe {
            let (place, room) = (bytes.as_mut_ptr(), bytes.len());
            (table.load)(table.state, key.as_ptr(), key.len(), place, room, &raw mut found)
        };
        bytes.truncate(found.len);
        (status == DONE).then_some((bytes, found.version))
    }

    /// Writes into the store, whether or not it can be written; whether that went well.
    #[must_use]
    pub fn store(&self, key: &str, value: &[u8]) -> bool {
        let Some(table) = self.0.table.get() else {
            return false;
        };
        let expected = self.stored(key).map_or(0, |(_, version)| version);
        // SAFETY: all lives until the call returns.
        let status = unsafe {
            let (value, len) = (value.as_ptr(), value.len());
            (table.swap)(table.state, key.as_ptr(), key.len(), value, len, expected)
        };
        status == DONE
    }

    /// Does something in which the module is called.
    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        self.0.run(f)
    }
}

impl State {
    pub(crate) fn run<R>(self: &Rc<Self>, f: impl FnOnce() -> R) -> R {
        let before = CURRENT.replace(Some(Rc::clone(self)));
        let result = f();
        CURRENT.set(before);
        result
    }

    fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        let mut faults = self.faults.get();
        change(&mut faults);
        self.faults.set(faults);
    }

    /// Publishes a pointer. The module's store is found by a table that may fail.
    pub(crate) fn publish(self: &Rc<Self>, key: &[u8], data: *mut c_void) {
        let data = if key == dynamic_module::store::KEY.as_bytes() {
            // SAFETY: the module publishes a table under this key, and keeps it.
            let table = unsafe { *data.cast::<Table>() };
            self.table.set(Some(table));
            let state = Rc::as_ptr(self).cast_mut().cast();
            let table = Table { state, load, swap, number, ..table };
            Box::into_raw(Box::new(table)).cast()
        } else {
            data
        };
        self.data.borrow_mut().insert(key.to_vec(), data);
    }
}

/// # Safety
///
/// The state is that of a process that is there.
unsafe fn process<'a>(state: *mut c_void) -> &'a State {
    // SAFETY: the caller's.
    unsafe { &*state.cast::<State>() }
}

unsafe extern "C" fn load(
    state: *mut c_void,
    key: *const u8,
    key_len: usize,
    place: *mut u8,
    room: usize,
    found: *mut Found,
) -> u32 {
    // SAFETY: so the table says that it is called.
    unsafe {
        let process = process(state);
        match process.table.get() {
            None => ABSENT,
            Some(_) if process.faults.get().unreadable => FAILED,
            Some(table) => (table.load)(table.state, key, key_len, place, room, found),
        }
    }
}

unsafe extern "C" fn swap(
    state: *mut c_void,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    expected: u32,
) -> u32 {
    // SAFETY: so the table says that it is called.
    unsafe {
        let process = process(state);
        let faults = process.faults.get();
        match process.table.get() {
            None => FAILED,
            Some(_) if faults.unwritable => FAILED,
            Some(_) if faults.lost_races > 0 => {
                process.change_faults(|faults| faults.lost_races -= 1);
                CONFLICT
            }
            Some(table) => (table.swap)(table.state, key, key_len, value, value_len, expected),
        }
    }
}

unsafe extern "C" fn number(
    state: *mut c_void,
    name: *const u8,
    name_len: usize,
) -> *const AtomicU64 {
    // SAFETY: so the table says that it is called.
    unsafe {
        let table = process(state).table.get();
        table.map_or(std::ptr::null(), |table| (table.number)(table.state, name, name_len))
    }
}
