//! What is linked into the module, asked of the one who knows: the compiler's run, which says what it made for
//! the module's target and of which package. What only makes code on the host is not among it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use cargo_metadata::{CargoOpt, Message, MetadataCommand};

const TARGET: &str = "wasm32-unknown-unknown";
const PACKAGE: &str = "plugin-proxy-wasm-module";

/// A package, or what comes with the compiler.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(crate) name: String,
    /// None is known of the C library.
    pub(crate) version: Option<String>,
    /// As an SPDX expression.
    pub(crate) license: String,
    pub(crate) from: From,
}

#[derive(Debug)]
pub(crate) enum From {
    /// This project.
    Here,
    /// A package's folder.
    Package(PathBuf),
    /// What comes with the compiler, with its notice.
    Compiler(&'static str),
}

/// All of it, by name.
pub(crate) fn crates() -> Result<Vec<Linked>> {
    let mut crates = Vec::new();
    for manifest in manifests()? {
        crates.push(package(&manifest)?);
    }
    crates.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    crates.push(Linked {
        name: "rust-std".to_owned(),
        version: Some(compiler()?),
        license: "(MIT OR Apache-2.0) AND Unicode-3.0".to_owned(),
        from: From::Compiler(include_str!("../../runtime/std.txt")),
    });
    Ok(crates)
}

/// The manifests of all packages that are compiled for the module. They are only checked here: the
/// module that is built stays as it is.
fn manifests() -> Result<Vec<PathBuf>> {
    let mut cargo = Command::new(cargo());
    cargo.args(["check", "--quiet", "--message-format=json-render-diagnostics"]);
    cargo.args(["-p", PACKAGE, "--target", TARGET, "--profile", "module"]).current_dir(root());
    let output = cargo.stderr(Stdio::inherit()).output().context("cargo does not run")?;
    ensure!(output.status.success(), "{cargo:?}: {}", output.status);
    let mut manifests = Vec::new();
    for message in Message::parse_stream(output.stdout.as_slice()) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        let for_module = |path: &cargo_metadata::camino::Utf8PathBuf| {
            path.components().any(|component| component.as_str() == TARGET)
        };
        if artifact.filenames.iter().any(for_module) {
            manifests.push(artifact.manifest_path.into_std_path_buf());
        }
    }
    Ok(manifests)
}

/// What a package says of itself.
fn package(manifest: &Path) -> Result<Linked> {
    let metadata = MetadataCommand::new()
        .cargo_path(cargo())
        .manifest_path(manifest)
        .features(CargoOpt::NoDefaultFeatures)
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .with_context(|| manifest.display().to_string())?;
    let package = metadata
        .packages
        .iter()
        .find(|package| package.manifest_path.as_std_path() == manifest)
        .with_context(|| format!("{}: no package", manifest.display()))?;
    let license = package.license.as_deref();
    let license = license.with_context(|| format!("{}: no license", package.name))?;
    let folder = manifest.parent().unwrap_or(manifest);
    Ok(Linked {
        name: package.name.to_string(),
        version: Some(package.version.to_string()),
        // As some wrote it before there was SPDX.
        license: license.replace('/', " OR "),
        from: if folder.starts_with(root()) { From::Here } else { From::Package(folder.into()) },
    })
}

fn compiler() -> Result<String> {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("--version")
        .current_dir(root())
        .output()
        .context("rustc does not run")?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().nth(1).context("rustc says no version")?.to_owned())
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
