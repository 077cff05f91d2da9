//! The command line tool as it is handed out: one file that needs no other, not even a C library, with its
//! manual and what shells complete by.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cargo::{command, made_with};
use crate::{root, run};

/// Where all of it is put, seen from the root of the repository.
const PLACE: &str = "target/tool";

/// What shells look for.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "breakerctl.bash"), ("zsh", "_breakerctl"), ("fish", "breakerctl.fish")];

/// Builds it for this machine's architecture, and has it write its manual. Returns where the tool is.
///
/// # Errors
/// When it cannot be built.
pub fn build() -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-musl", env::consts::ARCH);
    // A machine that is offline has it already, or cannot get it.
    let _ = run(Command::new("rustup").args(["target", "add", &target]));
    let mut cargo = command("rustc", &root());
    cargo.args(["--release", "-p", "breakerctl", "--bin", "breakerctl", "--target", &target]);
    // The engine has a few lines of C, which call no C library: any compiler will do.
    let compiler = format!("CC_{}", target.replace('-', "_"));
    if env::var_os(&compiler).is_none() {
        cargo.env(compiler, "cc");
    }
    let built =
        made_with(&mut cargo, &["-C", "strip=symbols"], |path| path.ends_with("/breakerctl"))?;
    let place = root().join(PLACE);
    let (tool, completions) = (place.join("breakerctl"), place.join("completions"));
    fs::create_dir_all(&completions)?;
    // By a rename, so that one that runs goes on.
    let packing = tool.with_extension("packing");
    fs::copy(&built, &packing).with_context(|| built.display().to_string())?;
    fs::rename(&packing, &tool)?;
    run(Command::new(&tool).args(["man", "--to"]).arg(place.join("man")))?;
    for (shell, file) in COMPLETIONS {
        let script = run(Command::new(&tool).args(["completions", shell]))?;
        fs::write(completions.join(file), script)?;
    }
    Ok(tool)
}
