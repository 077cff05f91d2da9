//! Hooks that a module has to have, and which nothing here has Envoy call: streams of a module's own,
//! what a stream has scheduled, and the buffers of a filter that ends a request itself.

use crate::abi::{Bytes, EnvoyConfig, EnvoyFilter, Pair};
use crate::configuration::Configuration;
use crate::stream::Stream;

/// Hooks that do nothing, with what comes after the two pointers that each begins with.
macro_rules! unused {
    ($envoy:ident, $module:ty: $($name:ident($($argument:ty),*);)+) => {$(
        /// Is not called.
        #[unsafe(no_mangle)]
        pub const extern "C" fn $name(_: *mut $envoy, _: *const $module $(, _: $argument)*) {}
    )+};
}

unused! { EnvoyFilter, Stream<'_>:
    envoy_dynamic_module_on_http_filter_http_stream_headers(u64, *const Pair, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_data(u64, *const Bytes, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_trailers(u64, *const Pair, usize);
    envoy_dynamic_module_on_http_filter_http_stream_complete(u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(u64, u32);
    envoy_dynamic_module_on_http_filter_scheduled(u64);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark();
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark();
}

unused! { EnvoyConfig, Configuration:
    envoy_dynamic_module_on_http_filter_config_http_stream_headers(u64, *const Pair, usize, bool);
    envoy_dynamic_module_on_http_filter_config_http_stream_data(u64, *const Bytes, usize, bool);
    envoy_dynamic_module_on_http_filter_config_http_stream_trailers(u64, *const Pair, usize);
    envoy_dynamic_module_on_http_filter_config_http_stream_complete(u64);
    envoy_dynamic_module_on_http_filter_config_http_stream_reset(u64, u32);
}
