//! Envoy's interface for dynamic modules, as far as it is used: own declarations of the functions that
//! Envoy exports, as of version 1.39.
//!
//! Envoy publishes it as a C header (`source/extensions/dynamic_modules/abi/abi.h`), and promises that
//! what was built for one minor version works with the next. A test holds each name here to the
//! symbols of every supported Envoy.

#![allow(unsafe_code, reason = "Envoy's functions are C functions")]

use std::ffi::c_void;
use std::{ptr, slice};

/// One stream's filter in Envoy. It is there until the module's stream is destroyed.
#[repr(C)]
#[derive(Debug)]
pub struct EnvoyFilter {
    opaque: [u8; 0],
}

/// A configuration of the filter in Envoy. It is there until the module's is destroyed.
#[repr(C)]
#[derive(Debug)]
pub struct EnvoyConfig {
    opaque: [u8; 0],
}

/// By which any thread has the main thread call back.
#[repr(C)]
#[derive(Debug)]
pub struct EnvoyScheduler {
    opaque: [u8; 0],
}

/// Bytes, which belong to whoever hands them over.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// Where they are; null: there are none.
    pub data: *const u8,
    /// How many.
    pub len: usize,
}

impl Bytes {
    /// None.
    pub const NONE: Self = Self { data: ptr::null(), len: 0 };

    /// Bytes of the module's own, for as long as a call takes.
    #[must_use]
    pub const fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes.
    ///
    /// # Safety
    ///
    /// They are there, unchanged, for as long as the caller says.
    #[must_use]
    pub const unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.data.is_null() {
            return &[];
        }
        // SAFETY: the caller's.
        unsafe { slice::from_raw_parts(self.data, self.len) }
    }
}

/// A header.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Its name, in lower case.
    pub name: Bytes,
    /// Its value.
    pub value: Bytes,
}

impl Pair {
    /// None.
    pub const NONE: Self = Self { name: Bytes::NONE, value: Bytes::NONE };

    /// One of the module's own, for as long as a call takes.
    #[must_use]
    pub const fn of(name: &[u8], value: &[u8]) -> Self {
        Self { name: Bytes::of(name), value: Bytes::of(value) }
    }
}

/// Which headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Map {
    /// The request's.
    Request = 0,
    /// The answer's.
    Response = 2,
    /// The answer's trailers.
    ResponseTrailers = 3,
}

/// Which bytes: those of the piece at hand, or what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Body {
    /// Of the request.
    Request = 0,
    /// Of the request, as much of its body as Envoy keeps, from its start.
    RequestKept = 1,
    /// Of the answer.
    Response = 2,
}

/// What Envoy knows of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Attribute {
    /// A text: how the answer came about.
    ResponseCodeDetails = 16,
    /// A number: a bit for each flag.
    ResponseFlags = 17,
    /// A text: the client's address and port.
    SourceAddress = 24,
    /// A number: that of the client's connection.
    ConnectionId = 28,
    /// A text: the route's name.
    XdsRouteName = 61,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum LogLevel {
    /// It is as it should be.
    Info = 2,
    /// Somebody may want to look.
    Warn = 3,
    /// Something does not work.
    Error = 4,
    /// A defect.
    Critical = 5,
}

/// What becomes of headers or trailers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum HeadersStatus {
    /// They go on.
    Continue = 0,
    /// They go no further: the request is answered.
    Stop = 1,
    /// They wait, and all that follows them.
    Hold = 4,
}

/// What becomes of a piece of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum BodyStatus {
    /// It goes on.
    Continue = 0,
    /// It is dropped: the request is answered.
    Drop = 3,
}

/// What the functions that make a call say: it is made.
pub const CALL_MADE: u32 = 0;
/// There is no such cluster.
pub const CALL_CLUSTER_UNKNOWN: u32 = 2;
/// What the call's end says: it was answered.
pub const CALL_ANSWERED: u32 = 0;
/// What the functions for metrics say: it is done.
pub const METRIC_DONE: u32 = 0;

/// The functions, and the list of their names.
macro_rules! functions {
    ($($(#[doc = $doc:literal])+ fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)+) => {
        unsafe extern "C" {
            $($(#[doc = $doc])+ pub fn $name($($arg: $type),*) $(-> $result)?;)+
        }

        /// The names of all functions that the module imports.
        pub const IMPORTS: &[&str] = &[$(stringify!($name)),+];
    };
}

functions! {
    /// Writes a line to Envoy's log.
    fn envoy_dynamic_module_callback_log(level: LogLevel, line: Bytes);

    /// How many workers there are. On the main thread only.
    fn envoy_dynamic_module_callback_get_concurrency() -> u32;

    /// Publishes a pointer in the process under a key, in place of any other; false: it is null.
    fn envoy_dynamic_module_callback_register_shared_data(key: Bytes, data: *mut c_void) -> bool;

    /// Finds a pointer that was published under a key.
    fn envoy_dynamic_module_callback_get_shared_data(key: Bytes, data: *mut *mut c_void) -> bool;

    /// Defines a counter, with labels or without. Only while the configuration is made.
    fn envoy_dynamic_module_callback_http_filter_config_define_counter(
        config: *mut EnvoyConfig,
        name: Bytes,
        labels: *const Bytes,
        labels_len: usize,
        id: *mut usize,
    ) -> u32;

    /// Defines a gauge, likewise.
    fn envoy_dynamic_module_callback_http_filter_config_define_gauge(
        config: *mut EnvoyConfig,
        name: Bytes,
        labels: *const Bytes,
        labels_len: usize,
        id: *mut usize,
    ) -> u32;

    /// Counts up, on a stream's worker.
    fn envoy_dynamic_module_callback_http_filter_increment_counter(
        filter: *mut EnvoyFilter,
        id: usize,
        values: *const Bytes,
        values_len: usize,
        by: u64,
    ) -> u32;

    /// Sets a gauge, on a stream's worker.
    fn envoy_dynamic_module_callback_http_filter_set_gauge(
        filter: *mut EnvoyFilter,
        id: usize,
        values: *const Bytes,
        values_len: usize,
        value: u64,
    ) -> u32;

    /// Counts up, on the main thread.
    fn envoy_dynamic_module_callback_http_filter_config_increment_counter(
        config: *mut EnvoyConfig,
        id: usize,
        values: *const Bytes,
        values_len: usize,
        by: u64,
    ) -> u32;

    /// Sets a gauge, on the main thread.
    fn envoy_dynamic_module_callback_http_filter_config_set_gauge(
        config: *mut EnvoyConfig,
        id: usize,
        values: *const Bytes,
        values_len: usize,
        value: u64,
    ) -> u32;

    /// How many headers there are.
    fn envoy_dynamic_module_callback_http_get_headers_size(
        filter: *mut EnvoyFilter,
        map: Map,
    ) -> usize;

    /// All headers, into a place for as many as there are. They are Envoy's, and stay until one is set
    /// or the hook returns.
    fn envoy_dynamic_module_callback_http_get_headers(
        filter: *mut EnvoyFilter,
        map: Map,
        headers: *mut Pair,
    ) -> bool;

    /// A header's value by its index, and how many there are, for whoever gives a place for that.
    fn envoy_dynamic_module_callback_http_get_header(
        filter: *mut EnvoyFilter,
        map: Map,
        name: Bytes,
        value: *mut Bytes,
        index: usize,
        count: *mut usize,
    ) -> bool;

    /// Sets a header in place of all of that name. An empty value removes them.
    fn envoy_dynamic_module_callback_http_set_header(
        filter: *mut EnvoyFilter,
        map: Map,
        name: Bytes,
        value: Bytes,
    ) -> bool;

    /// Adds a header. An empty value adds none.
    fn envoy_dynamic_module_callback_http_add_header(
        filter: *mut EnvoyFilter,
        map: Map,
        name: Bytes,
        value: Bytes,
    ) -> bool;

    /// Answers the request. It calls hooks of this stream before it returns, and may end it.
    fn envoy_dynamic_module_callback_http_send_response(
        filter: *mut EnvoyFilter,
        status: u32,
        headers: *const Pair,
        headers_len: usize,
        body: Bytes,
        details: Bytes,
    );

    /// How long the piece at hand is.
    fn envoy_dynamic_module_callback_http_get_body_size(
        filter: *mut EnvoyFilter,
        body: Body,
    ) -> usize;

    /// In how many parts it is.
    fn envoy_dynamic_module_callback_http_get_body_chunks_size(
        filter: *mut EnvoyFilter,
        body: Body,
    ) -> usize;

    /// Its parts, into a place for as many as there are.
    fn envoy_dynamic_module_callback_http_get_body_chunks(
        filter: *mut EnvoyFilter,
        body: Body,
        chunks: *mut Bytes,
    ) -> bool;

    /// Adds to the piece at hand.
    fn envoy_dynamic_module_callback_http_append_body(
        filter: *mut EnvoyFilter,
        body: Body,
        bytes: Bytes,
    ) -> bool;

    /// Takes so many bytes off the front of the piece at hand.
    fn envoy_dynamic_module_callback_http_drain_body(
        filter: *mut EnvoyFilter,
        body: Body,
        len: usize,
    ) -> bool;

    /// Notes something of the stream, which access logs find in its filter state.
    fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
        filter: *mut EnvoyFilter,
        key: Bytes,
        value: Bytes,
    ) -> bool;

    /// Has the route chosen anew.
    fn envoy_dynamic_module_callback_http_clear_route_cache(filter: *mut EnvoyFilter);

    /// The upstream cluster of the route; false: there is none.
    fn envoy_dynamic_module_callback_http_get_cluster_name(
        filter: *mut EnvoyFilter,
        name: *mut Bytes,
    ) -> bool;

    /// What Envoy knows of the stream, as a text.
    fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
        filter: *mut EnvoyFilter,
        attribute: Attribute,
        value: *mut Bytes,
    ) -> bool;

    /// The same, as a number.
    fn envoy_dynamic_module_callback_http_filter_get_attribute_int(
        filter: *mut EnvoyFilter,
        attribute: Attribute,
        value: *mut u64,
    ) -> bool;

    /// The number of the worker that a stream is on, from zero.
    fn envoy_dynamic_module_callback_http_filter_get_worker_index(filter: *mut EnvoyFilter) -> u32;

    /// Lets an answer go on that was held. It calls hooks of this stream, and may end it.
    fn envoy_dynamic_module_callback_http_filter_continue_encoding(filter: *mut EnvoyFilter);

    /// Ends the stream, and has its request run again from the start, by another one, with its headers as
    /// they are and the body that is kept. It calls hooks of both, and the first is gone when it
    /// returns. False: not all of the request has come, and nothing happens. The headers are those of an
    /// answer, for the access log; null: none.
    fn envoy_dynamic_module_callback_http_filter_recreate_stream(
        filter: *mut EnvoyFilter,
        headers: *const Pair,
        headers_len: usize,
    ) -> bool;

    /// Makes a call for a stream.
    fn envoy_dynamic_module_callback_http_filter_http_callout(
        filter: *mut EnvoyFilter,
        id: *mut u64,
        cluster: Bytes,
        headers: *const Pair,
        headers_len: usize,
        body: Bytes,
        timeout_millis: u64,
    ) -> u32;

    /// Makes a call for a configuration. On the main thread only.
    fn envoy_dynamic_module_callback_http_filter_config_http_callout(
        config: *mut EnvoyConfig,
        id: *mut u64,
        cluster: Bytes,
        headers: *const Pair,
        headers_len: usize,
        body: Bytes,
        timeout_millis: u64,
    ) -> u32;

    /// Makes a scheduler. On the main thread only.
    fn envoy_dynamic_module_callback_http_filter_config_scheduler_new(
        config: *mut EnvoyConfig,
    ) -> *mut EnvoyScheduler;

    /// Has the main thread call back, if the configuration is still there by then. On any thread.
    fn envoy_dynamic_module_callback_http_filter_config_scheduler_commit(
        scheduler: *mut EnvoyScheduler,
        event: u64,
    );

    /// Gives a scheduler back.
    fn envoy_dynamic_module_callback_http_filter_config_scheduler_delete(
        scheduler: *mut EnvoyScheduler,
    );
}
