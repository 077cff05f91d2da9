//! Chooses what a proxy finds in the module: the callbacks that the filter lives by.
//!
//! The SDK exports every callback there is, and a proxy calls each that is exported: into the
//! sandbox and back, for nothing, once for each piece of each body. That was a fifth of what the
//! filter cost. A callback that is not exported is not called, and the proxy goes on as if it had
//! answered "continue". And since the SDK's exports have their names already, the shell's own
//! get theirs only here. Nothing else of the module is changed.

use anyhow::{Context, Result, ensure};
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{ExportSection, Module};
use wasmparser::{Export, Parser};

/// What the shell in `plugin/proxy-wasm` lives by: what the SDK exports.
const KEPT: &[&str] = &[
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_vm_start",
];

/// What it exports itself, in place of the SDK's.
const OWN: &[(&str, &str)] = &[
    ("edge_breaker_on_context_create", "proxy_on_context_create"),
    ("edge_breaker_on_delete", "proxy_on_delete"),
    ("edge_breaker_on_http_call_response", "proxy_on_http_call_response"),
    ("edge_breaker_on_memory_allocate", "proxy_on_memory_allocate"),
    ("edge_breaker_on_request_body", "proxy_on_request_body"),
    ("edge_breaker_on_request_headers", "proxy_on_request_headers"),
    ("edge_breaker_on_request_trailers", "proxy_on_request_trailers"),
    ("edge_breaker_on_response_body", "proxy_on_response_body"),
    ("edge_breaker_on_response_headers", "proxy_on_response_headers"),
    ("edge_breaker_on_response_trailers", "proxy_on_response_trailers"),
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
        mut export: Export<'_>,
    ) -> Result<(), Error<Self::Error>> {
        if let Some((_, name)) = OWN.iter().find(|(own, _)| *own == export.name) {
            export.name = name;
        } else if !KEPT.contains(&export.name) {
            return Ok(());
        }
        self.kept += 1;
        utils::parse_export(self, exports, export)
    }
}

/// The module as a proxy is to find it.
///
/// # Errors
///
/// If it is no valid module, or lacks an export.
pub fn trimmed(module: &[u8]) -> Result<Vec<u8>> {
    let (mut trim, mut out) = (Trim::default(), Module::new());
    trim.parse_core_module(&mut out, Parser::new(0), module).context("no valid module")?;
    let expected = KEPT.len() + OWN.len();
    ensure!(trim.kept == expected, "{} of {expected} exports are there", trim.kept);
    Ok(out.finish())
}
