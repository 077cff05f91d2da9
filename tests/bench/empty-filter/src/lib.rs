//! The least filter that the proxy-wasm SDK can build: the base line of the benchmark.
//!
//! It looks at nothing and changes nothing, so what it costs is what any filter made with the SDK
//! costs: the proxy calls every callback that the SDK exports.

use proxy_wasm::traits::{Context, HttpContext};

struct Empty;

impl Context for Empty {}
impl HttpContext for Empty {}

#[allow(
    unsafe_code,
    missing_docs,
    reason = "the macro of the SDK writes the module's entry point, `_initialize`"
)]
mod entry {
    proxy_wasm::main! {{
        proxy_wasm::set_http_context(|_, _| Box::new(super::Empty));
    }}
}
