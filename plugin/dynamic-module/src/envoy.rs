//! Envoy's functions, made safe to call: what a hook may do with the stream or the configuration that
//! it was called for.
//!
//! What calls back into the module before it returns, and may end the stream, is called [last](Last):
//! whoever calls it has nothing borrowed, and touches the stream no more.

#![allow(unsafe_code, reason = "Envoy's functions are C functions")]

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;
use std::slice;
use std::time::Duration;

use filter::{CalloutRequest, Headers, Reply};

use crate::abi::*;

/// How many headers or parts are looked at without memory of their own.
const FEW: usize = 64;

/// Why a call could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotMade {
    /// Envoy has no such cluster.
    UnknownCluster,
    Failed,
}

/// A stream in Envoy, in a hook of it, on its worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnStream(*mut EnvoyFilter);

/// A configuration in Envoy, in a hook of it, on the main thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnMain(*mut EnvoyConfig);

/// Writes a line to Envoy's log.
pub(crate) fn log(level: LogLevel, line: &str) {
    // SAFETY: the line lives until the call returns.
    unsafe { envoy_dynamic_module_callback_log(level, Bytes::of(line.as_bytes())) };
}

/// What was published in the process under a key; null: nothing.
pub(crate) fn published(key: &str) -> *mut c_void {
    let mut data = ptr::null_mut();
    let key = Bytes::of(key.as_bytes());
    // SAFETY: the key lives until the call returns, and it writes to where the pointer points.
    unsafe { envoy_dynamic_module_callback_get_shared_data(key, &raw mut data) };
    data
}

/// Publishes a pointer in the process under a key.
pub(crate) fn publish(key: &str, data: *mut c_void) {
    let key = Bytes::of(key.as_bytes());
    // SAFETY: the key lives until the call returns; the pointer is not looked at.
    unsafe { envoy_dynamic_module_callback_register_shared_data(key, data) };
}

impl OnMain {
    /// # Safety
    ///
    /// The pointer is what a hook on the main thread was called with, and that hook is at work.
    pub(crate) const unsafe fn new(config: *mut EnvoyConfig) -> Self {
        Self(config)
    }

    /// How many workers there are.
    pub(crate) fn workers(self) -> u32 {
        // SAFETY: this is the main thread.
        unsafe { envoy_dynamic_module_callback_get_concurrency() }
    }

    /// Defines a counter, while the configuration is made; `None`: it cannot be.
    pub(crate) fn define_counter(self, name: &str, labels: &[Bytes]) -> Option<usize> {
        let (name, mut id) = (Bytes::of(name.as_bytes()), 0);
        let (labels, len) = (labels.as_ptr(), labels.len());
        // SAFETY: pointers and sizes are of values that live until the call returns.
        let result = unsafe {
            envoy_dynamic_module_callback_http_filter_config_define_counter(
                self.0,
                name,
                labels,
                len,
                &raw mut id,
            )
        };
        (result == METRIC_DONE).then_some(id)
    }

    /// Defines a gauge, likewise.
    pub(crate) fn define_gauge(self, name: &str, labels: &[Bytes]) -> Option<usize> {
        let (name, mut id) = (Bytes::of(name.as_bytes()), 0);
        let (labels, len) = (labels.as_ptr(), labels.len());
        // SAFETY: pointers and sizes are of values that live until the call returns.
        let result = unsafe {
            envoy_dynamic_module_callback_http_filter_config_define_gauge(
                self.0,
                name,
                labels,
                len,
                &raw mut id,
            )
        };
        (result == METRIC_DONE).then_some(id)
    }

    pub(crate) fn count(self, id: usize, labels: &[Bytes], by: u64) {
        // SAFETY: pointer and size are of values that live until the call returns.
        unsafe {
            envoy_dynamic_module_callback_http_filter_config_increment_counter(
                self.0,
                id,
                labels.as_ptr(),
                labels.len(),
                by,
            );
        }
    }

    pub(crate) fn set(self, id: usize, labels: &[Bytes], value: u64) {
        // SAFETY: pointer and size are of values that live until the call returns.
        unsafe {
            envoy_dynamic_module_callback_http_filter_config_set_gauge(
                self.0,
                id,
                labels.as_ptr(),
                labels.len(),
                value,
            );
        }
    }

    /// Makes a call: Envoy's number of it. An error: no answer will come.
    pub(crate) fn call(self, callout: &CalloutRequest) -> Result<u64, NotMade> {
        // SAFETY: this is whom Envoy's function makes calls for.
        unsafe {
            call(envoy_dynamic_module_callback_http_filter_config_http_callout, self.0, callout)
        }
    }

    /// A scheduler, by which any thread has the main thread call back; null: there is none.
    pub(crate) fn scheduler(self) -> *mut EnvoyScheduler {
        // SAFETY: this is the main thread.
        unsafe { envoy_dynamic_module_callback_http_filter_config_scheduler_new(self.0) }
    }
}

impl OnStream {
    /// # Safety
    ///
    /// The pointer is what a hook was called with, and that hook is at work.
    pub(crate) const unsafe fn new(filter: *mut EnvoyFilter) -> Self {
        Self(filter)
    }

    /// The number of its worker.
    pub(crate) fn worker(self) -> usize {
        // SAFETY: the stream is there.
        let index = unsafe { envoy_dynamic_module_callback_http_filter_get_worker_index(self.0) };
        index as usize
    }

    pub(crate) fn count(self, id: usize, labels: &[Bytes], by: u64) {
        // SAFETY: pointer and size are of values that live until the call returns.
        unsafe {
            envoy_dynamic_module_callback_http_filter_increment_counter(
                self.0,
                id,
                labels.as_ptr(),
                labels.len(),
                by,
            );
        }
    }

    pub(crate) fn set(self, id: usize, labels: &[Bytes], value: u64) {
        // SAFETY: pointer and size are of values that live until the call returns.
        unsafe {
            envoy_dynamic_module_callback_http_filter_set_gauge(
                self.0,
                id,
                labels.as_ptr(),
                labels.len(),
                value,
            );
        }
    }

    /// Looks at all headers, in their order.
    pub(crate) fn with_headers<R>(self, map: Map, look: impl FnOnce(HeadersOf<'_>) -> R) -> R {
        // SAFETY: the stream is there.
        let len = unsafe { envoy_dynamic_module_callback_http_get_headers_size(self.0, map) };
        // SAFETY: it writes as many as it has said that there are, as nothing happened in between.
        with_room(len, Pair::NONE, |room| unsafe {
            let read = envoy_dynamic_module_callback_http_get_headers(self.0, map, room);
            // What is there stays as it is: no header can be set while they are looked at.
            look(HeadersOf(if read { slice::from_raw_parts(room, len) } else { &[] }))
        })
    }

    /// All headers, copied.
    pub(crate) fn headers(self, map: Map) -> Headers {
        self.with_headers(map, |headers| Headers::collect(headers.iter()))
    }

    /// The first value of a header.
    pub(crate) fn header(self, map: Map, name: &str) -> Option<Vec<u8>> {
        let (name, mut value) = (Bytes::of(name.as_bytes()), Bytes::NONE);
        // SAFETY: what it writes to and reads from lives until the call returns, and what it has found
        // is there until a header is set.
        unsafe {
            let found = envoy_dynamic_module_callback_http_get_header(
                self.0,
                map,
                name,
                &raw mut value,
                0,
                ptr::null_mut(),
            );
            found.then(|| value.as_slice().to_vec())
        }
    }

    /// Sets a header, in place of any values it had. Without a value it is removed.
    pub(crate) fn set_header(self, map: Map, name: &[u8], value: &[u8]) {
        let (name, value) = (Bytes::of(name), Bytes::of(value));
        // SAFETY: name and value live until the call returns.
        unsafe { envoy_dynamic_module_callback_http_set_header(self.0, map, name, value) };
    }

    /// Adds a header to those of its name.
    fn add_header(self, map: Map, name: &[u8], value: &[u8]) {
        let (name, value) = (Bytes::of(name), Bytes::of(value));
        // SAFETY: name and value live until the call returns.
        unsafe { envoy_dynamic_module_callback_http_add_header(self.0, map, name, value) };
    }

    /// Removes all values of a header.
    pub(crate) fn remove_header(self, map: Map, name: &[u8]) {
        self.set_header(map, name, &[]);
    }

    /// Sets all headers, in place of those that there are. Those that are so already stay untouched.
    pub(crate) fn set_headers(self, map: Map, headers: &Headers) {
        let known = self.headers(map);
        let (known, wanted) = (by_name(&known), by_name(headers));
        for (name, values) in &known {
            // The status is replaced where it is: an answer has one all the time.
            if name.first() != Some(&b':') && wanted.get(name) != Some(values) {
                self.remove_header(map, name);
            }
        }
        for (name, values) in wanted {
            if known.get(name) == Some(&values) {
                continue;
            }
            for value in values {
                match name.first() {
                    Some(b':') => self.set_header(map, name, value),
                    _ => self.add_header(map, name, value),
                }
            }
        }
    }

    /// How long the piece of a body at hand is.
    pub(crate) fn body_size(self, body: Body) -> usize {
        // SAFETY: the stream is there.
        unsafe { envoy_dynamic_module_callback_http_get_body_size(self.0, body) }
    }

    /// The piece of a body at hand; `None`: there is none.
    pub(crate) fn body(self, body: Body) -> Option<Vec<u8>> {
        // SAFETY: the stream is there.
        let len = unsafe { envoy_dynamic_module_callback_http_get_body_chunks_size(self.0, body) };
        // SAFETY: it writes as many as it has said that there are, as nothing happened in between, and
        // the parts are there until the body is changed.
        with_room(len, Bytes::NONE, |room| unsafe {
            let read = envoy_dynamic_module_callback_http_get_body_chunks(self.0, body, room);
            read.then(|| joined(slice::from_raw_parts(room, len)))
        })
    }

    /// Puts bytes in the place of the piece of a body at hand.
    pub(crate) fn set_body(self, body: Body, bytes: &[u8]) {
        let len = self.body_size(body);
        // SAFETY: the stream is there, and the bytes are until the call returns.
        unsafe {
            envoy_dynamic_module_callback_http_drain_body(self.0, body, len);
            if !bytes.is_empty() {
                envoy_dynamic_module_callback_http_append_body(self.0, body, Bytes::of(bytes));
            }
        }
    }

    /// Notes something of the stream for the access log.
    pub(crate) fn note(self, name: &str, value: &str) {
        let (name, value) = (Bytes::of(name.as_bytes()), Bytes::of(value.as_bytes()));
        // SAFETY: name and value live until the call returns.
        unsafe { envoy_dynamic_module_callback_http_set_filter_state_bytes(self.0, name, value) };
    }

    /// Has the route chosen anew.
    pub(crate) fn choose_route(self) {
        // SAFETY: the stream is there.
        unsafe { envoy_dynamic_module_callback_http_clear_route_cache(self.0) };
    }

    /// Prepares the request to be run again, as [`filter::Stream::prepare_rerun`] has it.
    pub(crate) fn prepare_rerun(self, request: &Headers, body: usize, to: (&str, &str)) -> bool {
        if self.body_size(Body::RequestKept) != body {
            return false;
        }
        let (now, (name, cluster)) = (self.headers(Map::Request), to);
        self.set_headers(Map::Request, request);
        self.set_header(Map::Request, name.as_bytes(), cluster.as_bytes());
        self.choose_route();
        let leads = self.cluster().is_some_and(|it| it == cluster.as_bytes());
        self.remove_header(Map::Request, name.as_bytes());
        if !leads {
            self.set_headers(Map::Request, &now);
        }
        // The access log is to name the route that the request took, which is found when it is asked for.
        self.choose_route();
        self.cluster();
        leads
    }

    /// Has the request run again: whether it does, and the stream is gone.
    pub(crate) fn rerun(self) -> bool {
        // SAFETY: the stream is there until now.
        unsafe { envoy_dynamic_module_callback_http_filter_recreate_stream(self.0, ptr::null(), 0) }
    }

    /// The upstream cluster of the route.
    pub(crate) fn cluster(self) -> Option<Vec<u8>> {
        let mut name = Bytes::NONE;
        // SAFETY: it writes to where the pointer points, and the name is there until the route changes.
        unsafe {
            let found = envoy_dynamic_module_callback_http_get_cluster_name(self.0, &raw mut name);
            found.then(|| name.as_slice().to_vec())
        }
    }

    /// What Envoy knows of the stream, as a text.
    pub(crate) fn text(self, attribute: Attribute) -> Option<Vec<u8>> {
        let mut value = Bytes::NONE;
        // SAFETY: it writes to where the pointer points, and the text is there until the hook returns.
        unsafe {
            let found = envoy_dynamic_module_callback_http_filter_get_attribute_string(
                self.0,
                attribute,
                &raw mut value,
            );
            found.then(|| value.as_slice().to_vec())
        }
    }

    /// The same, as a number.
    pub(crate) fn number(self, attribute: Attribute) -> Option<u64> {
        let mut value = 0;
        // SAFETY: it writes to where the pointer points.
        let found = unsafe {
            envoy_dynamic_module_callback_http_filter_get_attribute_int(
                self.0,
                attribute,
                &raw mut value,
            )
        };
        found.then_some(value)
    }

    /// Makes a call. An error: no answer will come.
    pub(crate) fn call(self, callout: &CalloutRequest) -> Result<u64, NotMade> {
        // SAFETY: this is whom Envoy's function makes calls for.
        unsafe { call(envoy_dynamic_module_callback_http_filter_http_callout, self.0, callout) }
    }
}

/// What is done at the end of a hook, with nothing borrowed: it calls back into the module, and the
/// stream may be gone when it returns.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// The request is answered.
    Reply(Reply),
    /// An answer that was held goes on.
    Resume,
}

impl Last {
    /// Does it.
    pub(crate) fn act(self, stream: OnStream) {
        match self {
            Self::Reply(reply) => stream.reply(&reply),
            // SAFETY: the stream is there until now.
            Self::Resume => unsafe {
                envoy_dynamic_module_callback_http_filter_continue_encoding(stream.0);
            },
        }
    }
}

impl OnStream {
    fn reply(self, reply: &Reply) {
        const DETAILS: &[u8] = b"edge_breaker";
        let mut headers = pairs(&reply.headers);
        let status = self.grpc_status(reply.status);
        // Envoy would say that all is well.
        headers.extend(status.map(|status| Pair::of(b"grpc-status", status.as_bytes())));
        // SAFETY: pointers and sizes are of values that live until the call returns.
        unsafe {
            envoy_dynamic_module_callback_http_send_response(
                self.0,
                u32::from(reply.status),
                headers.as_ptr(),
                headers.len(),
                Bytes::of(&reply.body),
                Bytes::of(DETAILS),
            );
        }
    }

    /// What a reply with this status is to a gRPC client, by the table that Envoy goes by for replies of
    /// its own; `None`: the client speaks no gRPC.
    fn grpc_status(self, status: u16) -> Option<&'static str> {
        const GRPC: &[u8] = b"application/grpc";
        let content_type = self.header(Map::Request, "content-type")?;
        let rest = content_type.strip_prefix(GRPC)?;
        matches!(rest.first(), None | Some(b'+')).then_some(match status {
            400 => "13",
            401 => "16",
            403 => "7",
            404 => "12",
            429 | 502 | 503 | 504 => "14",
            _ => "2",
        })
    }
}

/// The headers of a stream, as long as none is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadersOf<'a>(&'a [Pair]);

impl<'a> HeadersOf<'a> {
    /// Those that were handed over with a call's answer.
    ///
    /// # Safety
    ///
    /// There are as many, and they stay as they are for as long as this does.
    pub(crate) const unsafe fn new(pairs: *const Pair, len: usize) -> Self {
        if pairs.is_null() {
            return Self(&[]);
        }
        // SAFETY: the caller's.
        Self(unsafe { slice::from_raw_parts(pairs, len) })
    }

    /// Names and values, in their order.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
        // SAFETY: the headers are there for as long as this is.
        self.0.iter().map(|pair| unsafe { (pair.name.as_slice(), pair.value.as_slice()) })
    }
}

/// The bytes of a body that was handed over in parts.
///
/// # Safety
///
/// There are as many parts, and they stay as they are until this returns.
pub(crate) unsafe fn body_of(parts: *const Bytes, len: usize) -> Vec<u8> {
    if parts.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's.
    unsafe { joined(slice::from_raw_parts(parts, len)) }
}

/// # Safety
///
/// The parts stay as they are until this returns.
unsafe fn joined(parts: &[Bytes]) -> Vec<u8> {
    let len = parts.iter().map(|part| part.len).fold(0, usize::saturating_add);
    let mut bytes = Vec::with_capacity(len);
    for part in parts {
        // SAFETY: the caller's.
        bytes.extend_from_slice(unsafe { part.as_slice() });
    }
    bytes
}

/// The values of each header.
fn by_name(headers: &Headers) -> BTreeMap<&[u8], Vec<&[u8]>> {
    let mut names = BTreeMap::<_, Vec<_>>::new();
    headers.iter().for_each(|(name, value)| names.entry(name).or_default().push(value));
    names
}

/// Room for so many values, for as long as they are looked at.
fn with_room<T: Copy, R>(len: usize, none: T, f: impl FnOnce(*mut T) -> R) -> R {
    if len > FEW {
        return f(vec![none; len].as_mut_ptr());
    }
    // Not written to in advance: few of them are used.
    let mut room = [const { MaybeUninit::<T>::uninit() }; FEW];
    f(room.as_mut_ptr().cast())
}

fn pairs<V: AsRef<[u8]>>(headers: &[(String, V)]) -> Vec<Pair> {
    headers.iter().map(|(name, value)| Pair::of(name.as_bytes(), value.as_ref())).collect()
}

/// Envoy's functions that make a call, for a stream or a configuration.
type MakeCall<E> =
    unsafe extern "C" fn(*mut E, *mut u64, Bytes, *const Pair, usize, Bytes, u64) -> u32;

/// Makes a call: Envoy's number of it. An error: no answer will come.
///
/// # Safety
///
/// The function may be called for this stream or configuration now.
unsafe fn call<E>(
    make: MakeCall<E>,
    envoy: *mut E,
    callout: &CalloutRequest,
) -> Result<u64, NotMade> {
    let (headers, mut id) = (pairs(&callout.headers), 0);
    let (cluster, body) = (Bytes::of(callout.cluster.as_bytes()), Bytes::of(&callout.body));
    let (data, len, timeout) = (headers.as_ptr(), headers.len(), millis(callout.timeout));
    // SAFETY: pointers and sizes are of values that live until the call returns; the rest is the caller's.
    match unsafe { make(envoy, &raw mut id, cluster, data, len, body, timeout) } {
        CALL_MADE => Ok(id),
        CALL_CLUSTER_UNKNOWN => Err(NotMade::UnknownCluster),
        _ => Err(NotMade::Failed),
    }
}

/// As Envoy takes it: none of it is zero, which would be "for ever".
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
