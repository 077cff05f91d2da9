//! The component made ready for Node by jco.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::Result;
use host_test_component::node::Project;

/// The scripts, and the list of what they need.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node");

static READY: LazyLock<Project> =
    LazyLock::new(|| Project::open_and("guard", Path::new(SCRIPTS), transpile).unwrap());

/// What jco has made of the component.
fn transpiled(project: &Project) -> PathBuf {
    project.folder().join("component")
}

/// Runs a script of `node/` on the component, and returns what it printed.
pub(crate) fn run_on_component(script: &str, arguments: &[&str]) -> String {
    let component = transpiled(&READY);
    let arguments = arguments.iter().map(AsRef::as_ref);
    READY.run(script, [component.as_os_str()].into_iter().chain(arguments)).unwrap()
}

fn transpile(project: &Project) -> Result<()> {
    let component = artifacts::component()?;
    let made = transpiled(project);
    let options =
        ["transpile", "--quiet", "--name", "guard", "--instantiation", "async", "--out-dir"];
    let options = options.iter().map(AsRef::as_ref);
    project.run(
        "node_modules/@bytecodealliance/jco/dist/jco.js",
        options.chain([made.as_os_str(), component.as_os_str()]),
    )?;
    Ok(())
}
