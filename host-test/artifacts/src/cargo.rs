//! Cargo, as it is run to build a module.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Less is put in line of what is built for speed, which is the standard library alone.
const SMALL: &str = "llvm-args=-inlinedefault-threshold=25";

/// The stack, in bytes, below all else: whatever is above it has an address below a mebibyte, and so is
/// named in three bytes, not four.
const STACK: &str = "link-arg=-zstack-size=983040";

/// What the proxy offers is looked up when it is called for the first time: so what it lacks is found by
/// the module, which can say so.
pub(crate) const LAZILY: [&str; 4] = ["-C", "relro-level=partial", "-C", "link-arg=-Wl,-z,lazy"];

/// Cargo in a workspace, told to build for a target with the flags of the module and with none of
/// the caller's, who may be a test that cargo runs: what is built is the same, whoever asks.
#[must_use]
pub fn cargo(workspace: &Path, target: &str) -> Command {
    let mut cargo = plain(workspace);
    cargo
        .args(["--target", target])
        .env("CARGO_ENCODED_RUSTFLAGS", flags(&["-C", SMALL, "-C", STACK]))
        .env("CARGO_INCREMENTAL", "0");
    cargo
}

/// Builds a package's module with the profile `module`, unless it is built. Returns where cargo keeps it.
///
/// # Errors
/// When it cannot be built.
pub fn build(workspace: &Path, package: &str, target: &str) -> Result<PathBuf> {
    let mut cargo = cargo(workspace, target);
    cargo.args(["--profile", "module", "-p", package]);
    made(&mut cargo, |path| path.ends_with(".wasm"))
}

/// Builds a package as a shared object for this machine with the profile `dynamic-module`, likewise.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn shared_object(workspace: &Path, package: &str) -> Result<PathBuf> {
    let mut cargo = command("rustc", workspace);
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    cargo
        .args(["--lib", "--crate-type", "cdylib", "--profile", "dynamic-module"])
        .args(["-p", package, "--target", &target])
        .env("CARGO_ENCODED_RUSTFLAGS", flags(&LAZILY))
        .env("CARGO_INCREMENTAL", "0");
    made(&mut cargo, |path| path.ends_with(".so"))
}

/// Builds a program of this workspace, unless it is built.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let mut cargo = plain(&crate::root());
    // With all others, as the tests are built, or else what it is made of would be built once more.
    cargo.args(["--workspace", "--bin", name]);
    made(&mut cargo, |path| Path::new(path).file_stem().is_some_and(|stem| stem == name))
}

fn plain(workspace: &Path) -> Command {
    command("build", workspace)
}

pub(crate) fn command(command: &str, workspace: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg(command).current_dir(workspace).stdin(Stdio::null());
    cargo
}

/// No folder of this machine is named in what is built: the same bytes come of it everywhere.
pub(crate) fn flags(more: &[&str]) -> OsString {
    let home = std::env::home_dir().unwrap_or_default().join(".cargo");
    let packages = std::env::var_os("CARGO_HOME").map_or(home, PathBuf::from);
    let mut flags = OsString::from("--remap-path-prefix=");
    flags.push(packages);
    flags.push("=cargo");
    for flag in more {
        // What separates one flag from the next.
        flags.push("\u{1f}");
        flags.push(flag);
    }
    flags
}

/// Runs cargo, and finds the file among those that it says it has made or found up to date.
pub(crate) fn made(cargo: &mut Command, is_wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
    made_with(cargo, &[], is_wanted)
}

/// The same of `cargo rustc`, with flags for what is built last alone.
pub(crate) fn made_with(
    cargo: &mut Command,
    flags: &[&str],
    is_wanted: impl Fn(&str) -> bool,
) -> Result<PathBuf> {
    cargo.args(["--quiet", "--message-format", "json-render-diagnostics"]);
    if !flags.is_empty() {
        cargo.arg("--").args(flags);
    }
    let output = cargo.output().context("cargo does not start")?;
    if !output.status.success() {
        bail!("{cargo:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let messages = messages.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let files = messages.filter_map(|mut message| match message["filenames"].take() {
        Value::Array(files) => Some(files),
        _ => None,
    });
    let files = files.flatten().filter_map(|file| file.as_str().map(str::to_owned));
    let found = files.filter(|file| is_wanted(file)).last();
    found.map(PathBuf::from).with_context(|| format!("{cargo:?} makes no such file"))
}
