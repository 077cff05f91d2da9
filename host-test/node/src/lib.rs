//! Node and packages from npm, for tests that need them: found on this machine, or installed below
//! `target/node/`.
//!
//! A [`Project`] is a folder of scripts with a `package.json` and a `package-lock.json` without
//! download addresses (`.npmrc` with `omit-lockfile-registry-resolved=true` writes such a one), so that
//! every machine asks its own registry.

mod node;
mod project;

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

pub use crate::project::Project;

/// Runs a command to its end, and returns what it printed.
fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (printed, said) = (text(output.stdout), text(output.stderr));
    if !output.status.success() {
        bail!("{command:?}: {}\n{printed}\n{said}", output.status);
    }
    Ok(printed)
}
