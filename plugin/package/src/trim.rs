//! Takes out of a built module what only people need.
//!
//! The linker leaves room in each number that it may have to change, and writes down the name of
//! every function and who built it. To encode the module anew takes the room away. The names go into
//! a module of their own, which is the same otherwise: the number of a function is so in both.

use std::collections::BTreeSet;
use std::convert::Infallible;

use anyhow::{Context, Result};
use wasm_encoder::reencode::{Error, Reencode, RoundtripReencoder};
use wasm_encoder::{ExportSection, Module, NameMap, NameSection};
use wasmparser::{CustomSectionReader, Export, ExternalKind, Parser, Payload};

use crate::names;

/// What the bindings of a component leave for the tool that makes it.
const WORLD: &str = "component-type";

/// A module twice, with and without the names of its functions.
#[derive(Debug)]
pub struct Trimmed {
    /// What a host loads. Only exported functions have names: Envoy prints no backtrace of a module
    /// that names none.
    pub module: Vec<u8>,
    /// The same with all names, in Rust's spelling, for whoever reads a backtrace.
    pub named: Vec<u8>,
}

/// Splits a built module.
///
/// # Errors
/// When it is no module.
pub fn trim(module: &[u8]) -> Result<Trimmed> {
    let exported = exported(module).context("no module")?;
    Ok(Trimmed {
        module: encode(module, |function| exported.contains(&function))?,
        named: encode(module, |_| true)?,
    })
}

/// The numbers of the functions that a host calls.
fn exported(module: &[u8]) -> Result<BTreeSet<u32>> {
    let mut exported = BTreeSet::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(exports) = payload? {
            for export in exports {
                let export = export?;
                if export.kind == ExternalKind::Func {
                    exported.insert(export.index);
                }
            }
        }
    }
    Ok(exported)
}

/// The module anew, with the names of some functions.
fn encode(module: &[u8], is_named: impl Fn(u32) -> bool) -> Result<Vec<u8>> {
    let mut encoded = Module::new();
    Worlds.parse_core_module(&mut encoded, Parser::new(0), module).context("no module")?;
    let mut functions = NameMap::new();
    for (function, name) in names::of(module)?.iter().filter(|(function, _)| is_named(**function)) {
        functions.append(*function, name);
    }
    let mut section = NameSection::new();
    section.functions(&functions);
    encoded.section(&section);
    Ok(encoded.finish())
}

/// Without what means nothing to a host: the linker's own words of where memory is, and all sections but
/// the one that another tool needs.
struct Worlds;

impl Reencode for Worlds {
    type Error = Infallible;

    fn parse_export(
        &mut self,
        exports: &mut ExportSection,
        export: Export<'_>,
    ) -> Result<(), Error<Infallible>> {
        match export.kind {
            ExternalKind::Global => Ok(()),
            _ => RoundtripReencoder.parse_export(exports, export),
        }
    }

    fn parse_custom_section(
        &mut self,
        module: &mut Module,
        section: CustomSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        if section.name().starts_with(WORLD) {
            module.section(&RoundtripReencoder.custom_section(section)?);
        }
        Ok(())
    }
}
