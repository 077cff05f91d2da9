//! What the module and Envoy have of each other, by the names in both files.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use envoy_harness::{NATIVE_ENVOYS, installed};

/// What all functions of Envoy's begin with that a module may call.
const CALLBACK: &str = "envoy_dynamic_module_callback_";

/// The names in a file's table that it takes from elsewhere, or has for others.
fn symbols(file: &Path, which: &str) -> Result<BTreeSet<String>> {
    let text = artifacts::run(Command::new("nm").args(["--dynamic", which]).arg(file))?;
    let name = |line: &str| line.split_whitespace().next_back().map(str::to_owned);
    Ok(text.lines().filter_map(name).collect())
}

#[test]
fn every_function_that_the_module_calls_is_there_in_every_supported_envoy() -> Result<()> {
    let imported = symbols(&artifacts::dynamic_module()?, "--undefined-only")?;
    let imported: BTreeSet<_> =
        imported.into_iter().filter(|name| name.starts_with(CALLBACK)).collect();
    assert!(imported.len() > 20, "{imported:?}");
    for version in NATIVE_ENVOYS {
        let exported = symbols(&installed(version)?, "--defined-only")?;
        let missing: Vec<_> = imported.difference(&exported).collect();
        assert!(missing.is_empty(), "Envoy {version} has no {missing:?}");
    }
    Ok(())
}

#[test]
fn the_module_has_nothing_for_others_but_its_hooks() -> Result<()> {
    let exported = symbols(&artifacts::dynamic_module()?, "--defined-only")?;
    let others: Vec<_> =
        exported.iter().filter(|name| !name.starts_with("envoy_dynamic_module_on_")).collect();
    assert!(others.is_empty(), "{others:?}");
    Ok(())
}
