//! What is linked into a module, asked of the one who knows: the compiler's run, which says what it made for
//! the module's target and of which package. What only makes code on the host is not among it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use cargo_metadata::{CargoOpt, Message, MetadataCommand};

/// A module, as cargo knows it.
#[derive(Debug)]
pub(crate) struct Module {
    package: &'static str,
    target: &'static str,
    profile: &'static str,
    tools: &'static [Tool],
}

/// What a tool adds to a module.
#[derive(Debug)]
struct Tool {
    name: &'static str,
    license: &'static str,
    notice: &'static str,
    is_of_compiler: bool,
}

const STD: Tool = Tool {
    name: "rust-std",
    license: "(MIT OR Apache-2.0) AND Unicode-3.0",
    notice: include_str!("../../runtime/std.txt"),
    is_of_compiler: true,
};

/// What the standard library has besides where there is a system below it.
const UNIX: Tool = Tool {
    name: "rust-std-unix",
    license: "MIT",
    notice: include_str!("../../runtime/unix.txt"),
    is_of_compiler: true,
};

const ZIG: Tool = Tool {
    name: "zig-runtime",
    license: "Apache-2.0 WITH LLVM-exception AND MIT \
              AND LGPL-2.1-or-later WITH GCC-exception-2.0-note",
    notice: include_str!("../../runtime/zig.txt"),
    is_of_compiler: false,
};

/// The module for proxies.
pub(crate) const WASM: Module = Module {
    package: "plugin-proxy-wasm-module",
    target: "wasm32-unknown-unknown",
    profile: "module",
    tools: &[STD],
};

/// The dynamic module. What is in it is the same for each architecture: this machine's is looked at.
pub(crate) const NATIVE: Module = Module {
    package: "plugin-dynamic-module",
    target: if cfg!(target_arch = "aarch64") {
        "aarch64-unknown-linux-gnu"
    } else {
        "x86_64-unknown-linux-gnu"
    },
    profile: "dynamic-module",
    tools: &[STD, UNIX, ZIG],
};

/// A package, or what comes with a tool.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(crate) name: String,
    /// None is known of what the linker adds.
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
    /// What comes with the compiler or the linker, with its notice.
    Tool(&'static str),
}

/// All of it, by name.
pub(crate) fn crates(module: &Module) -> Result<Vec<Linked>> {
    let mut crates = Vec::new();
    for manifest in manifests(module)? {
        crates.push(package(&manifest)?);
    }
    crates.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    for tool in module.tools {
        crates.push(Linked {
            name: tool.name.to_owned(),
            version: tool.is_of_compiler.then(compiler).transpose()?,
            license: tool.license.to_owned(),
            from: From::Tool(tool.notice),
        });
    }
    Ok(crates)
}

/// The manifests of all packages that are compiled for the module. They are only checked here: the
/// module that is built stays as it is.
fn manifests(module: &Module) -> Result<Vec<PathBuf>> {
    let mut cargo = Command::new(cargo());
    cargo.args(["check", "--quiet", "--message-format=json-render-diagnostics"]);
    cargo.args(["-p", module.package, "--target", module.target, "--profile", module.profile]);
    let output = cargo.current_dir(root()).stderr(Stdio::inherit()).output();
    let output = output.context("cargo does not run")?;
    ensure!(output.status.success(), "{cargo:?}: {}", output.status);
    let mut manifests = Vec::new();
    for message in Message::parse_stream(output.stdout.as_slice()) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        let for_module = |path: &cargo_metadata::camino::Utf8PathBuf| {
            path.components().any(|component| component.as_str() == module.target)
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
