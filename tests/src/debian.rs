//! Tools from Debian, for a machine that has them not: unpacked below `target/debian/`, which needs
//! no root and starts no service.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use artifacts::run;
use envoy_harness::repo_root;

/// A program, and how to run it.
#[derive(Debug)]
pub struct Tool {
    program: PathBuf,
    libraries: Option<PathBuf>,
}

impl Tool {
    /// The program of this name on PATH, or from this package.
    ///
    /// # Errors
    /// When it is neither there nor to be had.
    pub fn named(name: &str, package: &str) -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let there = std::env::split_paths(&path).map(|folder| folder.join(name));
        if let Some(program) = there.into_iter().find(|program| program.is_file()) {
            return Ok(Self { program, libraries: None });
        }
        let root = unpacked(package).with_context(|| {
            format!("{name} is neither on PATH nor can it be had from Debian: install it")
        })?;
        // A server is among what only an administrator runs.
        let folders = ["usr/bin", "usr/sbin"].map(|folder| root.join(folder).join(name));
        let program = folders.into_iter().find(|program| program.is_file());
        let program = program.with_context(|| format!("{package} has no {name}"))?;
        Ok(Self { program, libraries: Some(root.join("usr/lib")) })
    }

    /// Where it is.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A command that runs it, with nothing on its input.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(libraries) = &self.libraries {
            let folders = fs::read_dir(libraries).into_iter().flatten().flatten();
            let folders: Vec<_> = folders.map(|folder| folder.path()).collect();
            if let Ok(folders) = std::env::join_paths(folders) {
                command.env("LD_LIBRARY_PATH", folders);
            }
        }
        command.stdin(Stdio::null());
        command
    }
}

/// The package and what it needs beyond this system, in a folder that appears by a rename.
///
/// # Errors
/// When it is not to be had.
pub fn unpacked(package: &str) -> Result<PathBuf> {
    let home = repo_root().join("target/debian");
    let destination = home.join(package);
    fs::create_dir_all(&home)?;
    let lock = File::create(home.join(format!(".lock-{package}")))?;
    lock.lock()?;
    if destination.exists() {
        return Ok(destination);
    }
    eprintln!("unpacking {package} from Debian into {}", destination.display());
    let scratch = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(&home)?;
    let (archives, root) = (scratch.path().join("archives"), scratch.path().join("root"));
    fs::create_dir(&archives)?;
    run(Command::new("apt-get").arg("download").args(needed(package)?).current_dir(&archives))?;
    for archive in fs::read_dir(&archives)? {
        run(Command::new("dpkg-deb").arg("-x").arg(archive?.path()).arg(&root))?;
    }
    fs::rename(&root, &destination)?;
    Ok(destination)
}

/// The packages that would be installed.
fn needed(package: &str) -> Result<Vec<String>> {
    let simulate = || {
        run(Command::new("apt-get")
            .args(["install", "--simulate", "--no-install-recommends", package])
            .env("LC_ALL", "C"))
    };
    let said = simulate().or_else(|_| {
        // A fresh container has no lists.
        run(Command::new("apt-get").arg("update"))?;
        simulate()
    })?;
    let name = |line: &str| Some(line.strip_prefix("Inst ")?.split(' ').next()?.to_owned());
    let packages: Vec<_> = said.lines().filter_map(name).collect();
    // One that is installed, but whose program is not on PATH, is unpacked as well.
    Ok(if packages.is_empty() { vec![package.to_owned()] } else { packages })
}
