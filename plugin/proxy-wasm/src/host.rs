//! Every function of the proxy that is used, with every status a value.
//!
//! The wrappers of the proxy-wasm SDK panic on statuses they do not expect, and some on header values
//! that are not UTF-8; a client can bring about both. So the functions are declared here again, and
//! return what the proxy said.

#![allow(unsafe_code, reason = "the proxy's functions are C functions")]

pub(crate) mod functions;

use std::ptr;
use std::time::Duration;

use breaker_filter::{
    CalloutRequest, Headers, Host, Metric, Now, Peer, Property, Reply, StoreFault, SwapError,
    Timestamp, UnixTime, Version,
};

use self::functions::*;
use crate::memory;
use crate::metrics::MetricIds;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const CAS_MISMATCH: u32 = 8;

/// "Write if absent": a missing key takes any number that is not zero, and no key has this one.
const ABSENT: u32 = u32::MAX;

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
struct Returned {
    data: *mut u8,
    size: usize,
}

impl Returned {
    const fn none() -> Self {
        Self { data: ptr::null_mut(), size: 0 }
    }

    fn into_vec(self) -> Vec<u8> {
        if self.data.is_null() { Vec::new() } else { memory::fetch(self.data, self.size) }
    }
}

/// The proxy that runs this module.
pub(crate) struct Proxy<'a> {
    pub(crate) metrics: &'a MetricIds,
}

impl Host for Proxy<'_> {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        let (mut returned, mut cas) = (Returned::none(), 0);
        // SAFETY: pointers and sizes are of values that live until the call returns.
        let status = unsafe {
            let (data, size) = (&raw mut returned.data, &raw mut returned.size);
            proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas)
        };
        match (status, Version::new(cas)) {
            (OK, Some(version)) => Ok(Some((returned.into_vec(), version))),
            (NOT_FOUND, _) => Ok(None),
            (status, _) => Err(StoreFault { status }),
        }
    }

    fn swap(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        let cas = expected.map_or(ABSENT, Version::get);
        // SAFETY: pointers and sizes are of values that live until the call returns.
        let status = unsafe {
            proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
        };
        match status {
            OK => Ok(()),
            CAS_MISMATCH => Err(SwapError::Conflict),
            status => Err(SwapError::Fault(StoreFault { status })),
        }
    }

    fn now(&self) -> Now {
        let mut wall = 0;
        // SAFETY: it writes one number to where the pointer points.
        unsafe { proxy_get_current_time_nanoseconds(&raw mut wall) };
        // A configuration is not taken where there is no clock. If one fails all the same, zero is a
        // time like any other.
        let monotonic = monotonic().unwrap_or_default();
        Now { monotonic: Timestamp::from_nanos(monotonic), wall: UnixTime::from_nanos(wall) }
    }

    fn property(&self, property: Property) -> Option<Vec<u8>> {
        let path: &[u8] = match property {
            Property::ClusterName => b"xds\0cluster_name",
            Property::RouteName => b"xds\0route_name",
            Property::ResponseCodeDetails => b"response\0code_details",
            Property::ResponseFlags => b"response\0flags",
            Property::Connection => b"connection_id",
        };
        known(path).ok()
    }

    fn peer(&self) -> Peer {
        match known(b"source\0address") {
            Ok(address) => Peer::At(address),
            Err(NOT_FOUND) => Peer::Untold,
            // The plugin may not ask: a capability that is not given must open nothing.
            Err(_) => Peer::Withheld,
        }
    }

    fn response_header(&self, name: &'static str) -> Option<Vec<u8>> {
        header(Map::Response, name)
    }

    fn response_headers(&self) -> Headers {
        headers(Map::Response)
    }

    fn response_trailer(&self, name: &'static str) -> Option<Vec<u8>> {
        header(Map::ResponseTrailers, name)
    }

    fn define(&self, number: usize, name: &str) {
        self.metrics.of_service(number, name);
    }

    fn define_slot(&self, number: usize, name: &str) {
        self.metrics.of_slot(number, name);
    }

    #[inline(always)]
    fn metric(&self, metric: Metric) -> Option<u64> {
        let id = self.metrics.id(metric)?;
        let mut value = 0;
        // SAFETY: the pointer is of a value that lives until the call returns.
        let status = unsafe { proxy_get_metric(id, &raw mut value) };
        (status == OK).then_some(value)
    }

    #[inline(always)]
    fn adjust(&self, metric: Metric, by: i64) {
        if let Some(id) = self.metrics.id(metric) {
            // SAFETY: a plain call.
            unsafe { proxy_increment_metric(id, by) };
        }
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
fn known(path: &[u8]) -> Result<Vec<u8>, u32> {
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
