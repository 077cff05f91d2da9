//! `module-image MODULE FOLDER`: makes the image and says its digests.

use std::path::PathBuf;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [module, folder] = paths.as_slice() else {
        anyhow::bail!("usage: module-image MODULE FOLDER");
    };
    let module = std::fs::read(module).with_context(|| module.display().to_string())?;
    let built = module_image::write(&module, folder)?;
    println!("{}: an OCI image layout; SHA-256 of", folder.display());
    println!(
        "  {}  the module, for Envoy's `remote` and for http(s) addresses",
        built.module.hex()
    );
    for (tag, manifest) in &built.images {
        println!("  {}  the image {tag}, for oci:// addresses", manifest.hex());
    }
    Ok(())
}
