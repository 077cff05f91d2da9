//! How Istio and Envoy Gateway get a module out of an image: the same rules in both, of which these
//! are the ones for OCI manifests, in their order.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

const COMPAT: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const NATIVE: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

/// The layer that they read, and whether the module is packed in it.
pub(crate) struct Layer {
    pub(crate) digest: String,
    packed: bool,
}

/// Which layer of a manifest they read.
pub(crate) fn layer(manifest: &Value) -> Result<Layer> {
    let layers = manifest["layers"].as_array().context("no layers")?;
    let last = layers.last().context("the number of layers is zero")?;
    let found = if last["mediaType"] == COMPAT {
        last
    } else {
        ensure!(layers.len() == 2, "the number of layers is {}, not 2", layers.len());
        let native = layers.iter().find(|layer| layer["mediaType"] == NATIVE);
        native.with_context(|| format!("no layer of type {NATIVE}"))?
    };
    let digest = found["digest"].as_str().context("no digest")?.to_owned();
    Ok(Layer { digest, packed: found["mediaType"] == COMPAT })
}

/// The module in a layer.
pub(crate) fn module(layer: &Layer, content: &[u8]) -> Result<Vec<u8>> {
    if !layer.packed {
        return Ok(content.to_vec());
    }
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(content));
    for file in archive.entries()? {
        let mut file = file?;
        let path = file.path()?.into_owned();
        if path.file_name().is_some_and(|name| name == "plugin.wasm") {
            let mut module = Vec::new();
            file.read_to_end(&mut module)?;
            return Ok(module);
        }
    }
    anyhow::bail!("no plugin.wasm in the archive")
}

/// The module of a tag in a layout.
pub(crate) fn from_layout(folder: &Path, tag: &str) -> Result<Vec<u8>> {
    let layer = layer(&manifest(folder, tag)?)?;
    module(&layer, &crate::image::blob(folder, &layer.digest))
}

/// The manifest of a tag in a layout.
pub(crate) fn manifest(folder: &Path, tag: &str) -> Result<Value> {
    let index: Value = serde_json::from_slice(&std::fs::read(folder.join("index.json"))?)?;
    let manifests = index["manifests"].as_array().context("no manifests")?;
    let name = "org.opencontainers.image.ref.name";
    let entry = manifests.iter().find(|entry| entry["annotations"][name] == tag);
    let digest = entry.context("no such tag")?["digest"].as_str().context("no digest")?;
    Ok(serde_json::from_slice(&crate::image::blob(folder, digest))?)
}
