//! The proxy-wasm shell around the filter: what the proxy calls, and what is called in it.
//!
//! Nothing is decided here. [`callbacks`] is what the proxy calls, [`contexts`] finds whom it means;
//! [`root`] and [`stream`] turn that into calls of [`breaker_filter::Filter`], and do what comes
//! back; [`host`] holds every function of the proxy that is used.
//!
//! A panic would cost a worker its VM and every stream in it, so there is no way to one: bytes
//! are never taken for text, and each status that a host function can return is a value.

#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod callbacks;
mod contexts;
mod host;
mod memory;
mod metrics;
mod root;
mod stream;
mod streams;

#[allow(
    unsafe_code,
    missing_docs,
    reason = "the macro of the SDK writes the module's entry point, `_initialize`"
)]
mod entry {
    use proxy_wasm::types::LogLevel;

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Warn);
        proxy_wasm::set_root_context(|number| Box::new(crate::root::Root::new(number)));
    }}
}
