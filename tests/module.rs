//! The built module as a contract: what it asks of a host, what it offers, how big it is.

use edge_breaker_tests::rights::rights;
use wasmparser::{Parser, Payload, Validator};

/// What Rust's standard library imports to tell of a panic.
const PANIC: &[&str] = &["environ_get", "environ_sizes_get", "fd_write", "proc_exit"];

/// What any proxy finds, whatever it withholds.
const GIVEN: &[&str] =
    &["_initialize", "memory", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate"];

/// Each worker keeps a copy, and each update sends one.
const LARGEST: usize = 768 * 1024;

fn module() -> Vec<u8> {
    std::fs::read(artifacts::proxy_wasm().expect("the module")).expect("its bytes")
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
    let always = PANIC.iter().chain(GIVEN).map(|name| (*name).to_owned());
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

#[test]
fn the_module_stays_small() {
    let size = module().len();
    assert!(size <= LARGEST, "{size} bytes, more than {LARGEST}");
}
