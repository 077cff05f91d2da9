//! The images of the dynamic module.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use package::image::{BILL, CHECKSUM, Digest, FILE, LICENSES, SBOM};
use serde_json::Value;

use crate::image::bill::{allowed, components, tree};
use crate::image::{blob, image, module, puller};

const ARCHITECTURES: [(&str, u8); 2] = [("amd64", 62), ("arm64", 183)];

/// The module that is built here for each architecture: but for its header, this machine's.
pub(crate) fn modules() -> Vec<Vec<u8>> {
    const MACHINE: usize = 18;
    let built = std::fs::read(artifacts::dynamic_module().unwrap()).unwrap();
    let of = |(_, machine)| {
        let mut module = built.clone();
        module[MACHINE] = machine;
        module
    };
    ARCHITECTURES.map(of).into()
}

/// The files of a layer, unpacked.
pub(crate) fn unpack(layer: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for file in tar::Archive::new(GzDecoder::new(layer)).entries()? {
        let mut file = file?;
        let name = file.path()?.display().to_string();
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        files.insert(name, content);
    }
    Ok(files)
}

/// The manifest of an image, and the files of its only layer.
fn files(tag: &str) -> Result<(Value, BTreeMap<String, Vec<u8>>)> {
    let folder = image().folder();
    let manifest = puller::manifest(&folder, tag)?;
    let layers = manifest["layers"].as_array().context("no layers")?;
    ensure!(layers.len() == 1, "{layers:?}");
    let layer = layers[0]["digest"].as_str().context("no digest")?;
    let files = unpack(&blob(&folder, layer))?;
    Ok((manifest, files))
}

#[test]
fn the_images_for_wasm_stay_byte_for_byte_what_they_are_without_those_of_the_dynamic_module()
-> Result<()> {
    let folder = tempfile::tempdir()?;
    let alone = folder.path().join("image");
    let built = package::image::write(&module(), &[], &alone)?;
    assert_eq!(built.images, image().built.images);
    let both = image().folder();
    for (tag, digest) in &built.images {
        let manifest = puller::manifest(&alone, tag)?;
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let named = layers.chain([&manifest["config"]]).map(|it| it["digest"].as_str());
        for named in named.chain([Some(digest.to_string().as_str())]) {
            let named = named.context("no digest")?;
            assert!(blob(&alone, named) == blob(&both, named), "{tag}: {named}");
        }
    }
    for name in [SBOM, LICENSES] {
        assert!(std::fs::read(alone.join(name))? == std::fs::read(both.join(name))?, "{name}");
    }
    Ok(())
}

#[test]
fn each_architecture_has_an_image_with_module_checksum_bill_and_licences() -> Result<()> {
    let built = &image().built.native;
    assert_eq!(built.len(), ARCHITECTURES.len());
    for ((architecture, _), module) in ARCHITECTURES.into_iter().zip(modules()) {
        let tag = format!("0.1.0-native-{architecture}");
        let (manifest, files) = files(&tag)?;
        let config = manifest["config"]["digest"].as_str().context("no digest")?;
        let config: Value = serde_json::from_slice(&blob(&image().folder(), config))?;
        assert_eq!(
            (&config["architecture"], &config["os"]),
            (&architecture.into(), &"linux".into())
        );
        assert_eq!(files.keys().collect::<Vec<_>>(), [BILL, FILE, CHECKSUM, LICENSES]);
        assert!(files[FILE] == module, "{tag}");

        let folder = tempfile::tempdir()?;
        for (name, content) in &files {
            std::fs::write(folder.path().join(name), content)?;
        }
        artifacts::run(Command::new("sha256sum").args(["--check", CHECKSUM]).current_dir(&folder))?;
        let bill: Value = serde_json::from_slice(&files[BILL])?;
        let hash = &bill["metadata"]["component"]["hashes"][0]["content"];
        assert_eq!(hash, Digest::of(&module).hex());
    }
    Ok(())
}

#[test]
fn what_is_for_another_machine_is_no_module_to_pack() {
    let mut module = modules().remove(0);
    module[18] = 3;
    let folder = tempfile::tempdir().unwrap();
    let written = package::image::write(&[], &[module], &folder.path().join("image"));
    assert!(written.unwrap_err().to_string().contains("x86_64 or aarch64"));
}

#[test]
fn the_bill_lists_what_cargo_tree_shows_and_what_compiler_and_linker_add() -> Result<()> {
    const TOOLS: [&str; 3] = ["rust-std", "rust-std-unix", "zig-runtime"];
    let (_, files) = files("0.1.0-native-amd64")?;
    let listed = components(&serde_json::from_slice(&files[BILL])?);
    for (name, _, license) in &listed {
        assert!(allowed(license), "{name}: {license}");
    }
    let (tools, crates): (Vec<_>, Vec<_>) =
        listed.into_iter().partition(|(name, ..)| TOOLS.contains(&name.as_str()));
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    assert_eq!(
        crates.into_iter().collect::<std::collections::BTreeSet<_>>(),
        tree("plugin-dynamic-module", &target)?
    );
    assert_eq!(tools.into_iter().map(|(name, ..)| name).collect::<Vec<_>>(), TOOLS);
    let licenses = String::from_utf8(files[LICENSES].clone())?;
    for part in [
        "The Rust Project Developers",
        "gimli",
        "LLVM Exceptions",
        "Zig contributors",
        "libc_nonshared",
        "libc ",
    ] {
        assert!(licenses.contains(part), "{part}");
    }
    Ok(())
}
