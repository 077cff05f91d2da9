//! Streams that the filter answers or cuts off.

use host_test_proxy_wasm::{Event, Headers, Part};

use crate::guest::{said, start};
use crate::support::{Outcome, exchange, request, response};

const REPLY: &str = r#"(call $status (call $send_local_response (i32.const 403)
    @"details" @"denied" @"\01\00\00\00\01\00\00\00\01\00\00\00a\00b\00" (i32.const -1)))"#;

fn replying(callback: &str) -> String {
    format!(
        r#"(func (export "{callback}") (param i32 i32 i32) (result i32) {REPLY} (i32.const 0))
           (func (export "proxy_on_log") (param i32) (call $say @"log"))"#
    )
}

#[test]
fn a_reply_to_a_request_passes_through_the_filters_own_response_callbacks() {
    let text = replying("proxy_on_request_headers")
        + r#"
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (call $result (call $get_header (i32.const 2) @":status" (global.get $data) (global.get $size)))
          (drop (call $add_header (i32.const 2) @"x-own" @"1"))
          (i32.const 0))
        (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
          (call $result (call $get_buffer (i32.const 1) (i32.const 0) (i32.const 99) (global.get $data) (global.get $size)))
          (call $number (local.get 2))
          (i32.const 0))"#;
    let (process, mut worker) = start(&text);
    let outcome = exchange(&mut worker, 200);
    assert_eq!(outcome.request, None, "what the callback returns does not matter");
    let expected = Headers::from_iter([
        (":status", "403"),
        ("a", "b"),
        ("content-length", "6"),
        ("content-type", "text/plain"),
        ("x-own", "1"),
    ]);
    assert_eq!(outcome.response, Some(expected));
    assert_eq!(outcome.response_body, b"denied");
    assert_eq!(outcome.reply.unwrap().details, "details");
    assert_eq!(said(&process), ["0", "403", "denied", "1", "log"]);
}

#[test]
fn no_part_of_the_request_goes_on_behind_a_reply() {
    let (_process, mut worker) = start(&replying("proxy_on_request_headers"));
    let stream = worker.open_stream();
    worker.request_headers(stream, request("POST", "/"), false);
    assert_eq!(worker.request_body(stream, "body", true), []);
    assert_eq!(worker.response_headers(stream, response(200), true), []);
}

#[test]
fn a_reply_that_replaces_a_response_goes_out_directly() {
    let (process, mut worker) = start(&replying("proxy_on_response_headers"));
    let stream = worker.open_stream();
    worker.request_headers(stream, request("GET", "/"), true);
    let outcome = Outcome::from(worker.response_headers(stream, response(500), false));
    assert_eq!(outcome.status(), Some(403));
    assert_eq!(outcome.response_body, b"denied");
    assert_eq!(worker.response_body(stream, "of the service", true), []);
    worker.end_stream(stream);
    assert_eq!(said(&process), ["0", "log"], "the callback ran once");
}

#[test]
fn a_reply_once_the_response_has_begun_cuts_it_off() {
    let (process, mut worker) = start(&replying("proxy_on_response_body"));
    let stream = worker.open_stream();
    worker.request_headers(stream, request("GET", "/"), true);
    worker.response_headers(stream, response(200), false);
    assert_eq!(worker.response_body(stream, "x", false), [Event::Reset(stream)]);
    worker.end_stream(stream);
    assert_eq!(said(&process), ["0", "log"]);
}

#[test]
fn a_stream_is_answered_once() {
    let twice = format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             {REPLY} {REPLY} (i32.const 0))
           (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
             {REPLY} (i32.const 0))"#
    );
    let (_process, mut worker) = start(&twice);
    let stream = worker.open_stream();
    let events = worker.request_headers(stream, request("GET", "/"), true);
    let replies = events.iter().filter(|event| matches!(event, Event::LocalReply(..))).count();
    assert_eq!(replies, 1, "{events:?}");
}

#[test]
fn a_reply_to_a_grpc_request_is_trailers_only() {
    let (_process, mut worker) = start(&replying("proxy_on_request_headers"));
    let stream = worker.open_stream();
    let mut headers = request("POST", "/s/m");
    headers.add("content-type", "application/grpc+proto");
    let events = worker.request_headers(stream, headers, false);
    let Some(Event::Response(_, Part::Headers(headers, true))) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(headers.text(":status"), Some("200"));
    assert_eq!(headers.text("grpc-status"), Some("7"));
    assert_eq!(headers.text("grpc-message"), Some("denied"));
}

#[test]
fn a_reply_to_a_head_request_has_no_body() {
    let (_process, mut worker) = start(&replying("proxy_on_request_headers"));
    let stream = worker.open_stream();
    let outcome = Outcome::from(worker.request_headers(stream, request("HEAD", "/"), true));
    assert_eq!(outcome.response.unwrap().text("content-length"), Some("6"));
    assert_eq!(outcome.response_body, b"");
}

#[test]
fn a_closed_stream_is_cut_off_and_still_logged() {
    let text = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $status (call $close_stream (i32.const 0)))
          (call $status (call $close_stream (i32.const 4)))
          (i32.const 0))
        (func (export "proxy_on_log") (param i32) (call $say @"log"))"#;
    let (process, mut worker) = start(text);
    let stream = worker.open_stream();
    let events = worker.request_headers(stream, request("GET", "/"), true);
    assert_eq!(events, [Event::Reset(stream)]);
    worker.end_stream(stream);
    assert_eq!(said(&process), ["0", "2", "log"]);
}

#[test]
fn a_request_that_is_held_back_never_goes_on_behind_a_reply() {
    let text = format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (i32.eqz (call $set_tick_period (i32.const 1000))))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (i32.const 1))
           (func (export "proxy_on_tick") (param i32)
             (drop (call $set_effective_context (i32.const 2)))
             {REPLY}
             (call $status (call $continue_stream (i32.const 0))))"#
    );
    let (process, mut worker) = start(&text);
    let stream = worker.open_stream();
    worker.request_headers(stream, request("POST", "/"), false);
    worker.request_body(stream, "body", true);
    let outcome = Outcome::from(worker.tick());
    assert_eq!(said(&process), ["0", "0"]);
    assert_eq!(outcome.status(), Some(403));
    assert_eq!((outcome.request, outcome.request_body), (None, vec![]));
    assert!(!worker.is_paused(stream));
}
