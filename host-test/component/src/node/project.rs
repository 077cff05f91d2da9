//! A folder of scripts and the packages that they need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use artifacts::run;

use super::home;
use super::program::Node;

/// Scripts with their packages beside them, ready to run.
#[derive(Debug)]
pub struct Project {
    node: Node,
    folder: PathBuf,
}

impl Project {
    /// Copies the files of a folder to `target/node/{name}/`, and installs what its lock file lists,
    /// unless that is there.
    ///
    /// # Errors
    /// When Node or a package cannot be had.
    pub fn open(name: &str, scripts: &Path) -> Result<Self> {
        Self::open_and(name, scripts, |_| Ok(()))
    }

    /// The same, and then whatever else has to be made ready. Several processes may do so at once:
    /// one of them works, and the others wait for it.
    ///
    /// # Errors
    /// When Node or a package cannot be had, or those of `make_ready`.
    pub fn open_and(
        name: &str,
        scripts: &Path,
        make_ready: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<Self> {
        let (home, _lock) = home()?;
        let node = Node::find_or_install(&home)?;
        let folder = home.join(name);
        fs::create_dir_all(&folder)?;
        for file in fs::read_dir(scripts).with_context(|| scripts.display().to_string())? {
            let file = file?.path();
            if let (true, Some(name)) = (file.is_file(), file.file_name()) {
                fs::copy(&file, folder.join(name))?;
            }
        }
        let project = Self { node, folder };
        project.install_packages()?;
        make_ready(&project)?;
        Ok(project)
    }

    /// Where the scripts and `node_modules` are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a script of the folder to its end, and returns what it printed.
    ///
    /// # Errors
    /// When it fails; the message then has what it said.
    pub fn run<I>(&self, script: &str, arguments: I) -> Result<String>
    where
        I: IntoIterator<Item: AsRef<std::ffi::OsStr>>,
    {
        run(self.node.command().current_dir(&self.folder).arg(script).args(arguments))
    }

    /// A command that runs a script of the folder, for a caller that talks with it.
    #[must_use]
    pub fn command(&self, script: &str) -> Command {
        let mut command = self.node.command();
        command.current_dir(&self.folder).arg(script);
        command
    }

    fn install_packages(&self) -> Result<()> {
        let wanted = fs::read(self.folder.join("package-lock.json"))?;
        // Written last, so that it says what is there.
        let there = self.folder.join("node_modules/.installed-package-lock.json");
        if fs::read(&there).is_ok_and(|there| there == wanted) {
            return Ok(());
        }
        let mut npm = self.node.npm();
        npm.current_dir(&self.folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        run(&mut npm)?;
        fs::write(there, wanted)?;
        Ok(())
    }
}
