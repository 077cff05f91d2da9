//! Which headers can be seen and changed, and when.

use host_test_proxy_wasm::{Event, Headers, Part};

use crate::guest::{said, start};
use crate::support::{Outcome, request, response};

#[test]
fn headers_can_be_read_and_changed_and_the_route_is_cleared_with_the_requests() {
    let text = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $status (call $set_header (i32.const 0) @"X-A" @"new"))
          (call $status (call $add_header (i32.const 0) @"x-b" @"2\ff"))
          (call $status (call $remove_header (i32.const 0) @":scheme"))
          (call $result (call $get_header (i32.const 0) @"x-B" (global.get $data) (global.get $size)))
          (call $result (call $get_header (i32.const 0) @"none" (global.get $data) (global.get $size)))
          (call $result (call $get_header (i32.const 9) @"none" (global.get $data) (global.get $size)))
          (i32.const 0))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (call $status (call $set_header (i32.const 2) @":status" @"299"))
          (i32.const 0))"#;
    let (process, mut worker) = start(text);
    let stream = worker.open_stream();
    let mut headers = request("GET", "/");
    headers.add("x-a", "one");
    headers.add("x-a", "two");
    headers.add("x-b", "1");
    let events = worker.request_headers(stream, headers, true);
    let expected = Headers::from_iter([
        (":method", &b"GET"[..]),
        (":authority", b"payments.example.com"),
        (":path", b"/"),
        ("x-b", b"1"),
        ("x-a", b"new"),
        ("x-b", b"2\xff"),
    ]);
    assert_eq!(
        events,
        [Event::RouteCleared(stream), Event::Request(stream, Part::Headers(expected, true))]
    );
    assert_eq!(said(&process), ["0", "0", "0", "1", "1", "2"]);
    let outcome = Outcome::from(worker.response_headers(stream, response(200), true));
    assert_eq!(outcome.status(), Some(299));
    assert!(!outcome.route_cleared);
}

#[test]
fn the_requests_headers_are_gone_once_they_have_gone_on_and_back_in_the_log() {
    const LOOK: &str = r#"
        (func $look
          (call $result (call $get_header (i32.const 0) @":path" (global.get $data) (global.get $size)))
          (call $result (call $get_header (i32.const 2) @":status" (global.get $data) (global.get $size)))
          (call $result (call $get_pairs (i32.const 0) (global.get $data) (global.get $size)))
          (call $status (call $set_header (i32.const 0) @"x" @"y")))"#;
    let text = format!(
        r#"{LOOK}
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
          (call $look) (i32.const 0))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (call $look) (i32.const 0))
        (func (export "proxy_on_log") (param i32)
          (call $result (call $get_header (i32.const 0) @":path" (global.get $data) (global.get $size)))
          (call $result (call $get_header (i32.const 2) @":status" (global.get $data) (global.get $size)))
          (call $result (call $get_header (i32.const 3) @"trailer" (global.get $data) (global.get $size)))
          (call $status (call $set_header (i32.const 0) @"x" @"y")))"#
    );
    let (process, mut worker) = start(&text);
    let stream = worker.open_stream();
    worker.request_headers(stream, request("POST", "/p"), false);
    worker.request_body(stream, "", true);
    assert_eq!(said(&process), ["2", "2", "", "2"], "in the request's body");
    worker.response_headers(stream, response(204), true);
    assert_eq!(said(&process), ["2", "204", "", "2"], "in the response's headers");
    worker.end_stream(stream);
    assert_eq!(said(&process), ["/p", "204", "1", "2"], "in the log");
}

#[test]
fn trailers_can_be_seen_and_changed_as_they_pass() {
    let text = r#"
        (func (export "proxy_on_response_trailers") (param i32 i32) (result i32)
          (call $number (local.get 1))
          (call $result (call $get_header (i32.const 3) @"grpc-status" (global.get $data) (global.get $size)))
          (call $status (call $set_header (i32.const 3) @"grpc-status" @"0"))
          (i32.const 0))"#;
    let (process, mut worker) = start(text);
    let stream = worker.open_stream();
    worker.request_headers(stream, request("POST", "/"), true);
    worker.response_headers(stream, response(200), false);
    worker.response_body(stream, "x", false);
    let events = worker.response_trailers(stream, Headers::from_iter([("grpc-status", "14")]));
    let trailers = Headers::from_iter([("grpc-status", "0")]);
    assert_eq!(events, [Event::Response(stream, Part::Trailers(trailers))]);
    assert_eq!(said(&process), ["1", "14", "0"]);
}

#[test]
fn the_route_stays_once_a_response_has_come() {
    let text = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $status (call $call_foreign @"clear_route_cache" (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
          (i32.const 0))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (call $status (call $call_foreign @"clear_route_cache" (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
          (i32.const 0))"#;
    let (process, mut worker) = start(text);
    let stream = worker.open_stream();
    assert!(Outcome::from(worker.request_headers(stream, request("GET", "/"), true)).route_cleared);
    assert!(!Outcome::from(worker.response_headers(stream, response(200), true)).route_cleared);
    assert_eq!(said(&process), ["0", "0"]);
}
