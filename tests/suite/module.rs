//! The proxy-wasm module, compiled once for all scenarios.

use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use envoy_harness::repo_root;
use host_test_proxy_wasm::{Module, Options};
use module_host::ModuleHost;

use crate::record;

static MODULE: OnceLock<Result<Module, String>> = OnceLock::new();

fn module() -> Result<Module> {
    let load = || {
        let path = repo_root().join("target/wasm/edge_breaker.wasm");
        let bytes = std::fs::read(&path)
            .map_err(|error| format!("{}: {error}: run `make wasm`", path.display()))?;
        Module::new(&bytes, &Options::default()).map_err(|error| error.to_string())
    };
    MODULE.get_or_init(load).clone().map_err(|error| anyhow!(error))
}

/// A process with so many workers.
pub(crate) fn start(workers: usize) -> Result<ModuleHost> {
    Ok(ModuleHost::new(module()?, workers, record::status))
}
