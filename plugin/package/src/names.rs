//! The names of a module's functions, and the backtraces that they are missing from.

use std::collections::BTreeMap;

use anyhow::Result;
use rustc_demangle::demangle;
use wasmparser::{KnownCustom, Name, Parser, Payload};

/// What Envoy says of a function that the module does not name.
const UNKNOWN: &str = "unknown(function index:";

/// The names of all functions that have one, by number, in Rust's spelling.
///
/// # Errors
/// When it is no module.
pub fn of(module: &[u8]) -> Result<BTreeMap<u32, String>> {
    let mut names = BTreeMap::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CustomSection(section) = payload? else { continue };
        let KnownCustom::Name(subsections) = section.as_known() else { continue };
        for subsection in subsections {
            let Name::Function(functions) = subsection? else { continue };
            for naming in functions {
                let naming = naming?;
                // Without the hash, which tells nobody anything.
                names.insert(naming.index, format!("{:#}", demangle(naming.name)));
            }
        }
    }
    Ok(names)
}

/// A line of Envoy's log, with the name of a function in the place of its number.
#[must_use]
pub fn named(line: &str, names: &BTreeMap<u32, String>) -> String {
    let name = line.split_once(UNKNOWN).and_then(|(before, rest)| {
        let (number, after) = rest.split_once(')')?;
        Some(format!("{before}{}{after}", names.get(&number.parse().ok()?)?))
    });
    name.unwrap_or_else(|| line.to_owned())
}
