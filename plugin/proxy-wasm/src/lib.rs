//! The proxy-wasm shell around the filter.
