//! What a module allocates of its own will.

use host_test_proxy_wasm::{LoadError, Module, Options, Plugin, Process, Worker};

use crate::guest::expand;

const OPTIONS: fn() -> Options = || Options { count_allocations: true, ..Options::default() };

fn module(text: &str) -> Result<Module, LoadError> {
    Module::new(&wat::parse_str(expand(text)).unwrap(), &OPTIONS())
}

#[test]
fn a_modules_own_allocations_are_counted_by_callback() {
    let guest = r#"
        (func $malloc (param i32) (result i32) (local.get 0))
        (func $calloc (param i32 i32) (result i32) (local.get 0))
        (func $realloc (param i32 i32) (result i32) (local.get 0))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (drop (call $malloc (i32.const 40)))
            (drop (call $calloc (i32.const 3) (i32.const 5)))
            (i32.const 1))
        (func (export "proxy_on_log") (param i32)
            (drop (call $realloc (i32.const 1024) (i32.const 7))))"#;
    let module = module(guest).unwrap();
    let mut worker = Worker::start(&Process::new(), &module, Plugin::default(), b"").unwrap();
    let stream = worker.open_stream();
    worker.end_stream(stream);
    let usage = worker.take_usage();
    let log = &usage["proxy_on_log"];
    assert_eq!((log.own_allocations, log.own_allocated_bytes), (1, 7));
    let configure = &usage["proxy_on_configure"];
    assert_eq!((configure.own_allocations, configure.own_allocated_bytes), (2, 55));
}

#[test]
fn memory_that_the_host_asks_for_is_not_counted_as_the_modules_own() {
    let guest = r#"
        (func $malloc (param $n i32) (result i32)
            (global.set $heap (i32.add (global.get $heap) (local.get $n)))
            (i32.sub (global.get $heap) (local.get $n)))
        (func (export "malloc") (param $n i32) (result i32) (call $malloc (local.get $n)))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $get_header (i32.const 0) @":path" (global.get $data) (global.get $size)))
            (drop (call $malloc (i32.const 9)))
            (i32.const 0))"#;
    let text = expand(guest).replace("proxy_on_memory_allocate", "unused");
    let module = Module::new(&wat::parse_str(text).unwrap(), &OPTIONS()).unwrap();
    let mut worker = Worker::start(&Process::new(), &module, Plugin::default(), b"").unwrap();
    let stream = worker.open_stream();
    worker.request_headers(stream, crate::support::request("GET", "/pay"), true);
    let usage = worker.take_usage().remove("proxy_on_request_headers").unwrap();
    assert_eq!((usage.allocations, usage.allocated_bytes), (1, 4));
    assert_eq!((usage.own_allocations, usage.own_allocated_bytes), (1, 9));
}

#[test]
fn a_module_that_names_no_allocator_cannot_be_counted() {
    let refused = module("").unwrap_err();
    assert!(refused.to_string().contains("names no function that allocates"), "{refused}");
}
