//! The shared store, as Envoy keeps it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use filter::{StoreFault, SwapError, Version};

/// Envoy's status for "the module may not do this".
const INTERNAL_FAILURE: StoreFault = StoreFault { status: 10 };

/// Done once, right before a read, or before a write is compared with what is stored.
type Interruption = Box<dyn FnOnce()>;

/// Values with versions, compared and swapped as Envoy does: a missing key takes any version, and
/// all versions come from one counter that skips zero.
#[derive(Default)]
pub(crate) struct Store {
    values: RefCell<BTreeMap<String, (Vec<u8>, Version)>>,
    versions: Cell<u32>,
    interruptions: RefCell<VecDeque<Interruption>>,
    before_read: RefCell<Option<(&'static str, Interruption)>>,
    conflicts: Cell<usize>,
    pub(crate) reads_fail: Cell<bool>,
    pub(crate) writes_fail: Cell<bool>,
    unwritable: Cell<Option<&'static str>>,
}

impl Store {
    pub(crate) fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        if self.reads_fail.get() {
            return Err(INTERNAL_FAILURE);
        }
        let interruption = self.before_read.borrow_mut().take_if(|(of, _)| *of == key);
        if let Some((_, interruption)) = interruption {
            interruption();
        }
        Ok(self.values.borrow().get(key).cloned())
    }

    pub(crate) fn swap(
        &self,
        key: &str,
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), SwapError> {
        if self.writes_fail.get() || self.unwritable.get() == Some(key) {
            return Err(SwapError::Fault(INTERNAL_FAILURE));
        }
        let interruption = self.interruptions.borrow_mut().pop_front();
        if let Some(interruption) = interruption {
            interruption();
        }
        if self.conflicts.get() > 0 {
            self.conflicts.set(self.conflicts.get() - 1);
            return Err(SwapError::Conflict);
        }
        let stored = self.values.borrow().get(key).map(|(_, version)| *version);
        if stored.is_some() && stored != expected {
            return Err(SwapError::Conflict);
        }
        self.put(key, value.to_vec());
        Ok(())
    }

    /// Writes in any case.
    pub(crate) fn put(&self, key: &str, value: Vec<u8>) {
        self.versions.set(self.versions.get().wrapping_add(1).max(1));
        let version = Version::new(self.versions.get()).unwrap();
        self.values.borrow_mut().insert(key.to_owned(), (value, version));
    }

    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.values.borrow().get(key).map(|(value, _)| value.clone())
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.values.borrow().keys().cloned().collect()
    }

    /// Writes to this key fail, and to no other.
    pub(crate) fn fail_writes_to(&self, key: Option<&'static str>) {
        self.unwritable.set(key);
    }

    /// The next writes lose a race, whoever makes them.
    pub(crate) fn conflict_next(&self, writes: usize) {
        self.conflicts.set(writes);
    }

    /// Something happens right before the next write that has no interruption yet, when its
    /// decision has been taken already.
    pub(crate) fn before_next_write(&self, interruption: impl FnOnce() + 'static) {
        self.interruptions.borrow_mut().push_back(Box::new(interruption));
    }

    /// Something happens right before this key is read next.
    pub(crate) fn before_next_read_of(
        &self,
        key: &'static str,
        interruption: impl FnOnce() + 'static,
    ) {
        self.before_read.replace(Some((key, Box::new(interruption))));
    }

    /// What was to happen before writes that were never made does not.
    pub(crate) fn forget_interruptions(&self) {
        let forgotten = std::mem::take(&mut *self.interruptions.borrow_mut());
        drop(forgotten);
    }
}
