//! Makes OCI images of the built modules, with bills of materials and the licences of what is linked
//! into them.
//!
//! All are in one layout, a tag each.
//!
//! * `VERSION` has the module for proxies itself as a layer: nothing to unpack, and Envoy can load the
//!   layer straight from a registry.
//! * `VERSION-compat` has it as `plugin.wasm` in an ordinary layer, for what knows nothing else:
//!   docker, podman, and the image volumes of Kubernetes. Istio and Envoy Gateway pull either.
//! * `VERSION-native-amd64` and `VERSION-native-arm64` have the dynamic module, if it is given.
//!
//! The same modules give the same bytes: there is no time in them, and nothing of this machine.

mod compat;
mod digest;
mod dynamic_module;
mod layout;
mod licenses;
mod linked;
mod manifest;
mod oci;
mod ordinary;
mod sbom;

use std::path::Path;

use anyhow::{Context, Result};

pub use digest::Digest;
pub use dynamic_module::{BILL, CHECKSUM, FILE};
use layout::Layout;
pub use licenses::LICENSES;

/// The name of the bill of materials, beside the image.
pub const SBOM: &str = "edge_breaker.cdx.json";

/// What was written.
#[derive(Debug)]
pub struct Built {
    /// Of the module.
    pub module: Digest,
    /// The tags, and the digests of their manifests.
    pub images: Vec<(String, Digest)>,
    /// The same of the images of the dynamic module.
    pub native: Vec<(String, Digest)>,
}

/// Writes the images of a module, and of the dynamic module for each architecture that is given, into a
/// folder, in the place of what is there.
///
/// # Errors
/// When a module cannot be built anew to see what is linked into it, when a crate comes without the
/// text of its licence, when a dynamic module is for another architecture, or when the folder cannot be
/// written.
pub fn write(module: &[u8], native: &[Vec<u8>], folder: &Path) -> Result<Built> {
    let version = env!("CARGO_PKG_VERSION");
    let crates = linked::crates(&linked::WASM)?;
    let digest = Digest::of(module);
    let sbom = sbom::render(version, &digest, &crates)?;
    let licenses = licenses::render("edge_breaker.wasm", &crates)?;

    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(parent)?;
    let scratch = tempfile::Builder::new().prefix(".image-").tempdir_in(parent)?;
    let mut layout = Layout::new(scratch.path())?;
    let compat = format!("{version}-compat");
    let images = vec![
        (version.to_owned(), oci::write(&mut layout, version, module)?),
        (compat.clone(), compat::write(&mut layout, &compat, version, module, &licenses)?),
    ];
    let native = match native {
        [] => Vec::new(),
        native => {
            let crates = linked::crates(&linked::NATIVE)?;
            let write = |module| dynamic_module::write(&mut layout, version, module, &crates);
            native.iter().map(Vec::as_slice).map(write).collect::<Result<_>>()?
        }
    };
    layout.finish()?;
    std::fs::write(scratch.path().join(SBOM), sbom)?;
    std::fs::write(scratch.path().join(LICENSES), licenses)?;
    replace(scratch, folder).with_context(|| folder.display().to_string())?;
    Ok(Built { module: digest, images, native })
}

/// By a rename, so that whatever is there is whole.
fn replace(scratch: tempfile::TempDir, folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    let scratch = scratch.keep();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A temporary folder is its owner's alone.
        std::fs::set_permissions(&scratch, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(std::fs::rename(scratch, folder)?)
}
