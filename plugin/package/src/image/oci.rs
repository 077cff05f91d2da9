//! The variant whose layer is the module: "oci" in the Wasm image specification.

use anyhow::Result;
use serde_json::{Value, json};

use super::digest::Digest;
use super::layout::Layout;
use super::manifest::{RUNTIME, RUNTIME_FILE, WASM, manifest, runtime};

const MODULE: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

pub(crate) fn write(layout: &mut Layout, version: &str, module: &[u8]) -> Result<Digest> {
    let config = layout.blob(RUNTIME, &runtime()?)?;
    let module = named(layout.blob(MODULE, module)?, "edge_breaker.wasm");
    // Istio and Envoy Gateway refuse one that has not two layers.
    let layers = [named(config.clone(), RUNTIME_FILE), module];
    layout.image(version, &manifest(version, WASM, &config, &layers))
}

/// With the name of the file that `oras pull` makes of it.
fn named(mut descriptor: Value, name: &str) -> Value {
    descriptor["annotations"] = json!({ "org.opencontainers.image.title": name });
    descriptor
}
