//! Which modules are accepted.

use host_test_proxy_wasm::{LoadError, Module, Options};

fn load(text: &str) -> Result<Module, LoadError> {
    Module::new(&wat::parse_str(text).unwrap(), &Options::default())
}

#[test]
fn an_import_that_the_host_does_not_know_is_refused_by_name() {
    let error = load(
        r#"(module (import "env" "proxy_frobnicate" (func))
             (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))"#,
    )
    .unwrap_err();
    assert!(error.to_string().contains("env.proxy_frobnicate"), "{error}");
    assert!(matches!(error, LoadError::UnknownImport { .. }));
}

#[test]
fn an_import_of_another_type_is_refused_by_name() {
    let error = load(
        r#"(module (import "env" "proxy_log" (func (param i64)))
             (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))"#,
    )
    .unwrap_err();
    assert!(matches!(&error, LoadError::ImportType { name, .. } if name == "proxy_log"), "{error}");
}

#[test]
fn a_module_without_the_mark_of_the_abi_is_no_filter() {
    let error = load(r#"(module (memory (export "memory") 1))"#).unwrap_err();
    assert!(matches!(error, LoadError::Abi(_)), "{error}");
    let error = load(r#"(module (func (export "proxy_abi_version_0_2_1")))"#).unwrap_err();
    assert!(matches!(error, LoadError::Abi(_)), "{error}");
}

#[test]
fn a_file_that_is_no_module_is_refused() {
    let error = Module::new(b"not wasm", &Options::default()).unwrap_err();
    assert!(matches!(error, LoadError::Invalid(_)), "{error}");
}

#[test]
fn an_older_module_of_abi_0_2_0_is_accepted() {
    let module =
        load(r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_0")))"#);
    assert!(module.unwrap().imports().is_empty());
}

#[test]
#[allow(unsafe_code, reason = "the bytes were made a moment ago")]
fn a_compiled_module_can_be_kept_and_is_refused_with_other_options() {
    let options = Options::default();
    let kept = crate::guest::module("").precompiled().unwrap();
    // SAFETY: these are bytes that `precompiled` gave.
    let load = |options| unsafe { Module::from_precompiled(&kept, options) };
    let module = load(&options).unwrap();
    let process = host_test_proxy_wasm::Process::new();
    let plugin = host_test_proxy_wasm::Plugin::default();
    let mut worker = host_test_proxy_wasm::Worker::start(&process, &module, plugin, b"").unwrap();
    assert_eq!(crate::support::exchange(&mut worker, 200).status(), Some(200));
    let other = Options { metered: false, ..options };
    assert!(matches!(load(&other), Err(LoadError::Invalid(_))));
}
