//! Clocks, timers, the log, WASI, foreign functions, and what is counted.

use std::time::Duration;

use host_test_proxy_wasm::{LogLevel, Plugin, Process, Status, Worker};

use crate::guest::{module, said, start, start_with};
use crate::support::exchange;

#[test]
fn both_clocks_belong_to_the_process() {
    let text = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (i32.eqz (call $set_tick_period (i32.const 1000))))
        (func $clock (param $clock i32)
          (call $status (call $clock_time_get (local.get $clock) (i64.const 1) (i32.const 512)))
          (call $number (i32.wrap_i64 (i64.div_u (i64.load (i32.const 512)) (i64.const 1000000)))))
        (func (export "proxy_on_tick") (param i32)
          (call $clock (i32.const 0))
          (call $clock (i32.const 1))
          (call $status (call $clock_time_get (i32.const 2) (i64.const 1) (i32.const 512))))"#;
    let (process, mut worker) = start(text);
    process.set_wall(Duration::from_secs(100));
    process.set_monotonic(Duration::from_secs(7));
    process.advance(Duration::from_millis(5));
    worker.tick();
    assert_eq!(said(&process), ["0", "100005", "0", "7005", "58"]);
}

#[test]
fn a_timer_ticks_one_period_after_its_last_tick_until_it_is_stopped() {
    let text = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (i32.eqz (call $set_tick_period (i32.const 1000))))
        (func (export "proxy_on_tick") (param i32) (call $say @"tick"))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $set_tick_period (i32.const 0)))
          (i32.const 0))"#;
    let (process, mut worker) = start(text);
    let second = Duration::from_secs(1);
    assert_eq!(worker.tick_period(), Some(second));
    assert_eq!(worker.next_tick(), Some(process.monotonic() + second));
    process.advance(second / 2);
    worker.tick_if_due();
    assert_eq!(said(&process), [""; 0]);
    process.advance(second);
    worker.tick_if_due();
    worker.tick_if_due();
    assert_eq!(
        said(&process),
        ["tick"],
        "it is half a period late, and what was missed is not made up"
    );
    assert_eq!(worker.next_tick(), Some(process.monotonic() + second));
    exchange(&mut worker, 200);
    assert_eq!((worker.tick_period(), worker.next_tick()), (None, None));
}

/// The waits are 48 bytes each: the guest's own number, the kind, the clock, the time, its flags.
#[test]
fn a_guest_that_sleeps_goes_on_once_its_time_has_come_and_the_hosts_time_has_moved() {
    let text = r#"
        (func $sleep (param $clock i32) (param $time i64) (param $flags i32) (param $count i32)
          (i32.store (i32.const 616) (local.get $clock))
          (i64.store (i32.const 624) (local.get $time))
          (i32.store (i32.const 640) (local.get $flags))
          (i32.store (global.get $out) (i32.const 9))
          (call $status (call $poll_oneoff (i32.const 600) (i32.const 800) (local.get $count) (global.get $out)))
          (call $number (i32.load (global.get $out)))
          (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 512)))
          (call $number (i32.wrap_i64 (i64.div_u (i64.load (i32.const 512)) (i64.const 1000000)))))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (i32.eqz (call $set_tick_period (i32.const 1000))))
        ;; the second wait is for a file
        (data (i32.const 656) "\01")
        (func (export "proxy_on_tick") (param i32)
          (call $say @"5 ms")
          (call $sleep (i32.const 1) (i64.const 5000000) (i32.const 0) (i32.const 2))
          (call $say @"until 7020 ms")
          (call $sleep (i32.const 1) (i64.const 7020000000) (i32.const 1) (i32.const 1))
          (call $say @"until a time that is past")
          (call $sleep (i32.const 0) (i64.const 1) (i32.const 1) (i32.const 1))
          (call $say @"for a file alone")
          (call $status (call $poll_oneoff (i32.const 648) (i32.const 800) (i32.const 1) (global.get $out)))
          (call $say @"out of memory")
          (call $status (call $poll_oneoff (i32.const -16) (i32.const 800) (i32.const 1) (global.get $out)))
          (call $status (call $poll_oneoff (i32.const 600) (i32.const 800) (i32.const 1) (i32.const -4))))"#;
    let (process, mut worker) = start(text);
    process.set_wall(Duration::from_secs(100));
    process.set_monotonic(Duration::from_secs(7));
    worker.tick();
    let expected: [&[&str]; 5] = [
        &["5 ms", "0", "0", "7005"],
        &["until 7020 ms", "0", "0", "7020"],
        &["until a time that is past", "0", "0", "7020"],
        &["for a file alone", "0"],
        &["out of memory", "0", "21"],
    ];
    assert_eq!(said(&process), expected.concat());
    assert_eq!(process.wall(), Duration::from_millis(100_020));
}

#[test]
fn output_goes_to_the_log() {
    let text = r#"
        (data (i32.const 600) "\80\02\00\00\03\00\00\00\83\02\00\00\03\00\00\00")
        (data (i32.const 640) "one-two\n")
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (call $status (call $fd_write (i32.const 1) (i32.const 600) (i32.const 1) (global.get $out)))
          (call $status (call $fd_write (i32.const 2) (i32.const 600) (i32.const 2) (global.get $out)))
          (call $number (i32.load (global.get $out)))
          (call $status (call $fd_write (i32.const 3) (i32.const 600) (i32.const 2) (global.get $out)))
          (call $status (call $log (i32.const 9) @"no such level"))
          (i32.const 1))"#;
    let (process, _worker) = start(text);
    let log = process.take_log();
    let line = |at: usize| (log[at].level, log[at].message.as_str());
    assert_eq!(line(0), (LogLevel::Info, "one"));
    assert_eq!(line(2), (LogLevel::Error, "one-tw"));
    assert_eq!((line(4).1, line(5).1, line(6).1), ("6", "8", "2"));
}

#[test]
fn lines_below_the_level_are_dropped() {
    let process = Process::new();
    process.set_log_level(LogLevel::Warn);
    let module = module(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $log (i32.const 2) @"info"))
             (drop (call $log (i32.const 3) @"warn"))
             (i32.const 1))"#,
    );
    Worker::start(&process, &module, Plugin::default(), b"").unwrap();
    assert_eq!(said(&process), ["warn"]);
}

#[test]
fn randomness_follows_the_seed() {
    let module = module(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $status (call $random_get (i32.const 512) (i32.const 4)))
             (call $number (i32.load (i32.const 512)))
             (call $status (call $random_get (i32.const 512) (i32.const 65537)))
             (i32.const 1))"#,
    );
    let draw = |seed| {
        let process = Process::new();
        process.set_seed(seed);
        Worker::start(&process, &module, Plugin::default(), b"").unwrap();
        Worker::start(&process, &module, Plugin::default(), b"").unwrap();
        said(&process)
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    assert_ne!(draw(1)[1], draw(1)[4], "each worker draws its own");
    assert_eq!(draw(1)[2], "28", "too much at once");
}

#[test]
fn the_environment_is_the_plugins() {
    let text = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (call $status (call $environ_sizes_get (i32.const 512) (i32.const 516)))
          (call $number (i32.load (i32.const 512)))
          (call $number (i32.load (i32.const 516)))
          (call $status (call $environ_get (i32.const 520) (i32.const 600)))
          (call $say (i32.load (i32.const 524)) (i32.const 5))
          (i32.const 1))"#;
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = vec![variable("A", "1"), variable("BC", "23")];
    let (process, _worker) = start_with(text, Plugin { environment, ..Plugin::default() });
    assert_eq!(said(&process), ["0", "2", "10", "0", "BC=23"]);
}

#[test]
fn configurations_can_be_read_while_they_are_handed_over() {
    let text = r#"
        (func $look
          (call $result (call $get_buffer (i32.const 6) (i32.const 0) (i32.const 99) (global.get $data) (global.get $size)))
          (call $result (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 99) (global.get $data) (global.get $size))))
        (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $look) (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $look) (i32.const 0))"#;
    let process = Process::new();
    let plugin = Plugin { vm_configuration: b"vm".to_vec(), ..Plugin::default() };
    let mut worker = Worker::start(&process, &module(text), plugin, b"plugin").unwrap();
    assert_eq!(said(&process), ["vm", "plugin"]);
    exchange(&mut worker, 200);
    assert_eq!(said(&process), ["vm", "1"]);
}

#[test]
fn foreign_functions_are_those_that_were_registered() {
    let text = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $result (call $call_foreign @"reverse" @"abc" (global.get $data) (global.get $size)))
          (call $result (call $call_foreign @"fail" @"abc" (global.get $data) (global.get $size)))
          (call $result (call $call_foreign @"unknown" @"abc" (global.get $data) (global.get $size)))
          (i32.const 0))"#;
    let (process, mut worker) = start(text);
    process.set_foreign_function("reverse", |bytes| Ok(bytes.iter().rev().copied().collect()));
    process.set_foreign_function("fail", |_| Err(Status::BadArgument));
    exchange(&mut worker, 200);
    assert_eq!(said(&process), ["cba", "2", "1"]);
}

#[test]
fn a_module_that_exits_is_logged_and_goes_on() {
    let (process, mut worker) = start(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $proc_exit (i32.const 3)) (i32.const 0))"#,
    );
    assert_eq!(exchange(&mut worker, 200).status(), Some(200));
    assert_eq!(said(&process), ["proc_exit(3)"]);
}

#[test]
fn each_callback_is_counted_by_itself() {
    let text = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $result (call $get_header (i32.const 0) @":path" (global.get $data) (global.get $size)))
          (call $result (call $get_header (i32.const 0) @"none" (global.get $data) (global.get $size)))
          (i32.const 0))
        (func (export "proxy_on_log") (param i32) (call $say @"x"))"#;
    let (_process, mut worker) = start(text);
    let _ = worker.take_usage();
    exchange(&mut worker, 200);
    exchange(&mut worker, 200);
    let usage = worker.take_usage();
    let headers = &usage["proxy_on_request_headers"];
    assert_eq!(headers.calls, 2);
    assert_eq!(headers.hostcalls["proxy_get_header_map_value"], 4);
    assert_eq!(headers.hostcalls["proxy_log"], 4);
    assert_eq!(headers.total_hostcalls(), 8);
    assert_eq!((headers.allocations, headers.allocated_bytes), (2, 8), "twice /pay");
    assert_eq!(usage["proxy_on_log"].hostcalls["proxy_log"], 2);
    assert!(usage["proxy_on_log"].instructions < headers.instructions);
    assert!(worker.usage().is_empty());
}
