//! What is held back, what the filter sees of a body, and how it changes one.

use host_test_proxy_wasm::{Event, Headers, Part, Plugin};

use crate::guest::{said, start, start_with};
use crate::support::{Outcome, request, response};

/// Says how much of a body there is and whether it ends, and returns what `$action` is.
const BODY: &str = r#"
    (global $action (mut i32) (i32.const 1))
    (func (export "proxy_on_request_body") (param $id i32) (param $size i32) (param $end i32) (result i32)
      (call $number (local.get $size))
      (call $result (call $get_buffer (i32.const 0) (i32.const 0) (i32.const 100) (global.get $data) (global.get $size)))
      (call $number (local.get $end))
      (i32.and (global.get $action) (i32.eqz (local.get $end))))"#;

#[test]
fn a_body_that_is_held_back_is_shown_whole_each_time() {
    let (process, mut worker) = start(BODY);
    let stream = worker.open_stream();
    worker.request_headers(stream, request("POST", "/"), false);
    assert_eq!(worker.request_body(stream, "one,", false), []);
    assert!(worker.is_paused(stream));
    assert_eq!(said(&process), ["4", "one,", "0"]);
    let events = worker.request_body(stream, "two", true);
    assert_eq!(said(&process), ["7", "one,two", "1"]);
    assert_eq!(events, [Event::Request(stream, Part::Body(b"one,two".to_vec(), true))]);
    assert!(!worker.is_paused(stream));
}

#[test]
fn a_body_that_goes_on_piece_by_piece_is_shown_so() {
    let text = BODY.replace("(mut i32) (i32.const 1)", "(mut i32) (i32.const 0)");
    let (process, mut worker) = start(&text);
    let stream = worker.open_stream();
    worker.request_headers(stream, request("POST", "/"), false);
    let events = worker.request_body(stream, "one,", false);
    assert_eq!(events, [Event::Request(stream, Part::Body(b"one,".to_vec(), false))]);
    let events = worker.request_body(stream, "two", true);
    assert_eq!(events, [Event::Request(stream, Part::Body(b"two".to_vec(), true))]);
    assert_eq!(said(&process), ["4", "one,", "0", "3", "two", "1"]);
}

#[test]
fn trailers_let_go_on_what_was_held_back_of_the_body() {
    let (_process, mut worker) = start(BODY);
    let stream = worker.open_stream();
    worker.request_headers(stream, request("POST", "/"), false);
    worker.request_body(stream, "body", false);
    let trailers = Headers::from_iter([("t", "1")]);
    let events = worker.request_trailers(stream, trailers.clone());
    assert_eq!(
        events,
        [
            Event::Request(stream, Part::Body(b"body".to_vec(), false)),
            Event::Request(stream, Part::Trailers(trailers))
        ]
    );
}

/// Pauses the headers; the tick lets the first stream, which is number two, go on.
const PAUSING: &str = r#"
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (i32.eqz (call $set_tick_period (i32.const 1000))))
    (func (export "proxy_on_tick") (param i32)
      (call $status (call $set_effective_context (i32.const 2)))
      (call $status (call $set_header (i32.const 0) @"x-late" @"1"))
      (call $status (call $continue_stream (i32.const 0)))
      (call $status (call $set_header (i32.const 0) @"x-too-late" @"1")))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (i32.const 1))
    (func (export "proxy_on_request_body") (param $id i32) (param $size i32) (param $end i32) (result i32)
      (call $number (local.get $size))
      (i32.const 0))"#;

#[test]
fn a_pause_in_the_headers_holds_all_back_and_the_body_comes_in_one_piece() {
    let (process, mut worker) = start(PAUSING);
    let stream = worker.open_stream();
    assert_eq!(worker.request_headers(stream, request("POST", "/"), false), []);
    assert_eq!(worker.request_body(stream, "one,", false), []);
    assert_eq!(worker.request_body(stream, "two", true), []);
    assert_eq!(said(&process), [""; 0], "the filter sees none of it");
    let events = worker.tick();
    assert_eq!(said(&process), ["0", "0", "0", "2", "7"], "what has gone on cannot be changed");
    let mut headers = request("POST", "/");
    headers.add("x-late", "1");
    assert_eq!(
        events,
        [
            Event::RouteCleared(stream),
            Event::Request(stream, Part::Headers(headers, false)),
            Event::Request(stream, Part::Body(b"one,two".to_vec(), true))
        ]
    );
    assert!(!worker.is_paused(stream));
}

#[test]
fn a_pause_in_the_headers_lets_the_body_come_where_the_plugin_is_set_so() {
    let plugin = Plugin { allow_on_headers_stop_iteration: true, ..Plugin::default() };
    let (process, mut worker) = start_with(PAUSING, plugin);
    let stream = worker.open_stream();
    assert_eq!(worker.request_headers(stream, request("POST", "/"), false), []);
    let outcome = Outcome::from(worker.request_body(stream, "body", true));
    assert_eq!(said(&process), ["4"]);
    assert!(outcome.request.is_some(), "a body that goes on takes the headers with it");
    assert_eq!(outcome.request_body, b"body");
}

#[test]
fn a_held_back_body_goes_on_when_the_stream_is_continued() {
    let text = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (i32.eqz (call $set_tick_period (i32.const 1000))))
        (func (export "proxy_on_tick") (param i32)
          (drop (call $set_effective_context (i32.const 2)))
          (call $status (call $set_buffer (i32.const 1) (i32.const 0) (i32.const 4) @"changed"))
          (drop (call $continue_stream (i32.const 1))))
        (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
          (i32.const 1))"#;
    let (process, mut worker) = start(text);
    let stream = worker.open_stream();
    worker.request_headers(stream, request("GET", "/"), true);
    worker.response_headers(stream, response(200), false);
    assert_eq!(worker.response_body(stream, "body", true), []);
    let events = worker.tick();
    assert_eq!(events, [Event::Response(stream, Part::Body(b"changed".to_vec(), true))]);
    assert_eq!(said(&process), ["0"]);
}

#[test]
fn a_body_can_be_replaced_and_added_to_but_not_changed_in_its_middle() {
    let text = r#"
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
          (call $say @"in the middle")
          (call $status (call $set_buffer (i32.const 0) (i32.const 1) (i32.const 1) @"x"))
          (call $say @"before")
          (call $status (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) @"<"))
          (call $say @"behind")
          (call $status (call $set_buffer (i32.const 0) (i32.const 99) (i32.const 0) @">"))
          (call $say @"the first two")
          (call $status (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 2) @"[B"))
          (call $say @"what there is not")
          (call $status (call $set_buffer (i32.const 4) (i32.const 0) (i32.const 2) @"[B"))
          (call $status (call $get_buffer (i32.const 9) (i32.const 0) (i32.const 2) (global.get $data) (global.get $size)))
          (call $say @"beyond the end")
          (call $result (call $get_buffer (i32.const 0) (i32.const 4) (i32.const 100) (global.get $data) (global.get $size)))
          (call $result (call $get_buffer (i32.const 0) (i32.const 40) (i32.const 100) (global.get $data) (global.get $size)))
          (i32.const 0))"#;
    let (process, mut worker) = start(text);
    let stream = worker.open_stream();
    worker.request_headers(stream, request("POST", "/"), false);
    let outcome = Outcome::from(worker.request_body(stream, "body", true));
    assert_eq!(outcome.request_body, b"[Body>");
    #[rustfmt::skip]
    let expected = [
        "in the middle", "2", "before", "0", "behind", "0", "the first two", "0",
        "what there is not", "1", "2", "beyond the end", "y>", "",
    ];
    assert_eq!(said(&process), expected);
}

#[test]
fn a_request_that_is_too_large_to_hold_back_is_answered_413() {
    let plugin = Plugin { buffer_limit: 5, ..Plugin::default() };
    let (_process, mut worker) = start_with(BODY, plugin);
    let stream = worker.open_stream();
    worker.request_headers(stream, request("POST", "/"), false);
    assert_eq!(worker.request_body(stream, "12345", false), []);
    let outcome = Outcome::from(worker.request_body(stream, "6", false));
    assert_eq!(outcome.status(), Some(413));
    assert_eq!(outcome.reply.unwrap().details, "request_payload_too_large");
    assert_eq!(outcome.request_body, b"");
}

#[test]
fn a_response_that_is_too_large_to_hold_back_is_cut_off_once_its_headers_have_gone() {
    let text = r#"
        (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 1))"#;
    let plugin = Plugin { buffer_limit: 5, ..Plugin::default() };
    let (_process, mut worker) = start_with(text, plugin);
    let stream = worker.open_stream();
    worker.request_headers(stream, request("GET", "/"), true);
    worker.response_headers(stream, response(200), false);
    let outcome = Outcome::from(worker.response_body(stream, "123456", false));
    assert!(outcome.reset);
    assert_eq!(worker.response_body(stream, "more", true), []);
}
