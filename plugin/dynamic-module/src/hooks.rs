//! What Envoy calls.
//!
//! A panic that left a hook would end Envoy, so it ends here, and whatever was at hand goes on.

#![allow(unsafe_code, reason = "the hooks are C functions under names that Envoy knows")]
#![allow(clippy::missing_safety_doc, reason = "each is safe to call as Envoy's header says")]

pub mod unused;

use std::any::Any;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use filter::{FallbackAnswer, Headers};

use crate::abi::{
    BodyStatus, Bytes, CALL_ANSWERED, EnvoyConfig, EnvoyFilter, HeadersStatus, LogLevel, Pair,
};
pub use crate::configuration::Configuration;
use crate::envoy::{self, HeadersOf, OnMain, OnStream, body_of};
pub use crate::stream::Stream;
use crate::stream::Verdict;
use crate::version;

/// A stream that there is nothing to do for. Envoy wants an address, or it closes the stream.
static IDLE: u8 = 0;

/// The module is loaded: the version of the interface that it was made for; null: it is of no use here.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    guarded(ptr::null(), || version::negotiate().map_or(ptr::null(), |version| version.as_ptr()))
}

/// A configuration is made, on the main thread; null: it is refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    config: *mut EnvoyConfig,
    name: Bytes,
    text: Bytes,
) -> *const Configuration {
    guarded(ptr::null(), || {
        // SAFETY: this is a hook on the main thread, and both texts are there until it returns.
        let configuration =
            unsafe { Configuration::new(name.as_slice(), text.as_slice(), OnMain::new(config)) };
        configuration.map_or(ptr::null(), |it| Box::into_raw(Box::new(it)).cast_const())
    })
}

/// A configuration is gone, and all of its streams before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(
    configuration: *const Configuration,
) {
    guarded((), || {
        if !configuration.is_null() {
            // SAFETY: it was made above, and is given back once.
            drop(unsafe { Box::from_raw(configuration.cast_mut()) });
        }
    });
}

/// The main thread calls back, as it was asked to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_scheduled(
    config: *mut EnvoyConfig,
    configuration: *const Configuration,
    event: u64,
) {
    // SAFETY: the configuration was made above, and this is a hook on the main thread.
    guarded((), || unsafe { (*configuration).on_tick(event, OnMain::new(config)) });
}

/// A call of a configuration is answered, or has failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_http_callout_done(
    config: *mut EnvoyConfig,
    configuration: *const Configuration,
    call: u64,
    result: u32,
    headers: *const Pair,
    headers_len: usize,
    body: *const Bytes,
    body_len: usize,
) {
    // SAFETY: the configuration was made above, this is a hook on the main thread, and the headers are
    // there until it returns.
    guarded((), || unsafe {
        let body = || body_of(body, body_len);
        let answer = (result == CALL_ANSWERED)
            .then(|| (HeadersOf::new(headers, headers_len), &body as &dyn Fn() -> Vec<u8>));
        (*configuration).on_call_answer(call, answer, OnMain::new(config));
    });
}

/// A stream begins, on a worker.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_new(
    configuration: *const Configuration,
    filter: *mut EnvoyFilter,
) -> *const Stream<'static> {
    guarded(idle(), || {
        // SAFETY: the configuration was made above, and outlives its streams.
        let stream = unsafe { Stream::new(&*configuration, OnStream::new(filter)) };
        stream.map_or_else(idle, |stream| Box::into_raw(Box::new(stream)).cast_const())
    })
}

/// A request's headers have come.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    filter: *mut EnvoyFilter,
    stream: *const Stream<'_>,
    end_of_stream: bool,
) -> HeadersStatus {
    // SAFETY: so Envoy calls it.
    unsafe {
        let verdict = at(filter, stream, |envoy, it| it.on_request_headers(envoy, end_of_stream));
        on_headers(verdict, filter)
    }
}

/// A piece of a request's body has come.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_body(
    filter: *mut EnvoyFilter,
    stream: *const Stream<'_>,
    end_of_stream: bool,
) -> BodyStatus {
    // SAFETY: so Envoy calls it.
    unsafe {
        match at(filter, stream, |envoy, it| it.on_request_body(envoy, end_of_stream)) {
            Some(Verdict::Stop(last)) => {
                guarded((), || last.act(OnStream::new(filter)));
                BodyStatus::Drop
            }
            _ => BodyStatus::Continue,
        }
    }
}

/// A request's trailers have come.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_trailers(
    filter: *mut EnvoyFilter,
    stream: *const Stream<'_>,
) -> HeadersStatus {
    // SAFETY: so Envoy calls it.
    unsafe {
        let verdict = at(filter, stream, |envoy, it| it.on_request_trailers(envoy));
        on_headers(verdict, filter)
    }
}

/// An answer's headers have come.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    filter: *mut EnvoyFilter,
    stream: *const Stream<'_>,
    end_of_stream: bool,
) -> HeadersStatus {
    // SAFETY: so Envoy calls it.
    unsafe {
        let mut verdict =
            at(filter, stream, |envoy, it| it.on_response_headers(envoy, end_of_stream));
        if let Some(Verdict::Rerun(rerun)) = verdict {
            if guarded(true, || rerun.run(OnStream::new(filter))) {
                // The stream is gone.
                return HeadersStatus::Stop;
            }
            verdict = at(filter, stream, |envoy, it| it.on_not_rerun(envoy, end_of_stream));
        }
        on_headers(verdict, filter)
    }
}

/// A piece of an answer's body has come.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_body(
    filter: *mut EnvoyFilter,
    stream: *const Stream<'_>,
    end_of_stream: bool,
) -> BodyStatus {
    // SAFETY: so Envoy calls it.
    unsafe { at(filter, stream, |envoy, it| it.on_response_body(envoy, end_of_stream)) };
    BodyStatus::Continue
}

/// An answer's trailers have come.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_trailers(
    filter: *mut EnvoyFilter,
    stream: *const Stream<'_>,
) -> HeadersStatus {
    // SAFETY: so Envoy calls it.
    unsafe {
        let verdict = at(filter, stream, |envoy, it| it.on_response_trailers(envoy));
        on_headers(verdict, filter)
    }
}

/// A call of a stream is answered, or has failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_http_callout_done(
    filter: *mut EnvoyFilter,
    stream: *const Stream<'_>,
    _: u64,
    result: u32,
    headers: *const Pair,
    headers_len: usize,
    body: *const Bytes,
    body_len: usize,
) {
    // SAFETY: so Envoy calls it; headers and body are there until this returns.
    unsafe {
        let last = at(filter, stream, |envoy, it| {
            let answer = (result == CALL_ANSWERED).then(|| FallbackAnswer {
                headers: Headers::collect(HeadersOf::new(headers, headers_len).iter()),
                body: body_of(body, body_len),
            });
            it.on_call_answer(envoy, answer)
        });
        if let Some(last) = last.flatten() {
            guarded((), || last.act(OnStream::new(filter)));
        }
    }
}

/// A stream has ended. Access logs are written after that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_stream_complete(
    filter: *mut EnvoyFilter,
    stream: *const Stream<'_>,
) {
    // SAFETY: so Envoy calls it.
    unsafe { at(filter, stream, |envoy, it| it.on_end(envoy)) };
}

/// A stream is gone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_destroy(stream: *const Stream<'_>) {
    guarded((), || {
        if !is_idle(stream) {
            // SAFETY: it was made above, and is given back once.
            drop(unsafe { Box::from_raw(stream.cast_mut()) });
        }
    });
}

/// Somebody answers a request without its service. The answer comes by like any other.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_http_filter_local_reply(
    _: *mut EnvoyFilter,
    _: *const Stream<'_>,
    _: u32,
    _: Bytes,
    _: bool,
) -> HeadersStatus {
    HeadersStatus::Continue
}

/// Takes a step of a stream. `None`: there is nothing to do, or it panicked.
///
/// # Safety
///
/// The pointers are what a hook of a stream was called with.
unsafe fn at<R>(
    filter: *mut EnvoyFilter,
    stream: *const Stream<'_>,
    step: impl FnOnce(OnStream, &Stream<'_>) -> R,
) -> Option<R> {
    if is_idle(stream) {
        return None;
    }
    // SAFETY: the caller's. Nothing that could end the stream is done before this returns.
    guarded(None, || unsafe { Some(step(OnStream::new(filter), &*stream)) })
}

/// Does what was decided on headers or trailers: the last thing that is done in a hook.
///
/// # Safety
///
/// The pointer is what a hook of a stream was called with, of which nothing is borrowed any more.
unsafe fn on_headers(verdict: Option<Verdict>, filter: *mut EnvoyFilter) -> HeadersStatus {
    match verdict {
        None | Some(Verdict::Continue | Verdict::Rerun(_)) => HeadersStatus::Continue,
        Some(Verdict::Hold) => HeadersStatus::Hold,
        Some(Verdict::Stop(last)) => {
            // SAFETY: the caller's.
            guarded((), || unsafe { last.act(OnStream::new(filter)) });
            HeadersStatus::Stop
        }
    }
}

fn idle() -> *const Stream<'static> {
    (&raw const IDLE).cast()
}

fn is_idle(stream: *const Stream<'_>) -> bool {
    stream.is_null() || ptr::addr_eq(stream, idle())
}

/// Does what a hook is for; `otherwise`, if that panics.
fn guarded<R>(otherwise: R, hook: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(hook)).unwrap_or_else(|panic| {
        on_panic(&*panic);
        otherwise
    })
}

#[cold]
fn on_panic(panic: &(dyn Any + Send)) {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("none");
    envoy::log(LogLevel::Critical, &format!("edge-breaker event=panic message={text:?}"));
}
