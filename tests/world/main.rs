//! The module in a simulated world: four workers, one store, one clock, random schedules.

mod defects;
mod invariants;
mod mutants;
mod replay;

use std::path::Path;
use std::sync::LazyLock;

use host_test_proxy_wasm::{Module, Options};

/// The module, compiled once.
static MODULE: LazyLock<Module> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/wasm/edge_breaker.wasm");
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; `make wasm` builds it", path.display()));
    Module::new(&bytes, &Options { metered: false, ..Options::default() }).unwrap()
});
