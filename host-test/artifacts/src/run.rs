//! Other programs, run to their end.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What a command prints.
///
/// # Errors
/// When it does not end well; the message has what it said.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}\n{printed}{said}", output.status);
    Ok(printed)
}
