//! What the tests take of a machine, and the one line that says what it lacks.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use libtest_mimic::Trial;

use crate::binaries::Binaries;

/// Those that need no control plane, and so belong to `make test`.
pub(crate) fn trials() -> Vec<Trial> {
    let trials = crate::trials!["needs";
        without_go_one_line_says_so,
        with_an_older_go_one_line_says_which,
        without_root_one_line_says_so,
    ];
    trials.into_iter().map(|trial| trial.with_ignored_flag(false)).collect()
}

/// Fails where something is missing that nothing here can install.
pub(crate) fn check() -> Result<()> {
    Binaries::check()?;
    ensure!(
        is_root()?,
        "make test-control-planes needs root, for namespaces with networks of their own"
    );
    Ok(())
}

fn is_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

/// What this program says where there is this `go`, if any, and no binaries were built before.
fn said(go: Option<&str>, by_root: bool) -> Result<String> {
    let home = tempfile::tempdir()?;
    if let Some(version) = go {
        let program = home.path().join("go");
        fs::write(&program, format!("#!/bin/sh\necho {version}\n"))?;
        fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    }
    // In a namespace of users to which nobody belongs, root is none, and may read what it may read.
    let mut command = Command::new("env");
    if is_root()? && !by_root {
        command.args(["unshare", "--user", "env"]);
    }
    command
        .arg(format!("PATH={}", home.path().display()))
        .arg(format!("XDG_CACHE_HOME={}", home.path().join("cache").display()))
        .arg(std::env::current_exe()?)
        .arg("--ignored")
        .stdin(Stdio::null());
    let output = command.output()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1), "{}: {said}", output.status);
    ensure!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(said)
}

async fn without_go_one_line_says_so() -> Result<()> {
    let line = "make test-control-planes needs Go 1.26 or newer on PATH: there is none\n";
    assert_eq!(said(None, true)?, line);
    Ok(())
}

async fn with_an_older_go_one_line_says_which() -> Result<()> {
    let line = "make test-control-planes needs Go 1.26 or newer on PATH: go1.25.9\n";
    assert_eq!(said(Some("go1.25.9"), true)?, line);
    Ok(())
}

async fn without_root_one_line_says_so() -> Result<()> {
    let line = "make test-control-planes needs root, for namespaces with networks of their own\n";
    assert_eq!(said(Some("go1.26.0"), false)?, line);
    Ok(())
}
