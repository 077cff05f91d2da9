//! The bill of materials and the licences, compared with what others know of the module.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use envoy_harness::repo_root;
use package::image::{LICENSES, SBOM};
use serde_json::Value;
use wasmparser::{KnownCustom, Name, Parser, Payload};

use crate::image::image;

/// What may be linked into a proxy of others.
const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "CC0-1.0",
    // Nothing is asked of whoever links it.
    "LGPL-2.1-or-later WITH GCC-exception-2.0-note",
    "MIT",
    "Unicode-3.0",
];

/// What comes with the compiler, and the crates of which it is made.
const COMPILER: &[(&str, &[&str])] = &[(
    "rust-std",
    &["__rustc", "alloc", "compiler_builtins", "core", "dlmalloc", "rustc_demangle", "std"],
)];

/// Name, version and licence of each component.
fn bill() -> Vec<(String, String, String)> {
    components(&serde_json::from_str(&image().file(SBOM)).unwrap())
}

/// The same of any bill.
pub(crate) fn components(bill: &Value) -> Vec<(String, String, String)> {
    let components = bill["components"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    components
        .map(|component| {
            let license = text(&component["licenses"][0]["expression"]);
            (text(&component["name"]), text(&component["version"]), license)
        })
        .collect()
}

fn of_compiler(name: &str) -> bool {
    COMPILER.iter().any(|(component, _)| *component == name)
}

/// What `cargo tree` shows: it resolves, and does not build.
pub(crate) fn tree(package: &str, target: &str) -> Result<BTreeSet<(String, String, String)>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["tree", "-p", package, "--target", target]);
    cargo.args(["-e", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}|{l}"]);
    let output = cargo.current_dir(repo_root()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut crates = BTreeSet::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let (package, license) = line.trim_end_matches(" (*)").split_once('|').context("no |")?;
        let mut words = package.split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        let version = words.next().unwrap_or_default().trim_start_matches('v').to_owned();
        crates.insert((name, version, license.replace('/', " OR ")));
    }
    Ok(crates)
}

#[test]
fn the_bill_lists_what_cargo_tree_shows_and_what_comes_with_the_compiler() -> Result<()> {
    let (compiler, crates): (Vec<_>, Vec<_>) =
        bill().into_iter().partition(|(name, ..)| of_compiler(name));
    assert_eq!(
        crates.into_iter().collect::<BTreeSet<_>>(),
        tree("plugin-proxy-wasm-module", artifacts::TARGET)?
    );
    assert_eq!(compiler.len(), COMPILER.len(), "{compiler:?}");
    Ok(())
}

/// The crates of which the module has code, by the names of its functions.
fn crates_with_code() -> Result<BTreeSet<String>> {
    // As cargo builds it: what is handed out has no names.
    let built = artifacts::build(&repo_root(), "plugin-proxy-wasm-module", artifacts::TARGET)?;
    let module = std::fs::read(built)?;
    let mut crates = BTreeSet::new();
    for payload in Parser::new(0).parse_all(&module) {
        let Payload::CustomSection(section) = payload? else { continue };
        let KnownCustom::Name(names) = section.as_known() else { continue };
        for names in names {
            let Name::Function(functions) = names? else { continue };
            for function in functions {
                crates.extend(roots(function?.name));
            }
        }
    }
    Ok(crates)
}

/// The crates that are named in a function's name, which is mangled in the old way or the new one.
fn roots(name: &str) -> Vec<String> {
    if let Some(path) = name.strip_prefix("_ZN") {
        // That of an implementation begins with no crate.
        return identifier(path).filter(|first| !first.starts_with('_')).into_iter().collect();
    }
    if !name.starts_with("_R") {
        return Vec::new();
    }
    // A root: `C`, what tells crates of one name apart, the name.
    let after = name.match_indices("Cs").filter_map(|(at, _)| name.get(at + 2..)?.split_once('_'));
    after.filter_map(|(_, rest)| identifier(rest)).collect()
}

/// A length and as many characters, with an underscore between if they begin with a digit or another.
fn identifier(text: &str) -> Option<String> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (length, rest) = text.split_at(digits);
    let rest = rest.strip_prefix('_').filter(|rest| rest.starts_with('_')).unwrap_or(rest);
    Some(rest.get(..length.parse().ok()?)?.to_owned())
}

#[test]
fn everything_with_code_in_the_module_is_on_the_bill() -> Result<()> {
    let mut listed: BTreeSet<String> =
        bill().into_iter().map(|(name, ..)| name.replace('-', "_")).collect();
    listed.extend(COMPILER.iter().flat_map(|(_, crates)| *crates).map(|name| (*name).to_owned()));
    // The library of the package `plugin-proxy-wasm-module`.
    listed.insert("edge_breaker".to_owned());
    let found = crates_with_code()?;
    assert!(found.contains("serde_json") && found.contains("filter"), "{found:?}");
    assert_eq!(found.difference(&listed).collect::<Vec<_>>(), [] as [&String; 0]);
    Ok(())
}

/// Whether an expression can be met by the licences that are allowed.
pub(crate) fn allowed(expression: &str) -> bool {
    expression.split(" AND ").all(|part| {
        let part = part.trim_matches(['(', ')']);
        part.split(" OR ").any(|license| ALLOWED.contains(&license.trim()))
    })
}

#[test]
fn every_license_is_one_that_is_allowed() {
    assert!(!allowed("GPL-3.0-only") && !allowed("MIT AND GPL-3.0-only") && !allowed(""));
    for (name, _, license) in bill() {
        assert!(allowed(&license), "{name}: {license}");
    }
}

#[test]
fn each_component_comes_with_the_text_of_its_license() {
    let licenses = image().file(LICENSES);
    let ruler = "=".repeat(80);
    let mut sections = licenses.split(&ruler);
    let list = sections.next().unwrap();
    let carriers: Vec<_> = sections
        .map(|section| {
            let (names, text) = section.trim().split_once("\n\n").unwrap();
            assert!(text.len() > 100, "{names}: {text}");
            names.split(", ").collect::<Vec<_>>()
        })
        .collect();
    for (name, version, license) in bill() {
        assert!(carriers.iter().any(|names| names.contains(&name.as_str())), "no text: {name}");
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(&name));
        let line = line.unwrap_or_default();
        assert!(line.contains(&version) && line.ends_with(&license), "{name}: {line}");
    }
    let holder = "The Rust Project Developers";
    assert!(licenses.contains(holder), "{holder} is not named");
}
