//! The layout: the types, the bytes, what it says of itself.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use package::image::Digest;
use serde_json::Value;
use wasmparser::{Parser, Payload};

use crate::image::{blob, image, module, native, puller};

fn manifest(tag: &str) -> Value {
    puller::manifest(&image().folder(), tag).unwrap()
}

fn types(layers: &Value) -> Vec<&str> {
    layers.as_array().unwrap().iter().map(|layer| layer["mediaType"].as_str().unwrap()).collect()
}

/// Every file below a folder, by its path.
fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder)?.display().to_string();
                files.insert(name, std::fs::read(&path)?);
            }
        }
    }
    Ok(files)
}

#[test]
fn the_same_module_gives_the_same_bytes() -> Result<()> {
    let again = tempfile::tempdir()?;
    let folder = again.path().join("elsewhere/image");
    let built = package::image::write(&module(), &native::modules(), &folder)?;
    assert_eq!(built.images, image().built.images);
    assert!(files(&folder)? == files(&image().folder())?, "not the same bytes");
    Ok(())
}

#[test]
fn an_earlier_image_is_replaced() -> Result<()> {
    let parent = tempfile::tempdir()?;
    let folder = parent.path().join("image");
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("left-over"), "")?;
    package::image::write(&module(), &native::modules(), &folder)?;
    assert!(files(&folder)? == files(&image().folder())?, "not the same bytes");
    assert_eq!(std::fs::read_dir(parent.path())?.count(), 1);
    Ok(())
}

#[test]
fn both_variants_have_the_types_that_istio_takes() {
    let native = manifest("0.1.0");
    assert_eq!(native["config"]["mediaType"], "application/vnd.module.wasm.config.v1+json");
    assert_eq!(
        types(&native["layers"]),
        [
            "application/vnd.module.wasm.config.v1+json",
            "application/vnd.module.wasm.content.layer.v1+wasm",
        ]
    );
    let compat = manifest("0.1.0-compat");
    assert_eq!(compat["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
    assert_eq!(types(&compat["layers"]), ["application/vnd.oci.image.layer.v1.tar+gzip"]);
    assert_eq!(compat["annotations"]["module.wasm.image/variant"], "compat");
}

#[test]
fn both_variants_hold_the_module() -> Result<()> {
    for (tag, _) in &image().built.images {
        assert!(puller::from_layout(&image().folder(), tag)? == module(), "{tag}");
    }
    Ok(())
}

#[test]
fn each_blob_has_the_digest_and_the_size_of_its_descriptor() {
    let folder = image().folder();
    let built = &image().built;
    for (tag, digest) in built.images.iter().chain(&built.native) {
        assert_eq!(Digest::of(&blob(&folder, &digest.to_string())), *digest);
        let manifest = manifest(tag);
        let layers = manifest["layers"].as_array().unwrap();
        for descriptor in layers.iter().chain([&manifest["config"]]) {
            let named = descriptor["digest"].as_str().unwrap();
            let content = blob(&folder, named);
            assert_eq!(Digest::of(&content).to_string(), named);
            assert_eq!(descriptor["size"], content.len());
        }
    }
}

#[test]
fn the_image_says_what_it_is() {
    let built = &image().built;
    for (tag, _) in built.images.iter().chain(&built.native) {
        let annotations = &manifest(tag)["annotations"];
        let said = |name: &str| annotations[format!("org.opencontainers.image.{name}")].clone();
        assert_eq!(said("title"), "edge-breaker");
        assert_eq!(said("version"), "0.1.0");
        assert_eq!(said("licenses"), "Apache-2.0");
        assert!(said("description").as_str().unwrap().contains("circuit breaker"));
    }
}

#[test]
fn the_image_names_the_abi_of_the_module() -> Result<()> {
    let config = manifest("0.1.0")["config"]["digest"].as_str().unwrap().to_owned();
    let runtime: Value = serde_json::from_slice(&blob(&image().folder(), &config))?;
    let abi = runtime["abiVersions"][0].as_str().unwrap();
    let wanted = format!("proxy_abi_version_{}", abi.replace('.', "_"));
    let module = module();
    let mut exports = Vec::new();
    for payload in Parser::new(0).parse_all(&module) {
        if let Payload::ExportSection(section) = payload? {
            for export in section {
                exports.push(export?.name);
            }
        }
    }
    assert!(exports.contains(&wanted.as_str()), "{wanted}: {exports:?}");
    Ok(())
}
