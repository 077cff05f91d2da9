//! A Chromium: the one on the machine, or Debian's.

use std::env;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use artifacts::run;
use envoy_harness::repo_root;

/// `$CHROMIUM`, else `chromium` on the PATH, else Debian's package, installed by whoever may.
pub(super) fn locate() -> Result<PathBuf> {
    if let Some(path) = env::var_os("CHROMIUM").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let lock = File::create(repo_root().join("target/.chromium.lock"))?;
    lock.lock()?;
    if let Some(path) = on_path() {
        return Ok(path);
    }
    eprintln!("installing Debian's chromium");
    apt(&["update", "--quiet"])?;
    apt(&["install", "--yes", "--quiet", "--no-install-recommends", "chromium"])?;
    on_path().context("Debian's package `chromium` has brought no `chromium`")
}

fn on_path() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders: Vec<_> = env::split_paths(&env::var_os("PATH")?).collect();
    let paths = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    paths.into_iter().find(|path| path.is_file())
}

fn apt(arguments: &[&str]) -> Result<()> {
    run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
        .map(drop)
        .context("the page is tested in Chromium: install it, or set CHROMIUM")
}
