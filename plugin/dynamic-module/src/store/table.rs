//! What two builds of the module have in common: functions of C, bytes and numbers.

use std::ffi::c_void;
use std::sync::atomic::AtomicU64;

/// The version of the table. What is added to its end leaves it as it is: that is told by the size.
pub const VERSION: u32 = 1;

/// What the functions say: it is done.
pub const DONE: u32 = 0;
/// There is nothing under this key.
pub const ABSENT: u32 = 1;
/// Another was faster.
pub const CONFLICT: u32 = 2;
/// The value is longer than the place for it.
pub const TOO_LONG: u32 = 3;
/// It cannot be done.
pub const FAILED: u32 = 4;

/// A store, as one build of the module hands it to another.
///
/// Values lie under keys, each with a version that is not zero and changes with every write. Numbers
/// have names, and stay where they are until the process ends.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// How many bytes this is.
    pub size: u32,
    /// Which version of it.
    pub version: u32,
    /// What the functions are called with.
    pub state: *mut c_void,
    /// Reads a value into a place, and says how long it is. If it is too long, nothing is read.
    pub load: Load,
    /// Writes a value if its key still has this version; zero: if there is none.
    pub swap: Swap,
    /// The number of a name; null: it cannot be had.
    pub number: Number,
}

/// See [`Table::load`].
pub type Load = unsafe extern "C" fn(
    state: *mut c_void,
    key: *const u8,
    key_len: usize,
    place: *mut u8,
    room: usize,
    found: *mut Found,
) -> u32;

/// See [`Table::swap`].
pub type Swap = unsafe extern "C" fn(
    state: *mut c_void,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    expected: u32,
) -> u32;

/// See [`Table::number`].
pub type Number =
    unsafe extern "C" fn(state: *mut c_void, name: *const u8, name_len: usize) -> *const AtomicU64;

/// A value that was found.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// How long it is.
    pub len: usize,
    /// Its version.
    pub version: u32,
}
