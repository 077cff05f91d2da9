//! The order of a module's functions, and which of them are the same.
//!
//! A call names its function by number, in as many bytes as the number needs: so those that are
//! called most come first. Functions that are the same, as generic ones often come out, are there once.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use anyhow::{Context, Result};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, Encode};
use wasmparser::{FunctionBody, Operator, Parser, Payload, TypeRef};

/// Where each function of a module goes.
#[derive(Debug)]
pub(crate) struct Order {
    /// The new number of each function, by its old one.
    numbers: Vec<u32>,
    /// What each that stays was before, in the new order and without those that are imported.
    kept: Vec<usize>,
}

/// What is to be put in order.
#[derive(Default)]
struct Functions<'a> {
    imported: u32,
    types: Vec<u32>,
    bodies: Vec<FunctionBody<'a>>,
}

impl Order {
    /// That of a module. The `apart` are what they are, whatever others do the same.
    ///
    /// # Errors
    /// When it is no module.
    pub(crate) fn of(module: &[u8], apart: &BTreeSet<u32>) -> Result<Self> {
        let functions = Functions::of(module)?;
        let same = functions.same(apart)?;
        let uses = functions.uses(&same)?;
        let all = functions.imported..functions.number(functions.bodies.len())?;
        let mut kept: Vec<u32> = all.filter(|function| same.of(*function) == *function).collect();
        kept.sort_by_key(|function| std::cmp::Reverse(uses.get(function).copied().unwrap_or(0)));
        let new = (0..functions.imported).chain(kept.iter().copied()).zip(0..).collect();
        let new: BTreeMap<u32, u32> = new;
        let numbers = same.0.iter().map(|function| new.get(function).copied().unwrap_or_default());
        let place = |function: &u32| (*function - functions.imported) as usize;
        Ok(Self { numbers: numbers.collect(), kept: kept.iter().map(place).collect() })
    }

    /// The new number of a function.
    pub(crate) fn number(&self, function: u32) -> u32 {
        self.numbers.get(function as usize).copied().unwrap_or(function)
    }

    /// What stands for each function, in the new order, of what does in the old one.
    pub(crate) fn sorted<T: Clone>(&self, old: &[T]) -> Vec<T> {
        self.kept.iter().filter_map(|place| old.get(*place).cloned()).collect()
    }
}

impl<'a> Functions<'a> {
    fn of(module: &'a [u8]) -> Result<Self> {
        let mut functions = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        functions.imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(types) => {
                    functions.types = types.into_iter().collect::<Result<_, _>>()?;
                }
                Payload::CodeSectionEntry(body) => functions.bodies.push(body),
                _ => {}
            }
        }
        Ok(functions)
    }

    fn number(&self, place: usize) -> Result<u32> {
        u32::try_from(place)?.checked_add(self.imported).context("too many functions")
    }

    /// The first of those that are the same, for each function. Who calls one or the other of them may
    /// be the same as well: until there is none more.
    fn same(&self, apart: &BTreeSet<u32>) -> Result<Same> {
        let mut same = Same((0..self.number(self.bodies.len())?).collect());
        loop {
            let (mut known, mut found) = (BTreeMap::new(), same.0.clone());
            for (place, (body, ty)) in self.bodies.iter().zip(&self.types).enumerate() {
                let function = self.number(place)?;
                if apart.contains(&function) {
                    continue;
                }
                let first = *known.entry((*ty, same.encoded(body)?)).or_insert(function);
                if let Some(entry) = found.get_mut(function as usize) {
                    *entry = first;
                }
            }
            if found == same.0 {
                return Ok(same);
            }
            same = Same(found);
        }
    }

    /// How often each function is called.
    fn uses(&self, same: &Same) -> Result<BTreeMap<u32, u32>> {
        let mut uses = BTreeMap::new();
        for (place, body) in self.bodies.iter().enumerate() {
            let function = self.number(place)?;
            if same.of(function) != function {
                continue;
            }
            for operator in body.get_operators_reader()? {
                if let Operator::Call { function_index } = operator? {
                    *uses.entry(same.of(function_index)).or_default() += 1;
                }
            }
        }
        Ok(uses)
    }
}

/// By number, the function that each is the same as.
struct Same(Vec<u32>);

impl Same {
    fn of(&self, function: u32) -> u32 {
        self.0.get(function as usize).copied().unwrap_or(function)
    }

    /// A body, in which each function stands for all that are the same.
    fn encoded(&self, body: &FunctionBody<'_>) -> Result<Vec<u8>> {
        let (mut code, mut bytes) = (CodeSection::new(), Vec::new());
        Calls(self).parse_function_body(&mut code, body.clone()).context("no code")?;
        code.encode(&mut bytes);
        Ok(bytes)
    }
}

struct Calls<'a>(&'a Same);

impl Reencode for Calls<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error<Infallible>> {
        Ok(self.0.of(function))
    }
}
