//! The variant whose layer is an ordinary one that holds `plugin.wasm`: "compat" in the Wasm image
//! specification.

use anyhow::Result;
use serde_json::json;

use super::digest::Digest;
use super::layout::Layout;
use super::licenses::LICENSES;
use super::manifest::{RUNTIME_FILE, WASM, manifest, runtime};
use super::ordinary;

pub(crate) fn write(
    layout: &mut Layout,
    tag: &str,
    version: &str,
    module: &[u8],
    licenses: &str,
) -> Result<Digest> {
    // Who looks for `plugin.wasm` reads no further than that.
    let files =
        [("plugin.wasm", module), (RUNTIME_FILE, &runtime()?), (LICENSES, licenses.as_bytes())];
    // The module runs anywhere. The system is one that every tool knows.
    let (config, layer) = ordinary::write(layout, "wasm", &files)?;
    let mut manifest = manifest(version, WASM, &config, &[layer]);
    manifest["annotations"]["module.wasm.image/variant"] = json!("compat");
    layout.image(tag, &manifest)
}
