//! Counts what a module allocates, in a copy of it that counts.
//!
//! A module's allocator is its own affair, and no host sees it. But the functions are there by
//! their names: to the first instructions of each, two sums are added, which the host can read.
//! Only the copy runs these; what a callback costs in instructions is for the module itself to
//! show.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, GlobalSection, GlobalType, Instruction,
    Module, ValType,
};
use wasmparser::{
    ExportSectionReader, FunctionBody, GlobalSectionReader, KnownCustom, Name, Parser, Payload,
    TypeRef,
};
use wasmtime::{AsContextMut, Global, Val};

/// How many allocations there were, as the copy exports it.
pub(crate) const NUMBER: &str = "wasm-host allocations";
/// How many bytes they asked for.
pub(crate) const BYTES: &str = "wasm-host allocated bytes";

/// The functions that give memory out, of the C library and of Rust's allocators, and which of their
/// parameters are the size, as a product.
const ALLOCATORS: &[(&str, &[u32])] = &[
    ("aligned_alloc", &[1]),
    ("calloc", &[0, 1]),
    ("malloc", &[0]),
    ("memalign", &[1]),
    ("posix_memalign", &[2]),
    ("realloc", &[1]),
    ("__rustc::__rust_realloc", &[2]),
    ("<dlmalloc::dlmalloc::Dlmalloc<dlmalloc::sys::System>>::malloc", &[0]),
];

/// The two sums of an instance of such a copy.
#[derive(Clone, Copy)]
pub(crate) struct Sums(Global, Global);

impl From<(Global, Global)> for Sums {
    fn from((number, bytes): (Global, Global)) -> Self {
        Self(number, bytes)
    }
}

impl Sums {
    pub(crate) fn read(self, mut store: impl AsContextMut) -> [u64; 2] {
        [self.0, self.1].map(|sum| match sum.get(&mut store) {
            Val::I64(sum) => sum.cast_unsigned(),
            _ => 0,
        })
    }
}

/// A copy of a module that counts its allocations.
///
/// # Errors
///
/// If it is no module, or does not say which of its functions allocate.
pub(crate) fn counting(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut copy = Copy::of(module).map_err(|error| error.to_string())?;
    if copy.allocators.is_empty() {
        return Err("it names no function that allocates".to_owned());
    }
    let mut out = Module::new();
    copy.parse_core_module(&mut out, Parser::new(0), module).map_err(|error| error.to_string())?;
    match (copy.number, copy.exported) {
        (Some(_), true) => Ok(out.finish()),
        _ => Err("it has no globals, or no exports".to_owned()),
    }
}

/// A copy under way.
#[derive(Default)]
struct Copy {
    /// By the number of the function.
    allocators: BTreeMap<u32, &'static [u32]>,
    /// The number of the next function to be copied.
    function: u32,
    imported_globals: u32,
    /// The first of the two sums' globals.
    number: Option<u32>,
    exported: bool,
}

impl Copy {
    fn of(module: &[u8]) -> wasmparser::Result<Self> {
        let mut copy = Self::default();
        let mut named = BTreeSet::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        match import?.ty {
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => copy.function += 1,
                            TypeRef::Global(_) => copy.imported_globals += 1,
                            _ => {}
                        }
                    }
                }
                Payload::CustomSection(section) => {
                    let KnownCustom::Name(names) = section.as_known() else {
                        continue;
                    };
                    for names in names {
                        let Name::Function(functions) = names? else {
                            continue;
                        };
                        for function in functions {
                            let function = function?;
                            let known = |known: &&(&str, _)| known.0 == function.name;
                            if let Some((name, sizes)) = ALLOCATORS.iter().find(known)
                                && named.insert(*name)
                            {
                                copy.allocators.insert(function.index, *sizes);
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(copy)
    }
}

impl Reencode for Copy {
    type Error = Infallible;

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: GlobalSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_global_section(self, globals, section)?;
        self.number = Some(self.imported_globals + globals.len());
        for _ in [NUMBER, BYTES] {
            let sum = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
            globals.global(sum, &ConstExpr::i64_const(0));
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_export_section(self, exports, section)?;
        if let Some(number) = self.number {
            exports.export(NUMBER, ExportKind::Global, number);
            exports.export(BYTES, ExportKind::Global, number + 1);
            self.exported = true;
        }
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Infallible>> {
        let function = self.function;
        self.function += 1;
        let (Some(sizes), Some(number)) = (self.allocators.get(&function).copied(), self.number)
        else {
            return utils::parse_function_body(self, code, body);
        };
        let mut counting = self.new_function_with_parsed_locals(&body)?;
        let add_to = |sum, amount: &[Instruction<'static>]| {
            let mut instructions = vec![Instruction::GlobalGet(sum)];
            instructions.extend_from_slice(amount);
            instructions.extend([Instruction::I64Add, Instruction::GlobalSet(sum)]);
            instructions
        };
        let mut bytes = vec![Instruction::I64Const(1)];
        for size in sizes {
            bytes.extend([
                Instruction::LocalGet(*size),
                Instruction::I64ExtendI32U,
                Instruction::I64Mul,
            ]);
        }
        let sums = [add_to(number, &[Instruction::I64Const(1)]), add_to(number + 1, &bytes)];
        for instruction in sums.iter().flatten() {
            counting.instruction(instruction);
        }
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            counting.instruction(&self.parse_instruction(&mut reader)?);
        }
        code.function(&counting);
        Ok(())
    }
}
