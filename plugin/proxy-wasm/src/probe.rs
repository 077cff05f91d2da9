//! Which of its functions the proxy withholds.
//!
//! Each is called in a way that a proxy turns down before it does anything: with a number that
//! stands for nothing, or a pointer that leads out of the module's memory. It says so by a status
//! of its own; one that withholds the function has another.

#![allow(unsafe_code, reason = "the proxy's functions are C functions")]

use std::ptr;

use filter::Capability;

use crate::host::{self, functions};

/// What Envoy's stand-in for a function returns.
const INTERNAL_FAILURE: u32 = 10;
/// What a proxy returns that has none.
const UNIMPLEMENTED: u32 = 12;

/// No map, buffer, stream, metric, context or level has this number.
const NONE: u32 = u32::MAX;

/// Whether a function that the filter needs cannot be used.
pub(crate) fn is_withheld(capability: Capability) -> bool {
    if capability == Capability::Clock {
        return host::monotonic().is_none();
    }
    matches!(status(capability), Some(INTERNAL_FAILURE | UNIMPLEMENTED))
}

/// What a function says to nonsense.
fn status(capability: Capability) -> Option<u32> {
    let (mut data, mut size, mut number, mut long) = (ptr::null_mut(), 0, 0, 0);
    let (text, none) = (ptr::null(), 0);
    let (outside, one) = (ptr::without_provenance(usize::MAX), 1);
    let (data, size, number) = (&raw mut data, &raw mut size, &raw mut number);
    let long = &raw mut long;
    // SAFETY: what is written to is there until the call returns, and what is read is empty, or
    // not to be had.
    let status = unsafe {
        match capability {
            // It has no function of its own, or none of the ABI's.
            Capability::Clock | Capability::ContextCreate => return None,
            Capability::ContinueStream => functions::proxy_continue_stream(NONE),
            Capability::DefineMetric => functions::proxy_define_metric(NONE, text, none, number),
            Capability::GetBuffer => functions::proxy_get_buffer_bytes(NONE, 0, 0, data, size),
            Capability::GetCurrentTime => functions::proxy_get_current_time_nanoseconds(long),
            Capability::GetHeader => {
                functions::proxy_get_header_map_value(NONE, text, none, data, size)
            }
            Capability::GetHeaders => functions::proxy_get_header_map_pairs(NONE, data, size),
            Capability::GetMetric => functions::proxy_get_metric(NONE, long),
            Capability::GetProperty => functions::proxy_get_property(outside, one, data, size),
            Capability::GetSharedData => {
                functions::proxy_get_shared_data(outside, one, data, size, number)
            }
            Capability::HttpCall => functions::proxy_http_call(
                outside, one, text, none, text, none, text, none, 1, number,
            ),
            Capability::IncrementMetric => functions::proxy_increment_metric(NONE, 0),
            Capability::Log => functions::proxy_log(NONE, text, none),
            Capability::RecordMetric => functions::proxy_record_metric(NONE, 0),
            Capability::RemoveHeader => functions::proxy_remove_header_map_value(NONE, text, none),
            Capability::ReplaceHeader => {
                functions::proxy_replace_header_map_value(NONE, text, none, text, none)
            }
            Capability::SendLocalResponse => {
                functions::proxy_send_local_response(0, outside, one, text, none, text, none, -1)
            }
            Capability::SetBuffer => functions::proxy_set_buffer_bytes(NONE, 0, 0, text, none),
            Capability::SetEffectiveContext => functions::proxy_set_effective_context(NONE),
            Capability::SetHeaders => functions::proxy_set_header_map_pairs(NONE, text, none),
            Capability::SetProperty => functions::proxy_set_property(outside, one, text, none),
            Capability::SetSharedData => {
                functions::proxy_set_shared_data(outside, one, text, none, NONE)
            }
            // Whatever it is set to now, it is set anew when the configuration is at work.
            Capability::SetTickPeriod => functions::proxy_set_tick_period_milliseconds(500),
        }
    };
    Some(status)
}
