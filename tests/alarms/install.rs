//! Prometheus and its promtool: `$PROMETHEUS`, else those on the `PATH`, else Debian's package.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use envoy_harness::repo_root;

/// Where the package puts its programs.
const PROGRAMS: &str = "usr/bin";

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
    if let Some(path) = env::var_os("PROMETHEUS").filter(|path| !path.is_empty()) {
        let path = std::path::absolute(path)?;
        let folder = path.parent().context("PROMETHEUS is not a path")?;
        ensure!(has_both(folder), "PROMETHEUS: no prometheus and promtool in {}", folder.display());
        return Ok(folder.to_path_buf());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    match env::split_paths(&path).find(|folder| has_both(folder)) {
        Some(folder) => Ok(folder),
        None => install(),
    }
}

fn has_both(folder: &Path) -> bool {
    ["prometheus", "promtool"].iter().all(|program| {
        run(Command::new(folder.join(program)).arg("--version").current_dir("/")).is_ok()
    })
}

/// Unpacks Debian's package below `target/prometheus/`, unless it is there. It is not installed: no root
/// is needed, and no service started.
///
/// Several processes may do so at once: one of them works and the others wait for it. The folder
/// appears by a rename, so whatever is there is whole.
fn install() -> Result<PathBuf> {
    let home = repo_root().join("target/prometheus");
    let destination = home.join("debian");
    let programs = destination.join(PROGRAMS);
    if destination.exists() {
        return Ok(programs);
    }
    fs::create_dir_all(&home)?;
    let lock = File::create(home.join(".lock"))?;
    lock.lock().context("cannot lock target/prometheus")?;
    if destination.exists() {
        return Ok(programs);
    }
    eprintln!("unpacking Debian's prometheus into {}", destination.display());
    let scratch = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(&home)?;
    let unpacked = scratch.path().join("package");
    unpack(scratch.path(), &unpacked).context(
        "there is no Prometheus, and Debian's cannot be had: put one on the PATH, or set PROMETHEUS to its path",
    )?;
    ensure!(has_both(&unpacked.join(PROGRAMS)), "Debian's Prometheus does not run on this machine");
    fs::rename(&unpacked, &destination)?;
    Ok(programs)
}

fn unpack(scratch: &Path, into: &Path) -> Result<()> {
    let download =
        || run(Command::new("apt-get").args(["download", "prometheus"]).current_dir(scratch));
    if download().is_err() {
        run(Command::new("apt-get").arg("update"))?;
        download()?;
    }
    let files = fs::read_dir(scratch)?.collect::<Result<Vec<_>, _>>()?;
    let package =
        files.iter().map(fs::DirEntry::path).find(|file| file.extension() == Some("deb".as_ref()));
    run(Command::new("dpkg-deb").arg("-x").arg(package.context("no package")?).arg(into))
}

/// Runs a command that has to succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}
