//! The modules that the plugin is built as, for whoever runs one.
//!
//! To ask for a module is to have it built: cargo looks at once in a process whether it is older
//! than anything it is made of, which takes a tenth of a second where it is not. So nothing here
//! runs a module of yesterday, however it was started.

mod cargo;
mod module;
pub mod portable;
mod run;
pub mod tool;

use std::path::{Path, PathBuf};

use anyhow::Result;

pub use crate::cargo::{build, cargo};
use crate::module::Module;
pub use crate::run::run;

/// What the plugin is built for: without a system, so that it asks for nothing but what the shells do.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Where the module for proxies is, seen from the root of the repository. The samples name it.
pub const PROXY_WASM: &str = "target/wasm/edge_breaker.wasm";

/// Where the component is, likewise.
pub const COMPONENT: &str = "target/wasm/edge_breaker_component.wasm";

/// Where the least filter is, likewise.
pub const EMPTY_FILTER: &str = "target/wasm/empty_filter.wasm";

/// Where the dynamic module is put that is handed out, likewise.
pub const DYNAMIC_MODULE: &str = "target/native/libedge_breaker.so";

/// The module for proxies.
///
/// # Errors
/// When it cannot be built, here and below: the message has what cargo says.
pub fn proxy_wasm() -> Result<PathBuf> {
    static MODULE: Module =
        Module::new("plugin-proxy-wasm-module", TARGET, PROXY_WASM).packed_by("trim");
    MODULE.path()
}

/// The same module with the names of its functions, which is beside it.
#[must_use]
pub fn named(module: &Path) -> PathBuf {
    module.with_extension("named.wasm")
}

/// The shared object that Envoy loads as a dynamic module, for this machine and its C library. What is
/// handed out is [another](portable).
///
/// # Errors
/// See [`proxy_wasm`].
pub fn dynamic_module() -> Result<PathBuf> {
    static MODULE: Module =
        Module::native("plugin-dynamic-module", "target/native/local/libedge_breaker.so");
    MODULE.path()
}

/// The component.
///
/// # Errors
/// See [`proxy_wasm`].
pub fn component() -> Result<PathBuf> {
    static MODULE: Module =
        Module::new("plugin-component", TARGET, COMPONENT).packed_by("componentize");
    MODULE.path()
}

/// The least filter, which the benchmark compares with, for the target that the SDK is meant for.
///
/// # Errors
/// See [`proxy_wasm`].
pub fn empty_filter() -> Result<PathBuf> {
    static MODULE: Module = Module::new("empty-filter", "wasm32-wasip1", EMPTY_FILTER);
    MODULE.path()
}

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
