//! The dynamic module as it is handed out: for an older C library than this machine's, and without
//! what a distroless image has not.
//!
//! It is linked by Zig, which has the symbols of every version of glibc, and its own unwinder. Both
//! come from PyPI, into an environment of their own.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo::{LAZILY, flags, made};
use crate::{DYNAMIC_MODULE, root, run};

/// The oldest glibc that it runs with: that of Debian 10 and RHEL 8.
const GLIBC: &str = "2.28";

/// What it can be built for, by the names that images are distinguished by.
pub const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// Builds it for an architecture, and puts it below `target/native/`. That for this machine also lies there
/// by itself.
///
/// # Errors
/// When it cannot be built, or Zig cannot be had.
pub fn build(architecture: &str) -> Result<PathBuf> {
    let target = format!("{architecture}-unknown-linux-gnu");
    // A machine that is offline has it already, or cannot get it.
    let _ = run(Command::new("rustup").args(["target", "add", &target]));
    let tools = tools()?;
    let mut cargo = Command::new(tools.join("cargo-zigbuild"));
    cargo
        .current_dir(root())
        .args(["rustc", "--lib", "--crate-type", "cdylib", "--profile", "dynamic-module"])
        .args(["-p", "plugin-dynamic-module", "--target", &format!("{target}.{GLIBC}")])
        .env("PATH", path(&tools)?)
        .env("CARGO_ZIGBUILD_CACHE_DIR", tools.join("cache"))
        .env("CARGO_ENCODED_RUSTFLAGS", flags(&LAZILY))
        .env("CARGO_INCREMENTAL", "0");
    let built = made(&mut cargo, |path| path.ends_with(".so"))?;
    let module = root().join(DYNAMIC_MODULE);
    let file = module.file_name().context("no name")?;
    let place = module.with_file_name(architecture).join(file);
    put(&built, &place)?;
    if architecture == env::consts::ARCH {
        put(&built, &module)?;
    }
    Ok(place)
}

/// By a rename, so that whoever reads it has all of the one or of the other.
fn put(built: &Path, place: &Path) -> Result<()> {
    fs::create_dir_all(place.parent().context("no folder")?)?;
    let packing = place.with_extension("packing");
    fs::copy(built, &packing).with_context(|| built.display().to_string())?;
    fs::rename(&packing, place)?;
    Ok(())
}

/// The folder with Zig and cargo-zigbuild, which are installed if they are not there yet.
fn tools() -> Result<PathBuf> {
    let home = root().join("target/zig");
    let tools = home.join("bin");
    fs::create_dir_all(&home)?;
    let lock = File::create(home.join(".lock"))?;
    lock.lock().context("cannot lock target/zig")?;
    if !tools.join("cargo-zigbuild").exists() {
        eprintln!("installing cargo-zigbuild and ziglang from PyPI into {}", home.display());
        run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        run(Command::new(tools.join("pip"))
            .args(["install", "--quiet", "--no-input", "--disable-pip-version-check"])
            .args(["cargo-zigbuild==0.24.*", "ziglang==0.17.*"]))?;
    }
    Ok(tools)
}

/// The search path, with the tools before all else.
fn path(tools: &Path) -> Result<std::ffi::OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [tools.to_owned()].into_iter().chain(env::split_paths(&path));
    Ok(env::join_paths(folders)?)
}
