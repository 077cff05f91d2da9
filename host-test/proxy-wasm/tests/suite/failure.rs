//! Traps, limits, and what becomes of the worker.

use std::ops::ControlFlow;
use std::time::Duration;

use host_test_proxy_wasm::{FailurePolicy, Options, Plugin, Process, StartError, Worker};

use crate::guest::{module, module_with, said, start_with};
use crate::support::{Outcome, exchange, request, response};

/// Traps in each request to `/trap`; says when it logs.
const TRAPPING: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $get_header (i32.const 0) @":path" (global.get $data) (global.get $size)))
      (if (i32.eq (i32.load (global.get $size)) (i32.const 5)) (then unreachable))
      (i32.const 0))
    (func (export "proxy_on_log") (param i32) (call $say @"log"))"#;

fn trap(worker: &mut Worker) -> Outcome {
    let stream = worker.open_stream();
    let mut outcome = Outcome::from(worker.request_headers(stream, request("GET", "/trap"), true));
    outcome.extend(worker.end_stream(stream));
    outcome
}

fn plugin(failure_policy: FailurePolicy) -> Plugin {
    Plugin { failure_policy, ..Plugin::default() }
}

#[test]
fn a_trap_kills_the_vm_and_answers_its_stream_503() {
    let (process, mut worker) = start_with(TRAPPING, plugin(FailurePolicy::FailClosed));
    let outcome = trap(&mut worker);
    assert!(outcome.trap.unwrap().contains("unreachable"));
    assert_eq!(outcome.request, None);
    assert_eq!(outcome.response.unwrap().text(":status"), Some("503"));
    assert_eq!(outcome.reply.unwrap().details, "wasm_fail_stream");
    assert!(!worker.is_running());
    assert_eq!(said(&process), [""; 0], "a dead VM logs nothing");
    assert_eq!(worker.open_streams(), 0);
}

#[test]
fn all_streams_of_the_vm_die_with_it() {
    let (process, mut worker) = start_with(TRAPPING, plugin(FailurePolicy::FailClosed));
    let waiting = worker.open_stream();
    worker.request_headers(waiting, request("GET", "/"), true);
    let begun = worker.open_stream();
    worker.request_headers(begun, request("GET", "/"), true);
    worker.response_headers(begun, response(200), false);
    let done = worker.open_stream();
    worker.request_headers(done, request("GET", "/"), true);
    worker.response_headers(done, response(200), true);

    let stream = worker.open_stream();
    let events = worker.request_headers(stream, request("GET", "/trap"), true);
    let (failed, reset) = (format!("Response({waiting:?}"), format!("Reset({begun:?})"));
    let events: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
    assert_eq!(events.iter().filter(|event| event.starts_with(&failed)).count(), 1, "{events:?}");
    assert_eq!(events.iter().filter(|event| **event == reset).count(), 1, "{events:?}");
    assert!(!events.iter().any(|event| event.contains(&format!("({done:?}"))), "{events:?}");
    for stream in [waiting, begun, done, stream] {
        assert_eq!(worker.end_stream(stream), []);
    }
    assert_eq!(said(&process), [""; 0]);
}

#[test]
fn a_worker_that_fails_closed_answers_503_for_good() {
    let (process, mut worker) = start_with(TRAPPING, plugin(FailurePolicy::FailClosed));
    trap(&mut worker);
    process.advance(Duration::from_secs(3600));
    let outcome = exchange(&mut worker, 200);
    assert_eq!((outcome.request.is_none(), outcome.status()), (true, Some(503)));
}

#[test]
fn a_worker_that_fails_open_lets_requests_pass_by() {
    let (process, mut worker) = start_with(TRAPPING, plugin(FailurePolicy::FailOpen));
    assert_eq!(trap(&mut worker).status(), Some(503), "but not the one that was in it");
    let outcome = exchange(&mut worker, 200);
    assert_eq!((outcome.request.is_some(), outcome.status()), (true, Some(200)));
    assert_eq!(outcome.response_body, b"from the service");
    assert_eq!(said(&process), [""; 0]);
}

#[test]
fn a_worker_that_reloads_does_so_once_the_time_is_over() {
    let backoff = Duration::from_secs(1);
    let (process, mut worker) = start_with(TRAPPING, plugin(FailurePolicy::FailReload { backoff }));
    process.advance(backoff / 2);
    trap(&mut worker);
    assert_eq!(exchange(&mut worker, 200).status(), Some(503));
    process.advance(backoff / 2);
    assert_eq!(exchange(&mut worker, 200).status(), Some(200));
    assert_eq!(said(&process), ["log"]);
    trap(&mut worker);
    assert_eq!(exchange(&mut worker, 200).status(), Some(503), "the time begins anew");
}

#[test]
fn a_worker_that_dies_in_a_tick_is_reloaded_by_the_next_request_only() {
    let text = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (call $set_tick_period (i32.const 100))
          (i32.eqz))
        (func (export "proxy_on_tick") (param i32) unreachable)"#;
    let backoff = Duration::from_secs(1);
    let (process, mut worker) = start_with(text, plugin(FailurePolicy::FailReload { backoff }));
    process.advance(backoff);
    assert!(Outcome::from(worker.tick_if_due()).trap.is_some());
    process.advance(backoff);
    assert!(worker.tick_if_due().is_empty());
    assert!(!worker.is_running());
    assert_eq!(exchange(&mut worker, 200).status(), Some(200));
    assert!(worker.is_running());
}

#[test]
fn a_callback_that_takes_too_many_instructions_traps() {
    let text = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (loop $for_ever (br $for_ever))
          (unreachable))"#;
    let options = Options { instruction_limit: 10_000, ..Options::default() };
    let module = module_with(text, &options);
    let mut worker = Worker::start(&Process::new(), &module, Plugin::default(), b"").unwrap();
    let outcome = exchange(&mut worker, 200);
    assert!(outcome.trap.unwrap().contains("fuel"));
    let usage = &worker.usage()["proxy_on_request_headers"];
    assert!((9_000..=10_000).contains(&usage.instructions), "{usage:?}");
}

#[test]
fn memory_beyond_the_limit_is_refused_to_the_module() {
    let text = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (call $say @"first")))
          (if (i32.eq (memory.grow (i32.const 10)) (i32.const -1)) (then (call $say @"second")))
          (i32.const 0))"#;
    let options = Options { memory_limit: 6 * 65536, ..Options::default() };
    let process = Process::new();
    let module = module_with(text, &options);
    let mut worker = Worker::start(&process, &module, Plugin::default(), b"").unwrap();
    assert_eq!(exchange(&mut worker, 200).status(), Some(200));
    assert_eq!(said(&process), ["second"]);
}

#[test]
fn a_module_that_traps_at_its_start_does_not_start() {
    let process = Process::new();
    let module = module(r#"(func (export "_initialize") unreachable)"#);
    let error = Worker::start(&process, &module, Plugin::default(), b"").unwrap_err();
    assert!(matches!(&error, StartError::Trap(trap) if trap.contains("unreachable")), "{error}");
}

#[test]
fn a_call_of_a_dead_vm_is_taken_back() {
    let text = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $status (call $http_call @"c"
            @"\03\00\00\00\07\00\00\00\01\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00:method\00G\00:path\00/\00:authority\00a\00"
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (global.get $out)))
          (i32.const 1))"#;
    let (process, mut worker) = start_with(text, plugin(FailurePolicy::FailClosed));
    let stream = worker.open_stream();
    let call = Outcome::from(worker.request_headers(stream, request("GET", "/"), true)).calls;
    assert_eq!(said(&process), ["0"]);
    worker.kill();
    assert!(worker.pending_calls().is_empty());
    assert!(worker.answer_call(call[0].token, host_test_proxy_wasm::CallAnswer::Failed).is_empty());
}

#[test]
fn a_vm_can_die_in_the_middle_of_a_callback() {
    let (process, mut worker) = start_with(
        r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $say @"before")
          (call $say @"after")
          (i32.const 0))"#,
        plugin(FailurePolicy::FailReload { backoff: Duration::ZERO }),
    );
    let mut left = 1;
    worker.trap_hostcalls(move |name| {
        let dies = name == "proxy_log" && left == 0;
        left = if dies { 9 } else { left - u32::from(name == "proxy_log") };
        if dies { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let outcome = exchange(&mut worker, 200);
    assert!(outcome.trap.unwrap().contains("killed before proxy_log"));
    assert_eq!(outcome.reply.unwrap().details, "wasm_fail_stream");
    assert_eq!(said(&process), ["before"], "the call before was made, that one was not");
    exchange(&mut worker, 200);
    assert_eq!(said(&process), ["before", "after"], "the VM that was built anew goes on");
}
