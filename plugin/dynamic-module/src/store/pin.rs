//! Keeps this module in the process.
//!
//! Envoy unloads a module with the last configuration that uses it, unless `do_not_close` is set. The
//! store is published for as long as the process lives, and its functions are this module's.

#![allow(unsafe_code, reason = "the linker's functions are C functions")]

use std::mem;

/// Keeps this module until the process ends.
pub(super) fn pin() {
    const FLAGS: libc::c_int = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
    let here = pin as *const ();
    // SAFETY: the structure is filled before it is looked at, and the name that is in it is the linker's.
    unsafe {
        let mut file: libc::Dl_info = mem::zeroed();
        if libc::dladdr(here.cast(), &raw mut file) != 0 && !file.dli_fname.is_null() {
            // It is loaded, so this loads nothing. What is returned is kept.
            libc::dlopen(file.dli_fname, FLAGS);
        }
    }
}
