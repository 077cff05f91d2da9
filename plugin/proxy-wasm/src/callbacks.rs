//! What the proxy calls, and not one callback more: each that is exported is called, into the sandbox
//! and back, whether it does anything or not.
//!
//! Between the proxy and a stream stands one lookup. A number that is not known, as when a proxy
//! speaks of a stream once more that has ended, is no error: nothing happens.

#![allow(unsafe_code, reason = "the callbacks are C functions under names that the proxy knows")]

use crate::contexts;
use crate::host::{self, Action, LogLevel};

/// The version of the ABI: up to this one a change of a request's headers has its route chosen anew.
#[unsafe(export_name = "proxy_abi_version_0_2_1")]
extern "C" fn abi_version() {}

/// Comes before all else. That it calls the constructors itself keeps the linker from having every
/// callback call them.
#[unsafe(export_name = "_initialize")]
extern "C" fn initialize() {
    #[cfg(target_family = "wasm")]
    {
        unsafe extern "C" {
            fn __wasm_call_ctors();
        }
        // SAFETY: the linker makes it, and it is called once.
        unsafe { __wasm_call_ctors() };
    }
    // There is no way to a panic that we know of. If there is one, it is logged before the trap.
    std::panic::set_hook(Box::new(|panic| host::log(LogLevel::Critical, &panic.to_string())));
}

#[unsafe(export_name = "proxy_on_context_create")]
extern "C" fn on_context_create(context: u32, root: u32) {
    if root == 0 {
        contexts::begin_root(context);
    } else {
        contexts::begin_stream(context, root);
    }
}

#[unsafe(export_name = "proxy_on_configure")]
extern "C" fn on_configure(context: u32, size: usize) -> u32 {
    u32::from(contexts::configure(context, size))
}

#[unsafe(export_name = "proxy_on_tick")]
extern "C" fn on_tick(context: u32) {
    contexts::on_tick(context);
}

#[unsafe(export_name = "proxy_on_request_headers")]
extern "C" fn on_request_headers(context: u32, _: usize, end_of_stream: u32) -> Action {
    contexts::with_stream(context, |it, effects| it.on_request_headers(end_of_stream != 0, effects))
        .unwrap_or(Action::Continue)
}

#[unsafe(export_name = "proxy_on_request_body")]
extern "C" fn on_request_body(context: u32, size: usize, end_of_stream: u32) -> Action {
    contexts::with_stream(context, |it, effects| {
        it.on_request_body(size, end_of_stream != 0, effects)
    })
    .unwrap_or(Action::Continue)
}

#[unsafe(export_name = "proxy_on_request_trailers")]
extern "C" fn on_request_trailers(context: u32, _: usize) -> Action {
    contexts::with_stream(context, |it, effects| it.on_request_end(effects))
        .unwrap_or(Action::Continue)
}

#[unsafe(export_name = "proxy_on_response_headers")]
extern "C" fn on_response_headers(context: u32, _: usize, end_of_stream: u32) -> Action {
    contexts::with_stream(context, |it, effects| {
        it.on_response_headers(end_of_stream != 0, effects)
    })
    .unwrap_or(Action::Continue)
}

#[unsafe(export_name = "proxy_on_response_body")]
extern "C" fn on_response_body(context: u32, size: usize, end_of_stream: u32) -> Action {
    contexts::with_stream(context, |it, effects| {
        it.on_response_body(size, end_of_stream != 0, effects)
    });
    Action::Continue
}

#[unsafe(export_name = "proxy_on_response_trailers")]
extern "C" fn on_response_trailers(context: u32, _: usize) -> Action {
    contexts::with_stream(context, |it, effects| it.on_response_trailers(effects));
    Action::Continue
}

#[unsafe(export_name = "proxy_on_http_call_response")]
extern "C" fn on_http_call_response(_: u32, call: u32, headers: usize, body: usize, _: usize) {
    contexts::on_call_answer(call, headers, body);
}

#[unsafe(export_name = "proxy_on_delete")]
extern "C" fn on_delete(context: u32) {
    if !contexts::end_stream(context) {
        contexts::end_root(context);
    }
}
