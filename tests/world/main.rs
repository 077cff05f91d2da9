//! The module in a simulated world: four workers, one store, one clock, random schedules.

mod defects;
mod invariants;
mod mutants;
mod replay;
mod soak;

use std::sync::LazyLock;

use host_test_proxy_wasm::{Module, Options};

/// The module, compiled once.
static MODULE: LazyLock<Module> = LazyLock::new(|| {
    let bytes = std::fs::read(artifacts::proxy_wasm().unwrap()).unwrap();
    Module::new(&bytes, &Options { metered: false, ..Options::default() }).unwrap()
});
