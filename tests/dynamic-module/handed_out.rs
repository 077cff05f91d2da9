//! The module as it is handed out, which is linked for older machines than this one.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use artifacts::portable;

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
