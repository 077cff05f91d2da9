//! Prometheus and its promtool: `$PROMETHEUS`, else those on the `PATH`, else Debian's package.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use artifacts::run;
use tests::debian::Tool;

/// The server's program.
pub(crate) fn prometheus() -> PathBuf {
    programs().join("prometheus")
}

/// The program that checks rules.
pub(crate) fn promtool() -> PathBuf {
    programs().join("promtool")
}

/// The folder that has both.
fn programs() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| search().expect("a Prometheus"))
}

fn search() -> Result<PathBuf> {
    let program = match env::var_os("PROMETHEUS").filter(|path| !path.is_empty()) {
        Some(path) => std::path::absolute(path).context("PROMETHEUS is not a path")?,
        None => Tool::named("promtool", "prometheus")?.program().to_path_buf(),
    };
    let folder = program.parent().context("no folder")?;
    for program in ["prometheus", "promtool"] {
        let ran = run(Command::new(folder.join(program)).arg("--version").current_dir("/"));
        ensure!(ran.is_ok(), "no {program} in {}: set PROMETHEUS to its path", folder.display());
    }
    Ok(folder.to_path_buf())
}
