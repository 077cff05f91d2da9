//! The proxy-wasm module, compiled once for all scenarios.

use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use host_test_proxy_wasm::{Module, Options};
use module_host::ModuleHost;

use crate::record;

static MODULE: OnceLock<Result<Module, String>> = OnceLock::new();

fn module() -> Result<Module> {
    let load = || {
        let bytes = std::fs::read(artifacts::proxy_wasm()?)?;
        Ok(Module::new(&bytes, &Options::default())?)
    };
    let load = || load().map_err(|error: anyhow::Error| format!("{error:#}"));
    MODULE.get_or_init(load).clone().map_err(|error| anyhow!(error))
}

/// A process with so many workers.
pub(crate) fn start(workers: usize) -> Result<ModuleHost> {
    Ok(ModuleHost::new(module()?, workers, record::status))
}
