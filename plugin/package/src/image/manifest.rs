//! What all images say.

use anyhow::Result;
use serde_json::{Value, json};

/// The type of [`runtime`].
pub(crate) const RUNTIME: &str = "application/vnd.module.wasm.config.v1+json";
/// Its name, where it is a file.
pub(crate) const RUNTIME_FILE: &str = "runtime-config.json";

/// What the module is made for. It answers to any root id.
pub(crate) fn runtime() -> Result<Vec<u8>> {
    let runtime = json!({
        "type": "envoy_proxy",
        "abiVersions": ["0.2.1"],
        "config": { "root_ids": ["edge-breaker"] },
    });
    Ok(serde_json::to_vec(&runtime)?)
}

/// What an image says of itself.
pub(crate) const WASM: &str = "A circuit breaker for Envoy and Istio, as a proxy-wasm filter.";
/// The same where the dynamic module is in it.
pub(crate) const NATIVE: &str = "A circuit breaker for Envoy and Istio, as a dynamic module.";

pub(crate) fn manifest(
    version: &str,
    description: &str,
    config: &Value,
    layers: &[Value],
) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": layers,
        "annotations": {
            "org.opencontainers.image.title": "edge-breaker",
            "org.opencontainers.image.description": description,
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
        },
    })
}
