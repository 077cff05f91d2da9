//! Node, and what it needs to run the component: found on this machine, or installed below
//! `target/`.

mod install;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The scripts, and the list of what they need.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node");

/// Node with the component made ready for it.
struct Ready {
    node: PathBuf,
    /// Scripts and `node_modules`.
    folder: PathBuf,
    /// What jco has made of the component.
    component: PathBuf,
}

static READY: LazyLock<Ready> = LazyLock::new(prepare);

/// Runs a script of `node/` on the component, and returns what it printed.
pub(crate) fn run_on_component(script: &str, arguments: &[&str]) -> String {
    let Ready { node, folder, component } = &*READY;
    run(Command::new(node).current_dir(folder).arg(script).arg(component).args(arguments))
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

/// Several processes may do so at once: one of them works, and the others wait for it.
fn prepare() -> Ready {
    let home = target().join("node");
    fs::create_dir_all(&home).unwrap();
    let home = home.canonicalize().unwrap();
    let lock = File::create(home.join(".lock")).unwrap();
    lock.lock().unwrap();

    let installed = install::node(&home);
    let folder = home.join("guard");
    fs::create_dir_all(&folder).unwrap();
    for file in fs::read_dir(SCRIPTS).unwrap() {
        let file = file.unwrap().path();
        if file.is_file() {
            fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
        }
    }
    install::packages(&installed, &folder);

    let component = target().join("wasm/edge_breaker_component.wasm");
    let component = component.canonicalize().unwrap_or_else(|error| {
        panic!("{}: {error}: `make wasm` builds it", component.display());
    });
    let made = folder.join("component");
    let jco = folder.join("node_modules/@bytecodealliance/jco/dist/jco.js");
    run(Command::new(&installed.node)
        .arg(jco)
        .args(["transpile", "--quiet", "--name", "guard", "--instantiation", "async", "--out-dir"])
        .args([&made, &component]));
    Ready { node: installed.node, folder, component: made }
}

/// Runs a command to its end, and returns what it printed.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| {
        panic!("cannot run {}: {error}", command.get_program().display());
    });
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (printed, said) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{printed}\n{said}", output.status);
    printed
}
