//! Every function of the proxy that is used, with every status a value.
//!
//! The wrappers of the proxy-wasm SDK panic on statuses they do not expect, and some on header values
//! that are not UTF-8; a client can bring about both. So the functions are declared here again, and
//! return what the proxy said.

#![allow(unsafe_code, reason = "the proxy's functions are C functions")]

pub(crate) mod functions;

use std::ptr;
use std::time::Duration;

use filter::{CalloutRequest, Headers, Reply};

use self::functions::*;
use crate::memory;

pub(crate) const OK: u32 = 0;
pub(crate) const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;

/// Which headers.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Map {
    Request = 0,
    Response = 2,
    ResponseTrailers = 3,
    CallResponse = 6,
}

/// Which bytes.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    CallResponseBody = 4,
    Configuration = 7,
}

/// What becomes of what is at hand: it goes on, or waits.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Action {
    Continue = 0,
    Pause = 1,
}

/// How much a log line matters.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum LogLevel {
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

/// The kind of a metric.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum MetricType {
    Counter = 0,
    Gauge = 1,
}

/// Why a call could not be made.
pub(crate) enum NotMade {
    /// The proxy has no such cluster.
    UnknownCluster,
    Failed,
}

/// The most headers, and bytes of them, that a proxy takes. It drops all of more, and then refuses
/// the call for want of a path, with the status that it has for a cluster that it does not know.
const MOST_HEADERS: usize = 1024;
const MOST_HEADER_BYTES: usize = 1024 * 1024;

/// Bytes that the proxy put into the module's memory.
pub(crate) struct Returned {
    pub(crate) data: *mut u8,
    pub(crate) size: usize,
}

impl Returned {
    pub(crate) const fn none() -> Self {
        Self { data: ptr::null_mut(), size: 0 }
    }

    pub(crate) fn into_vec(self) -> Vec<u8> {
        if self.data.is_null() { Vec::new() } else { memory::fetch(self.data, self.size) }
    }
}

/// The monotonic clock, in nanoseconds.
pub(crate) fn monotonic() -> Option<u64> {
    const MONOTONIC: u32 = 1;
    let mut time = 0;
    // SAFETY: it writes one number to where the pointer points.
    let error = unsafe { clock_time_get(MONOTONIC, 1, &raw mut time) };
    (error == 0).then_some(time)
}

/// All headers, in one crossing.
pub(crate) fn headers(map: Map) -> Headers {
    let mut returned = Returned::none();
    // SAFETY: pointers are of values that live until the call returns.
    unsafe {
        let (data, size) = (&raw mut returned.data, &raw mut returned.size);
        proxy_get_header_map_pairs(map as u32, data, size);
    }
    Headers::from_serialized(returned.into_vec())
}

/// What the proxy knows of the stream at hand, or the status that it says so with.
pub(crate) fn known(path: &[u8]) -> Result<Vec<u8>, u32> {
    let mut returned = Returned::none();
    // SAFETY: pointers and sizes are of values that live until the call returns.
    let status = unsafe {
        let (data, size) = (&raw mut returned.data, &raw mut returned.size);
        proxy_get_property(path.as_ptr(), path.len(), data, size)
    };
    if status == OK { Ok(returned.into_vec()) } else { Err(status) }
}

/// The first value of a header.
pub(crate) fn header(map: Map, name: &str) -> Option<Vec<u8>> {
    let mut returned = Returned::none();
    // SAFETY: pointers and sizes are of values that live until the call returns.
    let status = unsafe {
        let (data, size) = (&raw mut returned.data, &raw mut returned.size);
        proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size)
    };
    (status == OK).then(|| returned.into_vec())
}

/// Sets a header, in place of any values it had. In the request this also has the route chosen anew.
pub(crate) fn set_header(map: Map, name: &str, value: &str) {
    // SAFETY: pointers and sizes are of values that live until the call returns.
    unsafe {
        proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        );
    }
}

/// Removes all values of a header. In the request this also has the route chosen anew.
pub(crate) fn remove_header(map: Map, name: &str) {
    // SAFETY: pointer and size are of a value that lives until the call returns.
    unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) };
}

/// Sets all headers, in place of those that there are.
pub(crate) fn set_headers(map: Map, headers: Headers) {
    let pairs = headers.into_serialized();
    // SAFETY: pointer and size are of a value that lives until the call returns.
    unsafe { proxy_set_header_map_pairs(map as u32, pairs.as_ptr(), pairs.len()) };
}

/// Puts bytes in the place of all that is in a buffer, `size` bytes.
pub(crate) fn set_buffer(buffer: Buffer, size: usize, bytes: &[u8]) {
    // SAFETY: pointer and size are of a value that lives until the call returns.
    unsafe { proxy_set_buffer_bytes(buffer as u32, 0, size, bytes.as_ptr(), bytes.len()) };
}

/// Notes something of the stream at hand for the access log.
pub(crate) fn note(name: &str, value: &str) {
    // SAFETY: pointers and sizes are of values that live until the call returns.
    unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// The first `max` bytes of a buffer; `None` if the proxy has none.
pub(crate) fn buffer(buffer: Buffer, max: usize) -> Option<Vec<u8>> {
    let mut returned = Returned::none();
    // SAFETY: pointers are of values that live until the call returns.
    let status = unsafe {
        let (data, size) = (&raw mut returned.data, &raw mut returned.size);
        proxy_get_buffer_bytes(buffer as u32, 0, max, data, size)
    };
    (status == OK).then(|| returned.into_vec())
}

/// Answers the request at hand, now or in place of the answer that is passing by.
pub(crate) fn reply(reply: &Reply) {
    const DETAILS: &str = "edge_breaker";
    const NO_GRPC_STATUS: i32 = -1;
    let headers = Headers::from_pairs(&reply.headers).into_serialized();
    // SAFETY: pointers and sizes are of values that live until the call returns.
    unsafe {
        proxy_send_local_response(
            u32::from(reply.status),
            DETAILS.as_ptr(),
            DETAILS.len(),
            reply.body.as_ptr(),
            reply.body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        );
    }
}

/// Lets an answer go on that was held back. The request's headers are gone after this.
pub(crate) fn resume_response() {
    const RESPONSE: u32 = 1;
    // SAFETY: a plain call.
    unsafe { proxy_continue_stream(RESPONSE) };
}

/// Has what follows happen to this stream: a call's answer comes to the plugin's context.
pub(crate) fn act_for(stream: u32) {
    // SAFETY: a plain call.
    unsafe { proxy_set_effective_context(stream) };
}

/// Makes a call: the proxy's number of it. An error: it could not be made, and no answer will come.
pub(crate) fn call(callout: &CalloutRequest) -> Result<u32, NotMade> {
    let headers = Headers::from_pairs(&callout.headers).into_serialized();
    // A map of nothing.
    let trailers = [0_u8; 4];
    let mut call = 0;
    // SAFETY: pointers and sizes are of values that live until the call returns.
    let status = unsafe {
        proxy_http_call(
            callout.cluster.as_ptr(),
            callout.cluster.len(),
            headers.as_ptr(),
            headers.len(),
            callout.body.as_ptr(),
            callout.body.len(),
            trailers.as_ptr(),
            trailers.len(),
            millis(callout.timeout),
            &raw mut call,
        )
    };
    let taken = callout.headers.len() < MOST_HEADERS && headers.len() < MOST_HEADER_BYTES;
    match status {
        OK => Ok(call),
        BAD_ARGUMENT if taken => Err(NotMade::UnknownCluster),
        _ => Err(NotMade::Failed),
    }
}

/// As the proxy takes it: none of it is zero, which would be "for ever".
fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// Writes a line to the proxy's log.
pub(crate) fn log(level: LogLevel, line: &str) {
    // SAFETY: pointer and size are of a value that lives until the call returns.
    unsafe { proxy_log(level as u32, line.as_ptr(), line.len()) };
}

/// Asks to be called back this often.
pub(crate) fn set_tick_period(period: Duration) {
    // SAFETY: a plain call.
    unsafe { proxy_set_tick_period_milliseconds(millis(period)) };
}

/// Defines a metric, or finds one that another worker has defined.
pub(crate) fn define_metric(kind: MetricType, name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: pointers and size are of values that live until the call returns.
    let status =
        unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) };
    (status == OK).then_some(id)
}

/// Counts one up.
pub(crate) fn increment_metric(id: u32) {
    // SAFETY: a plain call.
    unsafe { proxy_increment_metric(id, 1) };
}

/// Sets a gauge.
pub(crate) fn record_metric(id: u32, value: u64) {
    // SAFETY: a plain call.
    unsafe { proxy_record_metric(id, value) };
}
