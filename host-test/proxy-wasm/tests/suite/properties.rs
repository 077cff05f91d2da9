//! What a filter can know of a stream, by its phase.

use host_test_proxy_wasm::Plugin;

use crate::guest::{said, start, start_with};
use crate::support::{request, response};

/// Says a property in each phase.
fn telling(path: &str) -> String {
    let tell = format!(
        r#"(call $result (call $get_property @"{path}" (global.get $data) (global.get $size)))"#
    );
    format!(
        r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {tell} (i32.const 0))
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) {tell} (i32.const 0))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) {tell} (i32.const 0))
        (func (export "proxy_on_log") (param i32) {tell})"#
    )
}

fn told(path: &str, known: &[(&[&str], &str)]) -> Vec<String> {
    let plugin = Plugin {
        name: "my-plugin".to_owned(),
        root_id: "my-root".to_owned(),
        vm_id: "my-vm".to_owned(),
        ..Plugin::default()
    };
    let (process, mut worker) = start_with(&telling(path), plugin);
    let stream = worker.open_stream();
    for (path, value) in known {
        worker.set_property(stream, path, *value);
    }
    worker.request_headers(stream, request("POST", "/p?q=1"), false);
    worker.request_body(stream, "", true);
    worker.response_headers(stream, response(201), true);
    worker.end_stream(stream);
    said(&process)
}

#[test]
fn the_route_is_known_from_the_first_to_the_last() {
    let known: (&[&str], &str) = (&["xds", "cluster_name"], "payment");
    assert_eq!(told("xds\\00cluster_name", &[known]), ["payment"; 4]);
    assert_eq!(told("xds\\00cluster_name", &[]), ["1"; 4], "without a route it is absent");
}

#[test]
fn properties_of_the_response_are_absent_until_there_is_one() {
    for path in [
        &["response", "code_details"][..],
        &["response", "grpc_status"],
        &["upstream", "address"],
        &["xds", "upstream_host_metadata"],
    ] {
        let joined = path.join("\\00");
        assert_eq!(told(&joined, &[(path, "v")]), ["1", "1", "v", "v"], "{joined}");
    }
    let path: &[&str] = &["request", "duration"];
    assert_eq!(told("request\\00duration", &[(path, "v")]), ["1", "1", "1", "v"]);
}

#[test]
fn the_flags_of_a_response_are_none_as_long_as_nothing_has_happened() {
    let none = "\0".repeat(8);
    assert_eq!(told("response\\00flags", &[]), [none.as_str(); 4]);
    assert_eq!(told("response\\00flags", &[(&["response", "flags"], "v")]), ["v"; 4]);
}

#[test]
fn properties_of_the_requests_headers_are_gone_with_them_and_back_in_the_log() {
    assert_eq!(told("request\\00path", &[]), ["/p?q=1", "1", "1", "/p?q=1"]);
    assert_eq!(told("request\\00url_path", &[]), ["/p", "1", "1", "/p"]);
    assert_eq!(told("request\\00query", &[]), ["q=1", "1", "1", "q=1"]);
    assert_eq!(told("request\\00method", &[]), ["POST", "1", "1", "POST"]);
    assert_eq!(told("request\\00headers\\00:scheme", &[]), ["http", "1", "1", "http"]);
    assert_eq!(told("response\\00headers\\00:status", &[]), ["1", "1", "201", "201"]);
}

#[test]
fn the_plugin_knows_itself() {
    assert_eq!(told("plugin_name", &[]), ["my-plugin"; 4]);
    assert_eq!(told("plugin_root_id", &[]), ["my-root"; 4]);
    assert_eq!(told("plugin_vm_id", &[]), ["my-vm"; 4]);
}

#[test]
fn the_code_is_known_in_the_log_at_the_latest() {
    let code = String::from_utf8_lossy(&201_i64.to_le_bytes()).into_owned();
    assert_eq!(told("response\\00code", &[]), ["1", "1", "1", code.as_str()]);
}

#[test]
fn an_empty_text_is_known_and_has_no_bytes() {
    let path: &[&str] = &["xds", "route_name"];
    assert_eq!(told("xds\\00route_name", &[(path, "")]), [""; 4]);
}

#[test]
fn a_property_that_a_filter_sets_can_be_read_by_filter_and_caller() {
    let text = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (call $status (call $set_property @"k" @"v"))
          (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $status (call $set_property @"k" @"v"))
          (call $result (call $get_property @"k" (global.get $data) (global.get $size)))
          (i32.const 0))"#;
    let (process, mut worker) = start(text);
    assert_eq!(said(&process), ["1"], "outside a stream there is nothing to keep it in");
    let stream = worker.open_stream();
    worker.request_headers(stream, request("GET", "/"), true);
    assert_eq!(said(&process), ["0", "v"]);
    assert_eq!(worker.filter_state(stream, "k"), Some(&b"v"[..]));
}
