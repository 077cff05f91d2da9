//! Node and packages from npm, for tests that need them: found on this machine, or installed below
//! `target/node/`.
//!
//! A [`Project`] is a folder of scripts with a `package.json` and a `package-lock.json` without
//! download addresses (`.npmrc` with `omit-lockfile-registry-resolved=true` writes such a one), so that
//! every machine asks its own registry.

mod program;
mod project;

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use self::program::Node;
pub use self::project::Project;

/// A shell that runs these lines up to the first that fails, and finds `node`, `npm` and `npx`.
///
/// # Errors
/// When Node cannot be had.
pub fn shell(lines: &str) -> Result<Command> {
    let (home, _lock) = home()?;
    let mut shell = Command::new("sh");
    shell.args(["-ec", lines]).stdin(Stdio::null());
    if let Some(programs) = Node::find_or_install(&home)?.programs(&home)? {
        let others = env::var_os("PATH").unwrap_or_default();
        shell
            .env("PATH", env::join_paths([programs].into_iter().chain(env::split_paths(&others)))?);
    }
    Ok(shell)
}

/// Where all is installed, and the lock of who is at it.
fn home() -> Result<(PathBuf, File)> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/node");
    fs::create_dir_all(&home)?;
    let home = home.canonicalize()?;
    let lock = File::create(home.join(".lock"))?;
    lock.lock().context("cannot lock target/node")?;
    Ok((home, lock))
}
