//! Memory for what the proxy hands over: it asks for some before each thing.

#![allow(unsafe_code, reason = "the proxy writes to where it was told")]

use std::cell::Cell;

use filter::Headers;

thread_local! {
    /// What the proxy was given last. It asks once for each thing that it hands over, and that is
    /// fetched at once: what was asked for before, and never fetched, is nobody's.
    static GIVEN: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

#[unsafe(export_name = "proxy_on_memory_allocate")]
extern "C" fn on_memory_allocate(size: usize) -> *mut u8 {
    let mut buffer = Headers::buffer(size);
    let data = buffer.as_mut_ptr();
    GIVEN.set(buffer);
    data
}

/// The bytes that the proxy has written to where it was given memory; none if it was given none
/// there, or less.
#[inline(never)]
pub(crate) fn fetch(data: *const u8, size: usize) -> Vec<u8> {
    let mut buffer = GIVEN.take();
    if buffer.as_ptr() != data || size > buffer.capacity() {
        return Vec::new();
    }
    // SAFETY: the proxy was given this much, and says that it has written all of it.
    unsafe { buffer.set_len(size) };
    buffer
}
