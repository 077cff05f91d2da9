//! What every tool for images knows: a layer that is a compressed archive of files.

use std::io::Write;

use anyhow::Result;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use super::digest::Digest;
use super::layout::Layout;

/// Adds such a layer with these files, and the configuration of an image of it. Returns what a manifest
/// says of both.
pub(crate) fn write(
    layout: &Layout,
    architecture: &str,
    files: &[(&str, &[u8])],
) -> Result<(Value, Value)> {
    let tar = tar(files)?;
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&tar).to_string()] },
    });
    let config =
        layout.blob("application/vnd.oci.image.config.v1+json", &serde_json::to_vec(&config)?)?;
    let layer = layout.blob("application/vnd.oci.image.layer.v1.tar+gzip", &gzip(&tar)?)?;
    Ok((config, layer))
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
