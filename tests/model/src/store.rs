//! One value, as a worker that stands between load and swap sees it.

use breaker::{Breaker, Now, Policy, RECORD_FORMAT};
use shared::{Clock, Decoded, Kind, Report, Store, StoreFault, SwapError, Unreadable, Version};

use crate::settings::at;

/// The version that a worker has read.
const READ: Version = Version::MIN;

/// The record's kind: what the filter does, but for slots.
pub(crate) struct RecordKind;

impl Kind for RecordKind {
    type Value = Breaker;

    fn decode(&self, bytes: &[u8]) -> Decoded<Breaker> {
        let breaker = Breaker::decode(bytes).ok();
        Decoded::new(breaker, bytes, RECORD_FORMAT, "a record")
    }

    fn encode(&self, breaker: &Breaker) -> impl AsRef<[u8]> {
        breaker.encode()
    }
}

/// The store, whose value a worker has read, and others may have written since.
pub(crate) struct Seen<'a> {
    pub(crate) record: &'a [u8],
    /// Whether nobody has.
    pub(crate) current: bool,
    pub(crate) now: u8,
    /// What was written.
    pub(crate) written: std::cell::RefCell<Option<Vec<u8>>>,
}

impl Store for Seen<'_> {
    fn load(&self, _: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        Ok(Some((self.record.to_vec(), READ)))
    }

    fn swap(&self, _: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        if !self.current || expected != Some(READ) {
            return Err(SwapError::Conflict);
        }
        *self.written.borrow_mut() = Some(value.to_vec());
        Ok(())
    }
}

impl Clock for Seen<'_> {
    fn now(&self) -> Now {
        at(self.now)
    }
}

/// No bytes of this model are unreadable.
pub(crate) struct Nothing;

impl Report for Nothing {
    fn unreadable(&mut self, value: Unreadable<'_>) {
        unreachable!("{}", value.problem);
    }
}

/// The record of a breaker that has seen nothing.
pub(crate) fn begun(policy: &Policy, now: u8) -> Vec<u8> {
    let mut breaker = Breaker::new();
    breaker.sync(policy, at(now).monotonic);
    breaker.encode().to_vec()
}

/// The breaker of a record that was written here.
pub(crate) fn read(record: &[u8]) -> Breaker {
    Breaker::decode(record).unwrap_or_else(|error| unreachable!("{error}"))
}
