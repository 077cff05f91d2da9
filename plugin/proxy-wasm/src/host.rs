//! Every function of the proxy that is used, with every status a value.
//!
//! The SDK's own wrappers panic on statuses they do not expect, and some on header values that
//! are not UTF-8; a client can bring about both. So the functions are declared here again, and
//! return what the proxy said. One is the SDK's, [`call_for_root`]: it looks after the plugin's
//! own contexts, and has to know whom of them a call's answer is for.

#![allow(unsafe_code, reason = "the proxy's functions are C functions")]

use std::ptr;
use std::time::Duration;

use breaker_filter::{
    Callout, Headers, Host, Metric, Now, Peer, Property, Reply, StoreFault, SwapError, Timestamp,
    UnixTime, Version,
};

use crate::memory;
use crate::metrics::MetricIds;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
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
}

/// The kind of a metric.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum MetricType {
    Counter = 0,
    Gauge = 1,
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        cas: u32,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout: u32,
        call: *mut u32,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_get_metric(id: u32, value: *mut u64) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        argument: *const u8,
        argument_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u32;
}

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
        const MONOTONIC: u32 = 1;
        let (mut wall, mut monotonic) = (0, 0);
        // SAFETY: both write one number to where the pointer points. If one fails, the number
        // stays zero, a time like any other.
        unsafe {
            proxy_get_current_time_nanoseconds(&raw mut wall);
            clock_time_get(MONOTONIC, 1, &raw mut monotonic);
        }
        Now { monotonic: Timestamp::from_nanos(monotonic), wall: UnixTime::from_nanos(wall) }
    }

    fn property(&self, property: Property) -> Option<Vec<u8>> {
        let path: &[u8] = match property {
            Property::ClusterName => b"xds\0cluster_name",
            Property::RouteName => b"xds\0route_name",
            Property::ResponseCodeDetails => b"response\0code_details",
            Property::ResponseFlags => b"response\0flags",
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

/// Has the route chosen anew. A change of request headers does so by itself for modules of this
/// ABI version; later ones will have to ask, so this one asks already. Proxies that do not know
/// the function do it by themselves.
pub(crate) fn clear_route_cache() {
    const NAME: &str = "clear_route_cache";
    let mut returned = Returned::none();
    // SAFETY: pointers and sizes are of values that live until the call returns.
    unsafe {
        let (data, size) = (&raw mut returned.data, &raw mut returned.size);
        proxy_call_foreign_function(NAME.as_ptr(), NAME.len(), ptr::null(), 0, data, size);
    }
    drop(returned.into_vec());
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

/// Makes a call for a stream: the proxy's number of it. `None`: it could not be made, and no answer
/// will come.
pub(crate) fn call_for_stream(callout: &Callout) -> Option<u32> {
    let headers = Headers::from_pairs(&callout.headers).into_serialized();
    let trailers = Headers::from_pairs::<&str, &str>(&[]).into_serialized();
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
    (status == OK).then_some(call)
}

/// Makes a call for the plugin's context that is at work now, as [`call_for_stream`].
pub(crate) fn call_for_root(callout: &Callout) -> Option<u32> {
    let headers = callout.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    proxy_wasm::hostcalls::dispatch_http_call(
        &callout.cluster,
        headers.collect(),
        Some(&callout.body),
        Vec::new(),
        Duration::from_millis(millis(callout.timeout).into()),
    )
    .ok()
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
