//! What the proxy calls.
//!
//! The SDK exports every callback there is, and looks after the plugin's own contexts, which are
//! few and seldom at work. Those of a stream are here, under names of their own that
//! `plugin/trim` puts in place of the SDK's: between the proxy and a stream stands one lookup.
//! A number that is not known, as when a proxy speaks of a stream once more that has ended, is
//! no error: nothing happens.

#![allow(unsafe_code, reason = "the callbacks are C functions, and some lead on to the SDK's")]

use crate::contexts;
use crate::host::Action;

/// The SDK's own callbacks, for the plugin's contexts.
mod sdk {
    unsafe extern "C" {
        pub(super) fn proxy_on_context_create(context: u32, root: u32);
        pub(super) fn proxy_on_delete(context: u32);
        pub(super) fn proxy_on_http_call_response(
            context: u32,
            call: u32,
            headers: usize,
            body: usize,
            trailers: usize,
        );
    }
}

#[unsafe(export_name = "edge_breaker_on_context_create")]
extern "C" fn on_context_create(context: u32, root: u32) {
    if root == 0 {
        // SAFETY: a plain call, as the proxy would make it.
        unsafe { sdk::proxy_on_context_create(context, root) };
    } else {
        contexts::begin_stream(context, root);
    }
}

#[unsafe(export_name = "edge_breaker_on_request_headers")]
extern "C" fn on_request_headers(context: u32, _: usize, end_of_stream: u32) -> Action {
    contexts::with_stream(context, |it, effects| it.on_request_headers(end_of_stream != 0, effects))
        .unwrap_or(Action::Continue)
}

#[unsafe(export_name = "edge_breaker_on_request_body")]
extern "C" fn on_request_body(context: u32, size: usize, end_of_stream: u32) -> Action {
    contexts::with_stream(context, |it, effects| {
        it.on_request_body(size, end_of_stream != 0, effects)
    })
    .unwrap_or(Action::Continue)
}

#[unsafe(export_name = "edge_breaker_on_request_trailers")]
extern "C" fn on_request_trailers(context: u32, _: usize) -> Action {
    contexts::with_stream(context, |it, effects| it.on_request_end(effects))
        .unwrap_or(Action::Continue)
}

#[unsafe(export_name = "edge_breaker_on_response_headers")]
extern "C" fn on_response_headers(context: u32, _: usize, end_of_stream: u32) -> Action {
    contexts::with_stream(context, |it, effects| {
        it.on_response_headers(end_of_stream != 0, effects)
    })
    .unwrap_or(Action::Continue)
}

#[unsafe(export_name = "edge_breaker_on_response_body")]
extern "C" fn on_response_body(context: u32, size: usize, end_of_stream: u32) -> Action {
    contexts::with_stream(context, |it, effects| {
        it.on_response_body(size, end_of_stream != 0, effects)
    });
    Action::Continue
}

#[unsafe(export_name = "edge_breaker_on_response_trailers")]
extern "C" fn on_response_trailers(context: u32, _: usize) -> Action {
    contexts::with_stream(context, |it, effects| it.on_response_trailers(effects));
    Action::Continue
}

#[unsafe(export_name = "edge_breaker_on_http_call_response")]
extern "C" fn on_http_call_response(
    context: u32,
    call: u32,
    headers: usize,
    body: usize,
    trailers: usize,
) {
    if !contexts::on_call_answer(call, headers, body) {
        // SAFETY: a plain call, as the proxy would make it.
        unsafe { sdk::proxy_on_http_call_response(context, call, headers, body, trailers) };
    }
}

#[unsafe(export_name = "edge_breaker_on_delete")]
extern "C" fn on_delete(context: u32) {
    if !contexts::end_stream(context) && contexts::forget_root(context) {
        // SAFETY: a plain call, as the proxy would make it.
        unsafe { sdk::proxy_on_delete(context) };
    }
}
