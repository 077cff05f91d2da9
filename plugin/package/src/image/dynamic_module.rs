//! The image of the dynamic module for one architecture: an ordinary layer with the module, its
//! checksum, its bill of materials and the licences. Kubernetes mounts it as a volume.

use anyhow::{Result, bail};

use super::digest::Digest;
use super::layout::Layout;
use super::licenses::{self, LICENSES};
use super::linked::Linked;
use super::manifest::{NATIVE, manifest};
use super::{ordinary, sbom};

/// The module in the layer: what Envoy looks for as `edge_breaker`.
pub const FILE: &str = "libedge_breaker.so";
/// Its checksum, as `sha256sum --check` takes it.
pub const CHECKSUM: &str = "libedge_breaker.so.sha256";
/// Its bill of materials.
pub const BILL: &str = "libedge_breaker.cdx.json";

/// Adds the image under a tag of its own. Returns the tag and the digest of the manifest.
pub(crate) fn write(
    layout: &mut Layout,
    version: &str,
    module: &[u8],
    crates: &[Linked],
) -> Result<(String, Digest)> {
    let architecture = architecture(module)?;
    let digest = Digest::of(module);
    let checksum = format!("{}  {FILE}\n", digest.hex());
    let bill = sbom::render(version, &digest, crates)?;
    let licenses = licenses::render(FILE, crates)?;
    let texts = [(CHECKSUM, &checksum), (BILL, &bill), (LICENSES, &licenses)];
    let texts = texts.map(|(name, text)| (name, text.as_bytes()));
    let files: Vec<_> = [(FILE, module)].into_iter().chain(texts).collect();
    let (config, layer) = ordinary::write(layout, architecture, &files)?;
    let tag = format!("{version}-native-{architecture}");
    let digest = layout.image(&tag, &manifest(version, NATIVE, &config, &[layer]))?;
    Ok((tag, digest))
}

/// What the module runs on, by the name that images have for it.
pub(crate) fn architecture(module: &[u8]) -> Result<&'static str> {
    match module.get(..4).zip(module.get(18..20)) {
        Some((b"\x7fELF", [62, 0])) => Ok("amd64"),
        Some((b"\x7fELF", [183, 0])) => Ok("arm64"),
        _ => bail!("this is no shared object for x86_64 or aarch64"),
    }
}
