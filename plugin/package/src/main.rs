//! Makes of the built modules what is handed out.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use package::component::componentize;
use package::trim::trim;
use package::{image, names, schema};

const USAGE: &str = "\
usage: package trim BUILT MODULE NAMED
       package componentize BUILT COMPONENT NAMED
       package schema FILE
       package image MODULE FOLDER [DYNAMIC_MODULE...]
       package backtrace NAMED <LOG";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["trim", built, module, named] => {
            let trimmed = trim(&read(built)?)?;
            write(module, trimmed.module)?;
            write(named, trimmed.named)
        }
        ["componentize", built, component, named] => {
            let trimmed = trim(&read(built)?)?;
            write(component, componentize(&trimmed.module)?)?;
            write(named, componentize(&trimmed.named)?)
        }
        ["schema", file] => write(file, schema::text()),
        ["image", module, folder, native @ ..] => {
            let native = native.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
            print(folder, &image::write(&read(module)?, &native, Path::new(folder))?)
        }
        ["backtrace", module] => backtrace(&names::of(&read(module)?)?),
        _ => bail!(USAGE),
    }
}

fn read(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.to_owned())
}

fn write(path: &str, content: impl AsRef<[u8]>) -> Result<()> {
    std::fs::write(path, content).with_context(|| path.to_owned())
}

/// Says the digests that an address of the image or the module is pinned with.
fn print(folder: &str, built: &image::Built) -> Result<()> {
    println!("{folder}: an OCI image layout; SHA-256 of");
    println!(
        "  {}  the module, for Envoy's `remote` and for http(s) addresses",
        built.module.hex()
    );
    for (tag, manifest) in &built.images {
        println!("  {}  the image {tag}, for oci:// addresses", manifest.hex());
    }
    for (tag, manifest) in &built.native {
        println!("  {}  the image {tag}, for volumes", manifest.hex());
    }
    Ok(())
}

/// Copies a log of Envoy's, with the names of functions in it.
fn backtrace(names: &BTreeMap<u32, String>) -> Result<()> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lines() {
        writeln!(output, "{}", names::named(&line?, names))?;
    }
    Ok(())
}
