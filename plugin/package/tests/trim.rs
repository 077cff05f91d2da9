//! What becomes of a module's functions when it is trimmed.

#![allow(clippy::expect_used, reason = "a test that panics has failed, as it should")]

use std::collections::BTreeMap;

use package::trim::trim;
use wasmparser::{ExternalKind, FunctionBody, Operator, Parser, Payload, Validator};

/// Each function begins with a number that tells which one it was.
const MODULE: &str = r#"(module
    (import "env" "given" (func $given))
    (table 2 funcref)
    (elem (i32.const 0) $twin $seldom)
    (func $seldom (drop (i32.const 1)) (call $twin) (call $often))
    (func $one (drop (i32.const 2)) (call $often))
    (func $twin (drop (i32.const 2)) (call $often))
    (func $of_one (drop (i32.const 3)) (call $one))
    (func $of_twin (drop (i32.const 3)) (call $twin))
    (func $often (drop (i32.const 4)) (call $given))
    (func $first (export "first") (param i32) (drop (i32.const 5)) (call $of_one) (call $often))
    (func $second (export "second") (param i32) (drop (i32.const 5)) (call $of_one) (call $often))
    (func $last (export "last") (param i64) (drop (i32.const 6)) (call $of_twin)))"#;

#[derive(Default)]
struct Trimmed {
    imported: u32,
    /// The numbers that the functions begin with.
    functions: Vec<i32>,
    exports: BTreeMap<String, u32>,
}

fn number(body: &FunctionBody<'_>) -> i32 {
    let operators = body.get_operators_reader().expect("code");
    let number = operators.into_iter().find_map(|operator| match operator.expect("code") {
        Operator::I32Const { value } => Some(value),
        _ => None,
    });
    number.expect("a number")
}

fn trimmed() -> Trimmed {
    let module = trim(&wat::parse_str(MODULE).expect("a module")).expect("a module").module;
    Validator::new().validate_all(&module).expect("a valid module");
    let mut trimmed = Trimmed { imported: 1, ..Trimmed::default() };
    for payload in Parser::new(0).parse_all(&module) {
        match payload.expect("a module") {
            Payload::CodeSectionEntry(body) => trimmed.functions.push(number(&body)),
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export.expect("an export");
                    assert_eq!(export.kind, ExternalKind::Func);
                    trimmed.exports.insert(export.name.to_owned(), export.index);
                }
            }
            _ => {}
        }
    }
    trimmed
}

#[test]
fn a_function_that_is_the_same_as_another_is_there_once_and_so_is_who_calls_one_or_the_other() {
    let mut functions = trimmed().functions;
    functions.sort_unstable();
    assert_eq!(functions, [1, 2, 3, 4, 5, 5, 6]);
}

#[test]
fn the_functions_that_are_called_most_have_the_lowest_numbers() {
    assert_eq!(trimmed().functions, [4, 3, 2, 1, 5, 5, 6]);
}

#[test]
fn an_exported_function_stays_what_it_was_even_if_another_does_the_same() {
    let Trimmed { imported, functions, exports } = trimmed();
    let was = |name: &str| functions[(exports[name] - imported) as usize];
    assert_eq!(["first", "second", "last"].map(was), [5, 5, 6]);
    assert_ne!(exports["first"], exports["second"]);
}
