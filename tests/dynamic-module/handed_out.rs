//! The module as it is handed out, which is linked for older machines than this one.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use artifacts::portable;
use envoy_harness::{ENVOY_VERSION, EnvoyOptions, installed_for_aarch64};
use tests::Edge;
use tests::debian::{Tool, unpacked};
use tests::recipe::follow;

use crate::sample::follow_on_all;

/// The newest glibc that a file needs, and the libraries that it is linked with.
fn needs(file: &Path) -> Result<((u32, u32), BTreeSet<String>)> {
    let read = |what| artifacts::run(Command::new("readelf").args(["--wide", what]).arg(file));
    let versions = read("--version-info")?;
    let version = |text: &str| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let versions = versions.split("Name: GLIBC_").skip(1);
    let versions = versions.filter_map(|it| version(it.split_whitespace().next()?));
    let libraries = read("--dynamic")?;
    let libraries = libraries.lines().filter(|line| line.contains("(NEEDED)"));
    let libraries = libraries.filter_map(|line| Some(line.split(['[', ']']).nth(1)?.to_owned()));
    Ok((versions.max().unwrap_or_default(), libraries.collect()))
}

fn assert_runs_with_glibc_2_28(file: &Path) -> Result<()> {
    let (glibc, libraries) = needs(file)?;
    ensure!(glibc > (2, 0) && glibc <= (2, 28), "{}: glibc {glibc:?}", file.display());
    let of_glibc = ["libc.so", "libm.so", "libpthread.so", "libdl.so", "ld-linux"];
    for library in libraries {
        ensure!(of_glibc.iter().any(|it| library.starts_with(it)), "needs {library}");
    }
    Ok(())
}

#[tokio::test]
#[ignore = "make test-deep: takes Zig"]
async fn the_module_that_is_handed_out_runs_with_glibc_2_28_alone_and_follows_the_recipe()
-> Result<()> {
    let module = portable::build(std::env::consts::ARCH)?;
    assert_runs_with_glibc_2_28(&module)?;
    follow_on_all(&module).await
}

/// An Envoy for aarch64, as a program of this machine: an emulator runs it.
fn envoy_on_aarch64(folder: &Path) -> Result<PathBuf> {
    let mut emulator = Tool::named("qemu-aarch64", "qemu-user")?.command();
    // What it loads itself is not for what it runs.
    emulator.args(["-U", "LD_LIBRARY_PATH", "-L"]);
    emulator.arg(unpacked("libc6-arm64-cross")?.join("usr/aarch64-linux-gnu"));
    emulator.arg(installed_for_aarch64(ENVOY_VERSION)?);
    let mut script = "#!/bin/sh\n".to_owned();
    for (name, value) in emulator.get_envs() {
        let value = value.unwrap_or_default().display();
        script.push_str(&format!("export {}='{value}'\n", name.display()));
    }
    let words = [emulator.get_program()].into_iter().chain(emulator.get_args());
    let words: String = words.map(|word| format!("'{}' ", word.display())).collect();
    script.push_str(&format!("exec {words}\"$@\"\n"));
    let program = folder.join("envoy");
    fs::write(&program, script)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(program)
}

#[tokio::test]
#[ignore = "make test-deep: takes Zig, and an emulator from Debian"]
async fn the_module_for_aarch64_runs_with_glibc_2_28_alone_and_follows_the_recipe() -> Result<()> {
    let module = portable::build("aarch64")?;
    assert_runs_with_glibc_2_28(&module)?;
    let folder = tempfile::tempdir()?;
    let envoy = envoy_on_aarch64(folder.path())?;
    let options = |options: EnvoyOptions| options.binary(&envoy).concurrency(2);
    follow(Edge::native_recipe(&module, options).await?, 2).await
}
