//! The built module as a contract: what it asks of a host, what it offers, how big it is.

use std::path::PathBuf;

use wasmparser::{Parser, Payload, Validator};

/// Functions beyond what the SDK's dispatcher mentions by itself. A new one has to be justified
/// here, since a host that lacks it cannot load the module at all.
const WASI: &[&str] =
    &["clock_time_get", "environ_get", "environ_sizes_get", "fd_write", "proc_exit"];

/// What a proxy finds: the callbacks that the filter lives by, and not one more. Each that is
/// exported is called, whether it does anything or not.
const EXPORTS: &[&str] = &[
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_memory_allocate",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_response_body",
    "proxy_on_response_headers",
    "proxy_on_response_trailers",
    "proxy_on_tick",
    "proxy_on_vm_start",
];

/// Each worker keeps a copy, and each update sends one.
const LARGEST: usize = 768 * 1024;

fn module() -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/wasm/edge_breaker.wasm");
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}: `make wasm` builds it", path.display());
    })
}

#[test]
fn the_module_is_valid() {
    Validator::new().validate_all(&module()).expect("a valid module");
}

#[test]
fn the_module_asks_for_nothing_but_what_envoy_has() {
    let module = module();
    let mut unexpected = Vec::new();
    for payload in Parser::new(0).parse_all(&module) {
        let Payload::ImportSection(imports) = payload.expect("a valid module") else {
            continue;
        };
        for import in imports.into_imports() {
            let import = import.expect("a valid import");
            let known = match import.module {
                "env" => import.name.starts_with("proxy_"),
                "wasi_snapshot_preview1" => WASI.contains(&import.name),
                _ => false,
            };
            if !known {
                unexpected.push(format!("{}.{}", import.module, import.name));
            }
        }
    }
    assert!(unexpected.is_empty(), "{unexpected:?}");
}

#[test]
fn the_module_offers_the_callbacks_it_lives_by_and_no_others() {
    let module = module();
    let mut exports = Vec::new();
    for payload in Parser::new(0).parse_all(&module) {
        if let Payload::ExportSection(section) = payload.expect("a valid module") {
            for export in section {
                exports.push(export.expect("a valid export").name.to_owned());
            }
        }
    }
    exports.sort_unstable();
    assert_eq!(exports, EXPORTS);
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
