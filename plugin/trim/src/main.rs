//! Leaves out of a proxy-wasm module the callbacks that it does not use.
//!
//! The SDK exports every callback there is, and a proxy calls each that is exported: into the
//! sandbox and back, for nothing, once for each piece of each body. That was a fifth of what the
//! filter cost. A callback that is not exported is not called, and the proxy goes on as if it had
//! answered "continue". Nothing else of the module is changed.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{ExportSection, Module};
use wasmparser::{Export, Parser};

/// What the shell in `plugin/proxy-wasm` lives by.
const KEPT: &[&str] = &[
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_log",
    "proxy_on_memory_allocate",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_response_body",
    "proxy_on_response_headers",
    "proxy_on_tick",
    "proxy_on_vm_start",
];

/// Copies a module, but for the exports that are not kept.
#[derive(Default)]
struct Trim {
    kept: usize,
}

impl Reencode for Trim {
    type Error = std::convert::Infallible;

    fn parse_export(
        &mut self,
        exports: &mut ExportSection,
        export: Export<'_>,
    ) -> Result<(), Error<Self::Error>> {
        if KEPT.contains(&export.name) {
            self.kept += 1;
            utils::parse_export(self, exports, export)?;
        }
        Ok(())
    }
}

fn trimmed(module: &[u8]) -> Result<Vec<u8>> {
    let (mut trim, mut out) = (Trim::default(), Module::new());
    trim.parse_core_module(&mut out, Parser::new(0), module).context("no valid module")?;
    ensure!(trim.kept == KEPT.len(), "{} of {} exports are there", trim.kept, KEPT.len());
    Ok(out.finish())
}

fn main() -> Result<()> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [input, output] = paths.as_slice() else {
        anyhow::bail!("usage: module-trim INPUT OUTPUT");
    };
    let module = std::fs::read(input).with_context(|| input.display().to_string())?;
    std::fs::write(output, trimmed(&module)?).with_context(|| output.display().to_string())
}
