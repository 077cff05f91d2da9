//! The functions that the module calls, by the names that it finds them by.
//!
//! They are written after Envoy's header, and know nothing of what the module means by a call.

#![allow(unsafe_code, reason = "the module calls C functions")]
#![allow(clippy::missing_safety_doc, reason = "each is called as Envoy's own is")]

use std::ffi::c_void;
use std::rc::Rc;
use std::slice;
use std::time::Duration;

use dynamic_module::abi::{
    Attribute, Body, Bytes, CALL_CLUSTER_UNKNOWN, CALL_MADE, EnvoyConfig, EnvoyFilter,
    EnvoyScheduler, LogLevel, METRIC_DONE, Map, Pair,
};
use dynamic_module::hooks::envoy_dynamic_module_on_http_filter_local_reply;

use crate::configuration::{Call, Defined, Inner as Config};
use crate::process::{State, current};
use crate::stream::{Headers, Inner as Stream, Reply};

const FAILED: u32 = 1;
const FROZEN: u32 = 3;

unsafe fn config<'a>(config: *mut EnvoyConfig) -> &'a Config {
    // SAFETY: it is what the module was given.
    unsafe { &*config.cast::<Config>() }
}

unsafe fn stream<'a>(filter: *mut EnvoyFilter) -> &'a Stream {
    // SAFETY: it is what the module was given.
    unsafe { &*filter.cast::<Stream>() }
}

unsafe fn bytes(bytes: Bytes) -> Vec<u8> {
    // SAFETY: the module says that they are there.
    unsafe { bytes.as_slice().to_vec() }
}

unsafe fn text(text: Bytes) -> String {
    // SAFETY: likewise.
    String::from_utf8(unsafe { bytes(text) }).expect("a text")
}

unsafe fn list<'a, T>(data: *const T, len: usize) -> &'a [T] {
    if len == 0 {
        return &[];
    }
    // SAFETY: likewise.
    unsafe { slice::from_raw_parts(data, len) }
}

unsafe fn pairs(data: *const Pair, len: usize) -> Headers {
    // SAFETY: likewise.
    unsafe { list(data, len).iter().map(|pair| (bytes(pair.name), bytes(pair.value))).collect() }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_log(level: LogLevel, line: Bytes) {
    // SAFETY: see above, here and below.
    let line = unsafe { text(line) };
    let _ = level;
    current(|process| process.log.borrow_mut().push(line));
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_get_concurrency() -> u32 {
    current(|process| process.workers).expect("a process is at work")
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_register_shared_data(
    key: Bytes,
    data: *mut c_void,
) -> bool {
    if data.is_null() {
        return false;
    }
    // SAFETY: see above.
    let key = unsafe { bytes(key) };
    current(|process| process.publish(&key, data)).is_some()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_get_shared_data(
    key: Bytes,
    data: *mut *mut c_void,
) -> bool {
    // SAFETY: see above.
    let key = unsafe { bytes(key) };
    let found = current(|process| process.data.borrow().get(&key).copied()).flatten();
    if let Some(found) = found {
        // SAFETY: the module gives a place for it.
        unsafe { *data = found };
    }
    found.is_some()
}

unsafe fn define(
    envoy: *mut EnvoyConfig,
    is_counter: bool,
    name: Bytes,
    (labels, len): (*const Bytes, usize),
    id: *mut usize,
) -> u32 {
    // SAFETY: see above.
    unsafe {
        let config = config(envoy);
        if config.frozen.get() {
            return FROZEN;
        }
        let labels: Vec<_> = list(labels, len).iter().map(|label| text(*label)).collect();
        let name = text(name);
        if labels.is_empty() {
            config.process.metrics.borrow_mut().entry(name.clone()).or_default();
        }
        let mut defined = config.defined.borrow_mut();
        *id = defined.len();
        defined.push(Defined { is_counter, name, labels });
        METRIC_DONE
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_define_counter(
    config: *mut EnvoyConfig,
    name: Bytes,
    labels: *const Bytes,
    labels_len: usize,
    id: *mut usize,
) -> u32 {
    // SAFETY: see above.
    unsafe { define(config, true, name, (labels, labels_len), id) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_define_gauge(
    config: *mut EnvoyConfig,
    name: Bytes,
    labels: *const Bytes,
    labels_len: usize,
    id: *mut usize,
) -> u32 {
    // SAFETY: see above.
    unsafe { define(config, false, name, (labels, labels_len), id) }
}

unsafe fn change(
    config: &Config,
    id: usize,
    (values, len): (*const Bytes, usize),
    is_counter: bool,
    change: impl FnOnce(&mut u64),
) -> u32 {
    let defined = config.defined.borrow();
    let Some(defined) = defined.get(id).filter(|it| it.is_counter == is_counter) else {
        return FAILED;
    };
    // SAFETY: see above.
    let values: Vec<_> = unsafe { list(values, len).iter().map(|value| text(*value)).collect() };
    if values.len() != defined.labels.len() {
        return FAILED;
    }
    let labels = defined.labels.iter().zip(values);
    let labels: String = labels.map(|(label, value)| format!("{label}=.={value};.;")).collect();
    change(config.process.metrics.borrow_mut().entry(labels + &defined.name).or_default());
    METRIC_DONE
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_increment_counter(
    filter: *mut EnvoyFilter,
    id: usize,
    values: *const Bytes,
    values_len: usize,
    by: u64,
) -> u32 {
    // SAFETY: see above.
    unsafe { change(&stream(filter).config, id, (values, values_len), true, |it| *it += by) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_set_gauge(
    filter: *mut EnvoyFilter,
    id: usize,
    values: *const Bytes,
    values_len: usize,
    value: u64,
) -> u32 {
    // SAFETY: see above.
    unsafe { change(&stream(filter).config, id, (values, values_len), false, |it| *it = value) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_increment_counter(
    envoy: *mut EnvoyConfig,
    id: usize,
    values: *const Bytes,
    values_len: usize,
    by: u64,
) -> u32 {
    // SAFETY: see above.
    unsafe { change(config(envoy), id, (values, values_len), true, |it| *it += by) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_set_gauge(
    envoy: *mut EnvoyConfig,
    id: usize,
    values: *const Bytes,
    values_len: usize,
    value: u64,
) -> u32 {
    // SAFETY: see above.
    unsafe { change(config(envoy), id, (values, values_len), false, |it| *it = value) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_headers_size(
    filter: *mut EnvoyFilter,
    map: Map,
) -> usize {
    // SAFETY: see above.
    unsafe { stream(filter).map(map).borrow().as_ref().map_or(0, Vec::len) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_headers(
    filter: *mut EnvoyFilter,
    map: Map,
    headers: *mut Pair,
) -> bool {
    // SAFETY: see above, and the module gives a place for as many as there are.
    unsafe {
        let map = stream(filter).map(map).borrow();
        let Some(map) = map.as_ref() else {
            return false;
        };
        for (place, (name, value)) in map.iter().enumerate() {
            headers.add(place).write(Pair::of(name, value));
        }
        true
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_header(
    filter: *mut EnvoyFilter,
    map: Map,
    name: Bytes,
    value: *mut Bytes,
    index: usize,
    count: *mut usize,
) -> bool {
    // SAFETY: see above.
    unsafe {
        let map = stream(filter).map(map).borrow();
        let name = name.as_slice();
        let values = map.iter().flatten().filter(|(known, _)| known == name);
        if !count.is_null() {
            *count = values.clone().count();
        }
        let found = values.map(|(_, value)| value).nth(index);
        *value = found.map_or(Bytes::NONE, |value| Bytes::of(value));
        found.is_some()
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_set_header(
    filter: *mut EnvoyFilter,
    map: Map,
    name: Bytes,
    value: Bytes,
) -> bool {
    // SAFETY: see above.
    unsafe {
        let mut map = stream(filter).map(map).borrow_mut();
        let Some(map) = map.as_mut() else {
            return false;
        };
        let (name, value) = (bytes(name), bytes(value));
        let place = map.iter().position(|(known, _)| *known == name);
        map.retain(|(known, _)| *known != name);
        if !value.is_empty() {
            let place = place.unwrap_or(map.len()).min(map.len());
            map.insert(place, (name, value));
        }
        true
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_add_header(
    filter: *mut EnvoyFilter,
    map: Map,
    name: Bytes,
    value: Bytes,
) -> bool {
    // SAFETY: see above.
    unsafe {
        let mut map = stream(filter).map(map).borrow_mut();
        match map.as_mut() {
            Some(map) if value.len > 0 => map.push((bytes(name), bytes(value))),
            _ => return false,
        }
        true
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_send_response(
    filter: *mut EnvoyFilter,
    status: u32,
    headers: *const Pair,
    headers_len: usize,
    body: Bytes,
    details: Bytes,
) {
    // SAFETY: see above. The stream stays until whoever plays it lets go.
    unsafe {
        let stream = hold(filter);
        let reply = Reply {
            status: u16::try_from(status).expect("a status"),
            headers: pairs(headers, headers_len),
            body: bytes(body),
        };
        let before = stream.reply.replace(Some(reply));
        assert_eq!(before, None, "answered twice");
        // It is told at once, and its stream may be gone before this returns.
        let module = stream.module();
        envoy_dynamic_module_on_http_filter_local_reply(filter, module, status, details, false);
        stream.end();
    }
}

/// A stream, which stays for as long as it is held.
unsafe fn hold(filter: *mut EnvoyFilter) -> Rc<Stream> {
    let stream: *const Stream = filter.cast_const().cast();
    // SAFETY: it is what the module was given, which lies in an `Rc`.
    unsafe {
        Rc::increment_strong_count(stream);
        Rc::from_raw(stream)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_body_size(
    filter: *mut EnvoyFilter,
    body: Body,
) -> usize {
    // SAFETY: see above.
    unsafe { stream(filter).body(body).borrow().as_ref().map_or(0, Vec::len) }
}

/// A piece is handed over in parts of so many bytes.
const PART: usize = 7;

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_body_chunks_size(
    filter: *mut EnvoyFilter,
    body: Body,
) -> usize {
    // SAFETY: see above.
    unsafe { stream(filter).body(body).borrow().as_ref().map_or(0, |it| it.len().div_ceil(PART)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_body_chunks(
    filter: *mut EnvoyFilter,
    body: Body,
    chunks: *mut Bytes,
) -> bool {
    // SAFETY: see above, and the module gives a place for as many as there are.
    unsafe {
        let body = stream(filter).body(body).borrow();
        let Some(body) = body.as_ref() else {
            return false;
        };
        for (place, part) in body.chunks(PART).enumerate() {
            chunks.add(place).write(Bytes::of(part));
        }
        true
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_append_body(
    filter: *mut EnvoyFilter,
    body: Body,
    more: Bytes,
) -> bool {
    // SAFETY: see above.
    unsafe {
        let mut body = stream(filter).body(body).borrow_mut();
        body.as_mut().map(|body| body.extend(bytes(more))).is_some()
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_drain_body(
    filter: *mut EnvoyFilter,
    body: Body,
    len: usize,
) -> bool {
    // SAFETY: see above.
    unsafe {
        let mut body = stream(filter).body(body).borrow_mut();
        body.as_mut().map(|body| drop(body.drain(..len.min(body.len())))).is_some()
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
    filter: *mut EnvoyFilter,
    key: Bytes,
    value: Bytes,
) -> bool {
    // SAFETY: see above.
    unsafe { stream(filter).filter_state.borrow_mut().insert(bytes(key), bytes(value)) };
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_clear_route_cache(
    filter: *mut EnvoyFilter,
) {
    // SAFETY: see above.
    unsafe { stream(filter).route_chosen.set(true) };
}

unsafe fn give(found: Option<&Vec<u8>>, value: *mut Bytes) -> bool {
    if let Some(found) = found {
        // SAFETY: the module gives a place for it.
        unsafe { *value = Bytes::of(found) };
    }
    found.is_some()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_cluster_name(
    filter: *mut EnvoyFilter,
    name: *mut Bytes,
) -> bool {
    // SAFETY: see above.
    unsafe {
        let stream = stream(filter);
        let cluster = stream.leads_to();
        // It stays for as long as the route does.
        let mut found = stream.found_cluster.borrow_mut();
        *found = cluster;
        give(found.as_ref(), name)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
    filter: *mut EnvoyFilter,
    attribute: Attribute,
    value: *mut Bytes,
) -> bool {
    // SAFETY: see above.
    unsafe { give(stream(filter).texts.borrow().get(&(attribute as u32)), value) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_get_attribute_int(
    filter: *mut EnvoyFilter,
    attribute: Attribute,
    value: *mut u64,
) -> bool {
    // SAFETY: see above.
    unsafe {
        let found = stream(filter).numbers.borrow().get(&(attribute as u32)).copied();
        found.map(|found| *value = found).is_some()
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_get_worker_index(
    filter: *mut EnvoyFilter,
) -> u32 {
    // SAFETY: see above.
    unsafe { stream(filter).worker }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_continue_encoding(
    filter: *mut EnvoyFilter,
) {
    // SAFETY: see above.
    unsafe { stream(filter).resumed.set(true) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_recreate_stream(
    filter: *mut EnvoyFilter,
    headers: *const Pair,
    headers_len: usize,
) -> bool {
    let _ = (headers, headers_len);
    // SAFETY: see above. The stream stays until whoever plays it lets go.
    unsafe { hold(filter).run_again() }
}

unsafe fn call(
    process: &State,
    id: *mut u64,
    (cluster, body): (Bytes, Bytes),
    (headers, len): (*const Pair, usize),
    timeout_millis: u64,
) -> Result<Call, u32> {
    const MISSING_HEADERS: u32 = 1;
    // SAFETY: see above.
    unsafe {
        let (cluster, headers) = (text(cluster), pairs(headers, len));
        let has = |wanted: &str| headers.iter().any(|(name, _)| name == wanted.as_bytes());
        if ![":method", ":path", ":authority"].into_iter().all(has) {
            return Err(MISSING_HEADERS);
        }
        if process.unknown_clusters.borrow().contains(&cluster) {
            return Err(CALL_CLUSTER_UNKNOWN);
        }
        let number = process.last_call.get() + 1;
        process.last_call.set(number);
        *id = number;
        let timeout = Duration::from_millis(timeout_millis);
        Ok(Call { number, cluster, headers, body: bytes(body), timeout })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_http_callout(
    filter: *mut EnvoyFilter,
    id: *mut u64,
    cluster: Bytes,
    headers: *const Pair,
    headers_len: usize,
    body: Bytes,
    timeout_millis: u64,
) -> u32 {
    // SAFETY: see above.
    unsafe {
        let stream = stream(filter);
        let (to, headers) = ((cluster, body), (headers, headers_len));
        match call(&stream.config.process, id, to, headers, timeout_millis) {
            Ok(call) => {
                *stream.call.borrow_mut() = Some(call);
                CALL_MADE
            }
            Err(result) => result,
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_http_callout(
    envoy: *mut EnvoyConfig,
    id: *mut u64,
    cluster: Bytes,
    headers: *const Pair,
    headers_len: usize,
    body: Bytes,
    timeout_millis: u64,
) -> u32 {
    // SAFETY: see above.
    unsafe {
        let config = config(envoy);
        let (to, headers) = ((cluster, body), (headers, headers_len));
        match call(&config.process, id, to, headers, timeout_millis) {
            Ok(call) => {
                config.calls.borrow_mut().push(call);
                CALL_MADE
            }
            Err(result) => result,
        }
    }
}

/// Ticks are the caller's, so nobody is ever called back by this.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_new(
    _: *mut EnvoyConfig,
) -> *mut EnvoyScheduler {
    Box::into_raw(Box::new(0_u8)).cast()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_commit(
    _: *mut EnvoyScheduler,
    _: u64,
) {
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_delete(
    scheduler: *mut EnvoyScheduler,
) {
    // SAFETY: it was made above.
    drop(unsafe { Box::from_raw(scheduler.cast::<u8>()) });
}
