//! Which Envoy this is, by the functions that it exports: it does not say its version.

#![allow(unsafe_code, reason = "the linker's functions are C functions")]

use std::ffi::{CStr, CString};

use crate::abi::{IMPORTS, LogLevel};
use crate::envoy;

/// Envoy's word for the interface of 1.39, and for that of 1.40.
const V1_39: &CStr = c"v0.1.0";
const V1_40: &CStr = c"v0.2.0";

/// A function that Envoy has since 1.40. It is not used.
const SINCE_1_40: &str = "envoy_dynamic_module_callback_log_v2";

/// What the module has to say of the interface that it was made for, so that Envoy finds no fault with
/// it; `None`: this Envoy lacks what is needed, and the log says what.
pub(crate) fn negotiate() -> Option<&'static CStr> {
    match version(is_exported) {
        Ok(version) => Some(version),
        Err(missing) => {
            let line = format!(
                "edge-breaker refused to load: this Envoy does not export {missing}: take Envoy 1.39 \
                 or 1.40, or the filter's proxy-wasm form"
            );
            envoy::log(LogLevel::Error, &line);
            None
        }
    }
}

/// An error: the function that is missing.
fn version(is_exported: impl Fn(&str) -> bool) -> Result<&'static CStr, &'static str> {
    match IMPORTS.iter().find(|name| !is_exported(name)) {
        Some(missing) => Err(missing),
        None => Ok(if is_exported(SINCE_1_40) { V1_40 } else { V1_39 }),
    }
}

/// Whether the process has a function of this name.
fn is_exported(name: &str) -> bool {
    let Ok(name) = CString::new(name) else {
        return false;
    };
    // SAFETY: the name lives until the call returns.
    let function = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    !function.is_null()
}
