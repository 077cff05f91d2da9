//! How contexts come and go.

use host_test_proxy_wasm::{Plugin, StartError, Worker};

use crate::guest::{module, said, start};
use crate::support::{exchange, request, response};

/// Says each callback and the context it is for.
const TELLING: &str = r#"
    (func (export "proxy_on_context_create") (param i32 i32)
      (call $say @"create") (call $number (local.get 0)) (call $number (local.get 1)))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
      (call $say @"start") (call $number (local.get 0)) (call $number (local.get 1)) (i32.const 1))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (call $say @"configure") (call $number (local.get 0)) (call $number (local.get 1))
      (i32.ne (local.get 1) (i32.const 3)))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $say @"request") (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
      (call $say @"response") (i32.const 0))
    (func (export "proxy_on_log") (param i32) (call $say @"log") (call $number (local.get 0)))
    (func (export "proxy_on_done") (param i32) (result i32)
      (call $say @"done") (call $number (local.get 0)) (i32.const 1))
    (func (export "proxy_on_delete") (param i32) (call $say @"delete") (call $number (local.get 0)))"#;

#[test]
fn a_stream_is_logged_then_done_then_deleted() {
    let (process, mut worker) = start(TELLING);
    assert_eq!(said(&process), ["create", "1", "0", "start", "1", "0", "configure", "1", "0"]);
    exchange(&mut worker, 200);
    #[rustfmt::skip]
    let expected = [
        "create", "2", "1", "request", "response", "log", "2", "done", "2", "delete", "2",
    ];
    assert_eq!(said(&process), expected);
    assert_eq!(worker.open_streams(), 0);
}

#[test]
fn a_client_that_goes_away_shows_only_in_the_end_of_its_stream() {
    let (process, mut worker) = start(TELLING);
    said(&process);
    let stream = worker.open_stream();
    worker.request_headers(stream, request("POST", "/"), false);
    assert_eq!(worker.end_stream(stream), []);
    let expected = ["create", "2", "1", "request", "log", "2", "done", "2", "delete", "2"];
    assert_eq!(said(&process), expected);
    assert_eq!(worker.end_stream(stream), [], "a stream ends once");
    assert_eq!(worker.request_body(stream, "late", true), []);
    assert_eq!(said(&process), [""; 0]);
}

#[test]
fn a_stream_that_an_earlier_filter_answered_is_created_for_the_log() {
    let (process, mut worker) = start(TELLING);
    said(&process);
    let stream = worker.open_stream();
    let events = worker.response_headers(stream, response(429), true);
    assert_eq!(events.len(), 1, "it passes by: {events:?}");
    assert_eq!(said(&process), [""; 0]);
    worker.end_stream(stream);
    let expected = ["create", "2", "1", "log", "2", "done", "2", "delete", "2"];
    assert_eq!(said(&process), expected);
}

#[test]
fn a_stream_that_is_not_done_is_deleted_all_the_same() {
    let text = r#"
        (func (export "proxy_on_done") (param i32) (result i32) (call $say @"done") (i32.const 0))
        (func (export "proxy_on_delete") (param i32) (call $say @"delete"))"#;
    let (process, mut worker) = start(text);
    exchange(&mut worker, 200);
    assert_eq!(said(&process), ["done", "delete"]);
    assert_eq!(worker.open_streams(), 0);
}

#[test]
fn a_root_context_that_is_not_done_is_deleted_once_it_says_that_it_is() {
    let text = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (i32.eqz (call $set_tick_period (i32.const 1000))))
        (func (export "proxy_on_done") (param i32) (result i32) (i32.const 0))
        (func (export "proxy_on_delete") (param i32) (call $say @"delete") (call $number (local.get 0)))
        (func (export "proxy_on_tick") (param i32)
          (if (i32.eq (local.get 0) (i32.const 1)) (then
            (call $status (call $done))
            (call $status (call $done)))))"#;
    let (process, mut worker) = start(text);
    worker.configure(b"1").unwrap();
    assert_eq!(said(&process), [""; 0]);
    worker.tick();
    assert_eq!(said(&process), ["0", "1", "delete", "1"], "once is enough");
}

#[test]
fn an_old_root_context_goes_when_its_last_stream_has() {
    let (process, mut worker) = start(TELLING);
    let stream = worker.open_stream();
    worker.request_headers(stream, request("GET", "/"), true);
    said(&process);
    worker.configure(b"1").unwrap();
    assert_eq!(said(&process), ["create", "3", "0", "start", "3", "0", "configure", "3", "1"]);
    let newer = worker.open_stream();
    worker.request_headers(newer, request("GET", "/"), true);
    assert_eq!(said(&process), ["create", "4", "3", "request"], "new streams are the new one's");
    worker.end_stream(stream);
    #[rustfmt::skip]
    let expected = ["log", "2", "done", "2", "delete", "2", "done", "1", "delete", "1"];
    assert_eq!(said(&process), expected);
}

#[test]
fn a_root_context_that_refuses_its_configuration_goes_again() {
    let (process, mut worker) = start(TELLING);
    said(&process);
    assert_eq!(worker.configure(b"bad"), Err(StartError::ConfigurationRefused));
    let log = said(&process);
    assert_eq!(log[log.len() - 4..], ["done", "2", "delete", "2"]);
    exchange(&mut worker, 200);
    assert_eq!(said(&process)[..3], ["create", "3", "1"], "streams stay with the old one");
}

#[test]
fn a_vm_that_refuses_to_start_is_distinguished() {
    let process = host_test_proxy_wasm::Process::new();
    let module =
        module(r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 0))"#);
    let plugin = Plugin::default();
    assert_eq!(Worker::start(&process, &module, plugin, b"").unwrap_err(), StartError::VmRefused);
}

#[test]
fn a_module_without_callbacks_lets_all_pass() {
    let (_process, mut worker) = start("");
    let outcome = exchange(&mut worker, 204);
    assert_eq!(outcome.request, Some(request("GET", "/pay")));
    assert_eq!(outcome.status(), Some(204));
    assert_eq!(outcome.response_body, b"from the service");
    assert_eq!(worker.tick(), []);
}
