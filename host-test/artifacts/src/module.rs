//! A module: built by cargo, then packed, then put where people look for it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, ensure};

use crate::{cargo, root};

/// A module of this repository.
pub(crate) struct Module {
    package: &'static str,
    /// `None`: that of this machine.
    target: Option<&'static str>,
    /// Where it is put, seen from the root of the repository.
    path: &'static str,
    /// The command of `plugin/package` that makes it of what is built, if that is not it already. It
    /// also writes the same module with the names of its functions, beside it.
    packed_by: Option<&'static str>,
    /// What came of it in this process.
    put: OnceLock<Result<PathBuf, String>>,
}

impl Module {
    pub(crate) const fn new(
        package: &'static str,
        target: &'static str,
        path: &'static str,
    ) -> Self {
        Self { package, target: Some(target), path, packed_by: None, put: OnceLock::new() }
    }

    /// One that is no WebAssembly.
    pub(crate) const fn native(package: &'static str, path: &'static str) -> Self {
        Self { package, target: None, path, packed_by: None, put: OnceLock::new() }
    }

    pub(crate) const fn packed_by(mut self, command: &'static str) -> Self {
        self.packed_by = Some(command);
        self
    }

    /// Where it is, once it is there and not older than what it is made of. Whoever else asks meanwhile
    /// waits, in other processes as well.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        let put = self.put.get_or_init(|| self.put().map_err(|error| format!("{error:#}")));
        put.clone().map_err(|error| anyhow!("{}: {error}", self.path))
    }

    fn put(&self) -> Result<PathBuf> {
        let path = root().join(self.path);
        fs::create_dir_all(path.parent().context("no folder")?)?;
        let lock = File::create(path.with_extension("lock"))?;
        lock.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        let built = match self.target {
            Some(target) => cargo::build(&root(), self.package, target)?,
            None => cargo::shared_object(&root(), self.package)?,
        };
        let program = self.packed_by.map(|_| packer()).transpose()?;
        let made_of = newest([Some(&built), program.as_ref()])?;
        // It carries the time of what it is made of: an older one is another one, too.
        if modified(&path).ok() != Some(made_of) {
            // By a rename, so that whoever reads it has all of the one or of the other.
            let packing = path.with_extension("packing");
            match (program, self.packed_by) {
                (Some(program), Some(command)) => pack(&program, command, &built, &packing, &path)?,
                _ => drop(fs::copy(&built, &packing)?),
            }
            File::options().append(true).open(&packing)?.set_modified(made_of)?;
            fs::rename(&packing, &path)?;
        }
        Ok(path)
    }
}

/// The program that packs modules. Whoever has just built it says in `$PACKAGER` where it is, since to ask
/// cargo would be to wait until it has built whatever else it is building.
fn packer() -> Result<PathBuf> {
    std::env::var_os("PACKAGER").map_or_else(|| cargo::program("package"), |it| Ok(it.into()))
}

/// Makes the module, and beside the place where it will be put the same one with names.
fn pack(program: &Path, command: &str, built: &Path, module: &Path, place: &Path) -> Result<()> {
    let named = crate::named(place);
    let status =
        Command::new(program).arg(command).args([built, module, named.as_path()]).status()?;
    ensure!(status.success(), "{} {command}: {status}", program.display());
    Ok(())
}

/// When the newest of these files was written.
fn newest(files: [Option<&PathBuf>; 2]) -> Result<SystemTime> {
    let times: Vec<_> =
        files.into_iter().flatten().map(|it| modified(it)).collect::<Result<_>>()?;
    times.into_iter().max().context("made of nothing")
}

fn modified(path: &Path) -> Result<SystemTime> {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.with_context(|| path.display().to_string())
}
