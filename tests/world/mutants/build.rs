//! The plugin's own code with a bug in it, built as a module.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::Mutant;

/// The packages that the module is made of.
const PACKAGES: [&str; 7] = [
    "plugin/breaker",
    "plugin/config",
    "plugin/shared",
    "plugin/fleet",
    "plugin/filter",
    "plugin/proxy-wasm",
    "plugin/proxy-wasm/module",
];
/// Built quickly rather than well, and a panic traps as it does in what is shipped.
const PROFILE: &str = "\n[profile.mutant]\ninherits = \"dev\"\nopt-level = 1\ndebug = false\n\
                       panic = \"abort\"\nincremental = true\n";

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A copy of the plugin, of which one mutant at a time is built.
pub(crate) struct Workshop {
    root: PathBuf,
    copy: PathBuf,
}

impl Workshop {
    /// Copies the plugin. What is the same as the last time is left alone, and not built again.
    pub(crate) fn open() -> Result<Self> {
        let root = root().canonicalize()?;
        let workshop = Self { copy: root.join("target/mutants/plugin"), root };
        let manifest = fs::read_to_string(workshop.root.join("Cargo.toml"))?;
        let members = PACKAGES.map(|package| format!("\"{package}\"")).join(", ");
        let (before, rest) = manifest.split_once("members = [").context("no members")?;
        let (_, after) = rest.split_once(']').context("no end of the members")?;
        let manifest = format!("{before}members = [{members}]{after}{PROFILE}");
        write(&workshop.copy.join("Cargo.toml"), manifest.as_bytes())?;
        fs::copy(workshop.root.join("Cargo.lock"), workshop.copy.join("Cargo.lock"))?;
        for package in PACKAGES {
            workshop.copy_tree(Path::new(package))?;
        }
        Ok(workshop)
    }

    /// Builds a mutant, and gives its bytes. The copy is as it was afterwards.
    pub(crate) fn build(&self, mutant: &Mutant) -> Result<Vec<u8>> {
        for (file, healthy, bug) in mutant.patches {
            self.patch(file, healthy, bug).with_context(|| format!("the mutant {mutant:?}"))?;
        }
        let built = self.cargo();
        for (file, ..) in mutant.patches {
            write(&self.copy.join(file), &fs::read(self.root.join(file))?)?;
        }
        built.with_context(|| format!("the mutant {mutant:?}"))
    }

    fn patch(&self, file: &str, healthy: &str, bug: &str) -> Result<()> {
        let path = self.copy.join(file);
        let code = fs::read_to_string(&path)?;
        let found = code.matches(healthy).count();
        ensure!(
            found == 1,
            "does not apply any more: {file} has {found} times, where it should have once: {healthy}"
        );
        write(&path, code.replace(healthy, bug).as_bytes())
    }

    fn cargo(&self) -> Result<Vec<u8>> {
        let target = self.copy.with_file_name("build");
        let output = artifacts::cargo(&self.copy, artifacts::TARGET)
            .args(["--offline", "--quiet", "-p", "plugin-proxy-wasm-module"])
            .args(["--profile", "mutant", "--target-dir"])
            .arg(&target)
            .env("CARGO_INCREMENTAL", "1")
            .output()
            .context("cargo")?;
        if !output.status.success() {
            bail!("it cannot be built:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(fs::read(target.join(artifacts::TARGET).join("mutant/edge_breaker.wasm"))?)
    }

    /// Copies the manifest and the source of a package.
    fn copy_tree(&self, path: &Path) -> Result<()> {
        for entry in fs::read_dir(self.root.join(path))? {
            let name = entry?.file_name();
            let path = path.join(&name);
            let from = self.root.join(&path);
            if from.is_dir() {
                self.copy_tree(&path)?;
            } else {
                write(&self.copy.join(&path), &fs::read(from)?)?;
            }
        }
        Ok(())
    }
}

/// Writes a file, unless it is just so already: then its time stays, and nothing is built anew.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes).with_context(|| path.display().to_string())
}
