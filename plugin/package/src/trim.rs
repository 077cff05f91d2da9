//! Takes out of a built module what only people need.
//!
//! The linker leaves room in each number that it may have to change, and writes down the name of
//! every function and who built it. To encode the module anew takes the room away, and puts the
//! functions in [order](crate::order). The names go into a module of their own, which is the same
//! otherwise: the number of a function is so in both.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use anyhow::{Context, Result};
use wasm_encoder::reencode::{Error, Reencode, RoundtripReencoder, utils};
use wasm_encoder::{CodeSection, ExportSection, FunctionSection, Module, NameMap, NameSection};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, Export, ExternalKind, FunctionSectionReader, Parser,
    Payload,
};

use crate::names;
use crate::order::Order;

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
    let order = Order::of(module, &exported).context("no module")?;
    Ok(Trimmed {
        module: encode(module, &order, |function| exported.contains(&function))?,
        named: encode(module, &order, |_| true)?,
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

/// The module anew, with the names of some functions. Of those that are one now, the first names it.
fn encode(module: &[u8], order: &Order, is_named: impl Fn(u32) -> bool) -> Result<Vec<u8>> {
    let mut encoded = Module::new();
    Worlds(order).parse_core_module(&mut encoded, Parser::new(0), module).context("no module")?;
    let mut named = BTreeMap::new();
    for (function, name) in names::of(module)?.into_iter().filter(|(it, _)| is_named(*it)) {
        named.entry(order.number(function)).or_insert(name);
    }
    let mut functions = NameMap::new();
    named.iter().for_each(|(function, name)| functions.append(*function, name));
    let mut section = NameSection::new();
    section.functions(&functions);
    encoded.section(&section);
    Ok(encoded.finish())
}

/// Without what means nothing to a host: the linker's own words of where memory is, and all sections but
/// the one that another tool needs. Functions are in their new order.
struct Worlds<'a>(&'a Order);

impl Reencode for Worlds<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Infallible>> {
        Ok(self.0.number(function))
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        let types: Vec<u32> = section.into_iter().collect::<Result<_, _>>()?;
        for ty in self.0.sorted(&types) {
            functions.function(self.type_index(ty)?);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        let bodies: Vec<_> = section.into_iter().collect::<Result<_, _>>()?;
        let mut bodies = self.0.sorted(&bodies).into_iter();
        bodies.try_for_each(|body| self.parse_function_body(code, body))
    }

    fn parse_export(
        &mut self,
        exports: &mut ExportSection,
        export: Export<'_>,
    ) -> Result<(), Error<Infallible>> {
        match export.kind {
            ExternalKind::Global => Ok(()),
            _ => utils::parse_export(self, exports, export),
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
