//! The store that this build makes, if it is the first one in the process.

#![allow(unsafe_code, reason = "C functions are called with pointers")]

use std::array;
use std::collections::HashMap;
use std::ffi::c_void;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::slice;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::table::{ABSENT, CONFLICT, DONE, FAILED, Found, TOO_LONG, Table, VERSION};

/// In so many parts, so that workers seldom wait for each other.
const PARTS: usize = 64;

struct Memory {
    hasher: RandomState,
    parts: [Mutex<Part>; PARTS],
}

#[derive(Default)]
struct Part {
    values: HashMap<Box<[u8]>, Value>,
    numbers: HashMap<Box<[u8]>, &'static Alone>,
}

struct Value {
    bytes: Vec<u8>,
    version: u32,
}

/// A number on a cache line that it shares with none: workers that count leave alone those that read
/// another.
#[derive(Default)]
#[repr(align(64))]
struct Alone(AtomicU64);

/// A new store, which nobody frees.
pub(super) fn new() -> *mut Table {
    let memory = Memory { hasher: RandomState::new(), parts: array::from_fn(|_| Mutex::default()) };
    let table = Table {
        size: size_of::<Table>() as u32,
        version: VERSION,
        state: Box::into_raw(Box::new(memory)).cast(),
        load,
        swap,
        number,
    };
    Box::into_raw(Box::new(table))
}

impl Memory {
    /// The part that a key lies in, for as long as it takes.
    fn part(&self, key: &[u8]) -> Option<MutexGuard<'_, Part>> {
        let hash = self.hasher.hash_one(key) as usize;
        let part = self.parts.get(hash.checked_rem(PARTS)?)?;
        Some(part.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads a value into a place that may be too small for it.
    fn load(&self, key: &[u8], place: &mut [std::mem::MaybeUninit<u8>], found: &mut Found) -> u32 {
        let Some(part) = self.part(key) else {
            return FAILED;
        };
        let Some(Value { bytes, version }) = part.values.get(key) else {
            return ABSENT;
        };
        *found = Found { len: bytes.len(), version: *version };
        let Some(place) = place.get_mut(..bytes.len()) else {
            return TOO_LONG;
        };
        for (place, byte) in place.iter_mut().zip(bytes) {
            place.write(*byte);
        }
        DONE
    }

    fn swap(&self, key: &[u8], value: &[u8], expected: u32) -> u32 {
        let Some(mut part) = self.part(key) else {
            return FAILED;
        };
        match part.values.get_mut(key) {
            Some(known) if known.version == expected => {
                known.bytes.clear();
                known.bytes.extend_from_slice(value);
                // No key has the version zero.
                known.version = known.version.checked_add(1).unwrap_or(1);
            }
            None if expected == 0 => {
                let value = Value { bytes: value.to_vec(), version: 1 };
                part.values.insert(key.into(), value);
            }
            _ => return CONFLICT,
        }
        DONE
    }

    fn number(&self, name: &[u8]) -> Option<&'static AtomicU64> {
        let mut part = self.part(name)?;
        if let Some(known) = part.numbers.get(name) {
            return Some(&known.0);
        }
        let number: &'static Alone = Box::leak(Box::default());
        part.numbers.insert(name.into(), number);
        Some(&number.0)
    }
}

/// Works on the store. A defect in it is no more than that the store cannot be used.
///
/// # Safety
///
/// The state is a table's.
unsafe fn with<R>(state: *mut c_void, failed: R, f: impl FnOnce(&Memory) -> R) -> R {
    // SAFETY: the caller's; and nobody frees it.
    let memory = unsafe { &*state.cast::<Memory>() };
    catch_unwind(AssertUnwindSafe(|| f(memory))).unwrap_or(failed)
}

/// # Safety
///
/// The bytes are there, and stay as they are until the function returns that this is called in.
unsafe fn bytes<'a>(data: *const u8, len: usize) -> &'a [u8] {
    if data.is_null() {
        return &[];
    }
    // SAFETY: the caller's.
    unsafe { slice::from_raw_parts(data, len) }
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
        let (key, found) = (bytes(key, key_len), &mut *found);
        let place = slice::from_raw_parts_mut(place.cast(), room);
        with(state, FAILED, |memory| memory.load(key, place, found))
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
        let (key, value) = (bytes(key, key_len), bytes(value, value_len));
        with(state, FAILED, |memory| memory.swap(key, value, expected))
    }
}

unsafe extern "C" fn number(
    state: *mut c_void,
    name: *const u8,
    name_len: usize,
) -> *const AtomicU64 {
    // SAFETY: so the table says that it is called.
    unsafe {
        let name = bytes(name, name_len);
        let number = with(state, None, |memory| memory.number(name));
        number.map_or(ptr::null(), ptr::from_ref)
    }
}
