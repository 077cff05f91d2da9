//! The variant whose layer is an ordinary one that holds `plugin.wasm`: "compat" in the Wasm image
//! specification.

use std::io::Write;

use anyhow::Result;
use flate2::{Compression, GzBuilder};
use serde_json::json;

use super::digest::Digest;
use super::layout::Layout;
use super::licenses::LICENSES;
use super::manifest::{RUNTIME_FILE, manifest, runtime};

pub(crate) fn write(
    layout: &mut Layout,
    tag: &str,
    version: &str,
    module: &[u8],
    licenses: &str,
) -> Result<Digest> {
    // Who looks for `plugin.wasm` reads no further than that.
    let tar = tar(&[
        ("plugin.wasm", module),
        (RUNTIME_FILE, &runtime()?),
        (LICENSES, licenses.as_bytes()),
    ])?;
    // The module runs anywhere. The system is one that every tool knows.
    let config = json!({
        "architecture": "wasm",
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&tar).to_string()] },
    });
    let config =
        layout.blob("application/vnd.oci.image.config.v1+json", &serde_json::to_vec(&config)?)?;
    let layer = layout.blob("application/vnd.oci.image.layer.v1.tar+gzip", &gzip(&tar)?)?;
    let mut manifest = manifest(version, &config, &[layer]);
    manifest["annotations"]["module.wasm.image/variant"] = json!("compat");
    layout.image(tag, &manifest)
}

/// Files of nobody, of 1970.
fn tar(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len().try_into()?);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, name, *content)?;
    }
    Ok(tar.into_inner()?)
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    const UNKNOWN_SYSTEM: u8 = 255;
    let header = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM);
    let mut gzip = header.write(Vec::new(), Compression::best());
    gzip.write_all(content)?;
    Ok(gzip.finish()?)
}
