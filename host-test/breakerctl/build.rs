//! Puts the module inside what is released, so that the tool needs no file beside it. What is built for
//! debugging, as for the tests, takes the module from where `make wasm` puts it: nothing waits for it then.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Seen from this package.
const ROOT: &str = "../..";
const MODULE: &str = "target/wasm/edge_breaker.wasm";

/// What the module is made of, and what makes it.
const MADE_OF: [&str; 5] =
    ["plugin", "host-test/artifacts/src", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(module_inside)");
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("PROFILE").is_none_or(|profile| profile != "release") {
        return;
    }
    let root = Path::new(ROOT);
    for made_of in MADE_OF {
        println!("cargo::rerun-if-changed={}", root.join(made_of).display());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where"));
    build(root);
    fs::copy(root.join(MODULE), out.join("edge_breaker.wasm")).expect("the module is there");
    println!("cargo::rustc-cfg=module_inside");
}

/// Has the module built by who builds it for all others. It is built in other folders than what is
/// released, so that neither waits for the other.
fn build(root: &Path) {
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo says where it is"));
    cargo.args(["run", "--quiet", "-p", "artifacts", "--", MODULE]).current_dir(root);
    // What is meant for the tool is not meant for what builds the module.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text == "RUSTFLAGS"
            || text == "CARGO_ENCODED_RUSTFLAGS"
            || text.starts_with("CARGO_PROFILE_")
            || text == "CARGO_BUILD_TARGET"
        {
            cargo.env_remove(&name);
        }
    }
    let status = cargo.status().expect("cargo starts");
    assert!(status.success(), "the module was not built: {status}");
}
