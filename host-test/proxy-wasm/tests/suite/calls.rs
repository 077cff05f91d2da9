//! Calls that a filter makes.

use std::time::Duration;

use host_test_proxy_wasm::{CallAnswer, Event, Headers, Part, Status, Worker};

use crate::guest::{said, start};
use crate::support::{Outcome, request};

/// Calls the cluster `auth` for each request and holds it back; goes on once there is an answer,
/// whatever it is. Says what it sees.
const CALLING: &str = r#"
    (global $stream (mut i32) (i32.const 0))
    (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32) (local $status i32)
      (global.set $stream (local.get $id))
      (local.set $status (call $http_call @"auth"
        @"\03\00\00\00\07\00\00\00\01\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00:method\00G\00:path\00/\00:authority\00a\00"
        @"body" (i32.const 0) (i32.const 0) (i32.const 250) (global.get $out)))
      (call $status (local.get $status))
      (i32.eqz (local.get $status)))
    (func (export "proxy_on_http_call_response") (param $root i32) (param $token i32) (param $headers i32) (param $body i32) (param $trailers i32)
      (call $number (i32.eq (local.get $token) (i32.load (global.get $out))))
      (call $number (local.get $headers))
      (call $number (local.get $body))
      (call $number (local.get $trailers))
      (call $result (call $get_header (i32.const 6) @":status" (global.get $data) (global.get $size)))
      (call $result (call $get_buffer (i32.const 4) (i32.const 0) (i32.const 99) (global.get $data) (global.get $size)))
      (call $status (call $set_effective_context (global.get $stream)))
      (call $status (call $continue_stream (i32.const 0))))
    (func (export "proxy_on_log") (param i32)
      (call $result (call $get_header (i32.const 6) @":status" (global.get $data) (global.get $size))))"#;

fn call(worker: &mut Worker) -> (host_test_proxy_wasm::StreamId, host_test_proxy_wasm::Call) {
    let stream = worker.open_stream();
    let mut outcome = Outcome::from(worker.request_headers(stream, request("GET", "/"), true));
    (stream, outcome.calls.remove(0))
}

#[test]
fn a_call_holds_a_request_back_until_it_is_answered() {
    let (process, mut worker) = start(CALLING);
    let (stream, call) = call(&mut worker);
    assert!(worker.is_paused(stream));
    assert_eq!(call.cluster, "auth");
    assert_eq!(
        call.headers,
        Headers::from_iter([(":method", "G"), (":path", "/"), (":authority", "a")])
    );
    assert_eq!((call.body, call.timeout), (b"body".to_vec(), Some(Duration::from_millis(250))));
    assert_eq!(worker.pending_calls(), [call.token]);
    let events = worker.answer_call(call.token, CallAnswer::status(204, "fine"));
    assert_eq!(events, [Event::Request(stream, Part::Headers(request("GET", "/"), true))]);
    assert_eq!(said(&process), ["0", "1", "1", "4", "0", "204", "fine", "0", "0"]);
    assert_eq!(worker.answer_call(call.token, CallAnswer::Failed), [], "there is one answer");
    worker.end_stream(stream);
    assert_eq!(said(&process), ["1"], "the answer is gone");
}

#[test]
fn a_call_that_fails_has_zero_headers() {
    let (process, mut worker) = start(CALLING);
    let (_stream, call) = call(&mut worker);
    worker.answer_call(call.token, CallAnswer::Failed);
    assert_eq!(said(&process), ["0", "1", "0", "0", "0", "1", "", "0", "0"]);
}

#[test]
fn an_answer_comes_though_its_stream_is_gone() {
    let (process, mut worker) = start(CALLING);
    let (stream, call) = call(&mut worker);
    worker.end_stream(stream);
    assert_eq!(said(&process), ["0", "1"]);
    assert_eq!(worker.answer_call(call.token, CallAnswer::status(200, "")), []);
    let said = said(&process);
    assert_eq!(said[said.len() - 2..], ["2", "0"], "its context is no more: {said:?}");
}

#[test]
fn a_call_to_an_unknown_cluster_is_refused_at_once() {
    let (process, mut worker) = start(CALLING);
    process.set_clusters(["other"]);
    let stream = worker.open_stream();
    let outcome = Outcome::from(worker.request_headers(stream, request("GET", "/"), true));
    assert!(outcome.calls.is_empty());
    assert!(outcome.request.is_some());
    assert_eq!(said(&process), ["2"]);
    process.set_clusters(["auth"]);
    assert_eq!(
        Outcome::from({
            let stream = worker.open_stream();
            worker.request_headers(stream, request("GET", "/"), true)
        })
        .calls
        .len(),
        1
    );
}

#[test]
fn a_call_that_fails_inline_is_refused_and_never_answered() {
    let (process, mut worker) = start(CALLING);
    process.fail_hostcalls("proxy_http_call", Status::InternalFailure, 1);
    let stream = worker.open_stream();
    let outcome = Outcome::from(worker.request_headers(stream, request("GET", "/"), true));
    assert!(outcome.calls.is_empty() && outcome.request.is_some());
    assert_eq!(said(&process), ["10"]);
    assert!(worker.pending_calls().is_empty());
}

#[test]
fn a_call_without_its_pseudo_headers_is_refused() {
    let text = CALLING.replace(":authority", "xauthority");
    let (process, mut worker) = start(&text);
    let stream = worker.open_stream();
    worker.request_headers(stream, request("GET", "/"), true);
    assert_eq!(said(&process), ["2"]);
}

#[test]
fn a_timeout_of_zero_is_none_and_a_negative_one_is_refused() {
    let (_process, mut worker) = start(&CALLING.replace("(i32.const 250)", "(i32.const 0)"));
    assert_eq!(call(&mut worker).1.timeout, None);
    let (process, mut worker) = start(&CALLING.replace("(i32.const 250)", "(i32.const -1)"));
    let stream = worker.open_stream();
    worker.request_headers(stream, request("GET", "/"), true);
    assert_eq!(said(&process), ["2"]);
}

#[test]
fn answers_may_come_in_any_order() {
    let (_process, mut worker) = start(CALLING);
    let (first, one) = call(&mut worker);
    let (second, other) = call(&mut worker);
    assert_ne!(one.token, other.token);
    // The guest remembers the last stream only.
    let events = worker.answer_call(other.token, CallAnswer::status(200, ""));
    assert!(matches!(&events[..], [Event::Request(stream, _)] if *stream == second));
    worker.end_stream(second);
    worker.answer_call(one.token, CallAnswer::status(200, ""));
    assert!(worker.is_paused(first));
    assert!(worker.pending_calls().is_empty());
}

#[test]
fn a_call_may_be_made_while_the_configuration_is_handed_over() {
    let text = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (i32.eqz (call $http_call @"c"
            @"\03\00\00\00\07\00\00\00\01\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00:method\00G\00:path\00/\00:authority\00a\00"
            @"" (i32.const 0) (i32.const 0) (i32.const 250) (global.get $out))))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
          (call $number (local.get 0)))"#;
    let (process, mut worker) = start(text);
    let calls = Outcome::from(worker.drain_events()).calls;
    worker.answer_call(calls[0].token, CallAnswer::status(200, ""));
    assert_eq!(said(&process), ["1"], "the root context owns it");
}
