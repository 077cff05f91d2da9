//! The built module as a contract: what it asks of a host, what it offers, how big it is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use tests::rights::rights;
use wasmparser::{
    ElementItems, ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef, Validator,
};

/// What any proxy finds, whatever it withholds.
const GIVEN: &[&str] =
    &["_initialize", "memory", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate"];

/// Each worker keeps a copy, and each update sends one.
const LARGEST: usize = 507_000;

/// The number of sections that mean nothing to a host.
const CUSTOM: u8 = 0;

fn module() -> Vec<u8> {
    built(&artifacts::proxy_wasm().expect("the module"))
}

fn built(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("its bytes")
}

#[test]
fn the_module_is_valid() {
    Validator::new().validate_all(&module()).expect("a valid module");
}

/// Each function that is imported is one that a host must have, and each callback that is exported is
/// called, whether it does anything or not.
#[test]
fn the_module_asks_for_what_the_page_on_security_lists_and_no_more() {
    let mut found: Vec<String> = Vec::new();
    for payload in Parser::new(0).parse_all(&module()) {
        match payload.expect("a valid module") {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.expect("a valid import");
                    let known = ["env", "wasi_snapshot_preview1"].contains(&import.module);
                    assert!(known, "{}.{}", import.module, import.name);
                    found.push(import.name.to_owned());
                }
            }
            Payload::ExportSection(exports) => {
                let name = |export: wasmparser::Export<'_>| export.name.to_owned();
                found.extend(exports.into_iter().map(|it| name(it.expect("a valid export"))));
            }
            _ => {}
        }
    }
    let listed = rights().expect("a table of capabilities");
    let always = GIVEN.iter().map(|name| (*name).to_owned());
    let mut expected: Vec<String> = listed.into_iter().map(|it| it.name).chain(always).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// Or it would be another one on each machine.
#[test]
fn no_folder_of_the_machine_that_built_it_is_in_the_module() {
    let module = module();
    let text = String::from_utf8_lossy(&module);
    for folder in ["/.cargo/", "/home/", "/root/", env!("CARGO_MANIFEST_DIR")] {
        assert!(!text.contains(folder), "{folder}");
    }
}

/// Editors have it, and the page: a proxy reads the configuration without.
#[test]
fn the_module_carries_no_schema() {
    let module = module();
    let text = String::from_utf8_lossy(&module);
    for part in ["json-schema.org", "How long the breaker stays open", "additionalProperties"] {
        assert!(!text.contains(part), "{part}");
    }
}

#[test]
fn the_module_stays_small() {
    let size = module().len();
    assert!(size <= LARGEST, "{size} bytes, more than {LARGEST}");
}

/// The bytes of each section that means something to a host.
fn sections(module: &[u8]) -> Vec<&[u8]> {
    let ranges = Parser::new(0).parse_all(module).filter_map(|payload| {
        let payload = payload.expect("a valid module");
        payload.as_section().filter(|(id, _)| *id != CUSTOM).map(|(_, range): (_, Range<_>)| range)
    });
    ranges.map(|range| &module[range]).collect()
}

#[test]
fn the_module_with_names_is_the_same_but_for_them() {
    let (module, named) =
        (module(), built(&artifacts::named(&artifacts::proxy_wasm().expect("the module"))));
    assert_eq!(sections(&named), sections(&module));
    assert!(package::names::of(&named).unwrap().len() > package::names::of(&module).unwrap().len());
}

#[test]
fn a_line_of_a_backtrace_gets_the_name_of_its_function_and_any_other_stays() {
    let names = BTreeMap::from([(7, "breaker::Breaker::trip".to_owned())]);
    let line = "  1:  0x103ab - unknown(function index:7)";
    assert_eq!(package::names::named(line, &names), "  1:  0x103ab - breaker::Breaker::trip");
    for other in ["  0:  0xdbd - proxy_on_tick", "0x1 - unknown(function index:8)", ""] {
        assert_eq!(package::names::named(other, &names), other);
    }
}

/// The functions that a piece of code names.
fn named_by(body: &FunctionBody<'_>) -> Vec<u32> {
    let operators = body.get_operators_reader().expect("code");
    let named = |operator| match operator {
        Operator::Call { function_index } | Operator::RefFunc { function_index } => {
            Some(function_index)
        }
        _ => None,
    };
    operators.into_iter().filter_map(|operator| named(operator.expect("code"))).collect()
}

#[test]
fn the_module_has_no_function_that_nothing_leads_to() {
    let (mut roots, mut imported, mut bodies) = (Vec::new(), 0, Vec::new());
    let module = module();
    for payload in Parser::new(0).parse_all(&module) {
        match payload.expect("a valid module") {
            Payload::ImportSection(imports) => {
                let imports = imports.into_imports().map(|import| import.expect("an import").ty);
                imported = imports.filter(|it| matches!(it, TypeRef::Func(_))).count();
            }
            Payload::ExportSection(exports) => {
                let exports = exports.into_iter().map(|export| export.expect("an export"));
                let functions = exports.filter(|export| export.kind == ExternalKind::Func);
                roots.extend(functions.map(|export| export.index));
            }
            Payload::ElementSection(elements) => {
                for element in elements {
                    if let ElementItems::Functions(it) = element.expect("an element").items {
                        roots.extend(it.into_iter().map(|function| function.expect("a function")));
                    }
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(named_by(&body)),
            _ => {}
        }
    }
    let mut reached = BTreeSet::new();
    while let Some(function) = roots.pop() {
        if reached.insert(function) {
            let body = (function as usize).checked_sub(imported).map(|own| &bodies[own]);
            roots.extend(body.into_iter().flatten());
        }
    }
    assert_eq!(reached.len(), imported + bodies.len());
}
