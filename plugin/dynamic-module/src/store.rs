//! The memory that all workers of a process share, and all builds of this module in it.
//!
//! It outlives configurations, listeners and the module that came after: whoever finds none in the
//! process makes one, and publishes it in Envoy's shared data; everybody else uses what is there. What
//! is published is a [`Table`] of C functions. No type of Rust's, no allocator and no lock crosses
//! between two builds, only bytes and numbers.

#![allow(unsafe_code, reason = "the table is one of C functions")]

mod memory;
mod pin;
pub mod table;

use std::borrow::Cow;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use filter::{Store, StoreFault, SwapError, Version};

use self::table::{ABSENT, CONFLICT, DONE, Found, TOO_LONG, Table, VERSION};
use crate::envoy;

/// Where the table is published.
pub const KEY: &str = "edge_breaker.store";

/// How much of a value is read at the first go: most records, and bulkheads.
const ROOM: usize = 1024;

/// The store of this process, or a part of it.
#[derive(Debug)]
pub(crate) struct Shared {
    table: NonNull<Table>,
    /// What all keys and names begin with; empty: nothing.
    space: String,
}

// SAFETY: its functions may be called on any thread, and it stays until the process ends.
unsafe impl Send for Shared {}
// SAFETY: likewise.
unsafe impl Sync for Shared {}

/// A number that all workers share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedNumber(NonNull<AtomicU64>);

// SAFETY: it is atomic, and stays until the process ends.
unsafe impl Send for SharedNumber {}

impl Shared {
    /// That which is there, or a new one: the part of it that has this name. On the main thread only, or
    /// there might be two.
    ///
    /// # Errors
    ///
    /// In one line, if what is there is another version's.
    pub(crate) fn find(space: &str) -> Result<Self, String> {
        if envoy::published(KEY).is_null() {
            pin::pin();
            envoy::publish(KEY, memory::new().cast());
        }
        let Some(table) = NonNull::new(envoy::published(KEY).cast()) else {
            return Err("Envoy keeps no shared data".to_owned());
        };
        let space = if space.is_empty() { String::new() } else { [space, "/"].concat() };
        let shared = Self { table, space };
        let Table { size, version, .. } = *shared.table();
        if version != VERSION || (size as usize) < size_of::<Table>() {
            return Err(format!(
                "this process keeps its breakers in a store of version {version} with {size} \
                 bytes, which another build of the module has made, and this one knows version \
                 {VERSION} with {} bytes: start Envoy anew",
                size_of::<Table>()
            ));
        }
        Ok(shared)
    }

    const fn table(&self) -> &Table {
        // SAFETY: what was published under the key is a table, and stays until the process ends.
        unsafe { self.table.as_ref() }
    }

    /// A key or a name, as it is in the store.
    fn within<'a>(&self, key: &'a str) -> Cow<'a, str> {
        if self.space.is_empty() {
            return Cow::Borrowed(key);
        }
        Cow::Owned([&self.space, key].concat())
    }

    /// The number of a name.
    pub(crate) fn number(&self, name: &str) -> Option<SharedNumber> {
        let (table, name) = (self.table(), self.within(name));
        // SAFETY: the name lives until the call returns.
        let number = unsafe { (table.number)(table.state, name.as_ptr(), name.len()) };
        NonNull::new(number.cast_mut()).map(SharedNumber)
    }
}

impl SharedNumber {
    #[inline(always)]
    pub(crate) fn get(self) -> u64 {
        self.atomic().load(Ordering::SeqCst)
    }

    #[inline(always)]
    pub(crate) fn adjust(self, by: i64) {
        self.atomic().fetch_add(by.cast_unsigned(), Ordering::SeqCst);
    }

    pub(crate) fn set(self, number: u64) {
        self.atomic().store(number, Ordering::SeqCst);
    }

    #[inline(always)]
    const fn atomic(&self) -> &AtomicU64 {
        // SAFETY: it stays until the process ends.
        unsafe { self.0.as_ref() }
    }
}

impl Store for Shared {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        let (table, key) = (self.table(), self.within(key));
        let mut value = Vec::with_capacity(ROOM);
        loop {
            let (place, mut found) = (value.as_mut_ptr(), Found::default());
            // SAFETY: there is as much room as is said, and all lives until the call returns.
            let status = unsafe {
                (table.load)(
                    table.state,
                    key.as_ptr(),
                    key.len(),
                    place,
                    value.capacity(),
                    &raw mut found,
                )
            };
            match (status, Version::new(found.version)) {
                (DONE, Some(version)) if found.len <= value.capacity() => {
                    // SAFETY: so much was written.
                    unsafe { value.set_len(found.len) };
                    return Ok(Some((value, version)));
                }
                (ABSENT, _) => return Ok(None),
                // It may have grown meanwhile, and again.
                (TOO_LONG, _) if found.len > value.capacity() => value.reserve(found.len),
                (status, _) => return Err(StoreFault { status }),
            }
        }
    }

    fn swap(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        let (table, key) = (self.table(), self.within(key));
        let expected = expected.map_or(0, Version::get);
        // SAFETY: key and value live until the call returns.
        let status = unsafe {
            (table.swap)(
                table.state,
                key.as_ptr(),
                key.len(),
                value.as_ptr(),
                value.len(),
                expected,
            )
        };
        match status {
            DONE => Ok(()),
            CONFLICT => Err(SwapError::Conflict),
            status => Err(SwapError::Fault(StoreFault { status })),
        }
    }
}
