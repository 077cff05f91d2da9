//! Shared data, queues and metrics.

use host_test_proxy_wasm::{MetricKind, Plugin, Process, Status, Worker};

use crate::guest::{module, said, start};
use crate::support::Outcome;

#[test]
fn a_version_decides_who_may_write() {
    let text = r#"
        (func (export "proxy_on_tick") (param i32)
          (call $result (call $get_shared_data @"k" (global.get $data) (global.get $size) (global.get $out)))
          (call $say @"absent, any version")
          (call $status (call $set_shared_data @"k" @"one" (i32.const 12345)))
          (call $result (call $get_shared_data @"k" (global.get $data) (global.get $size) (global.get $out)))
          (call $say @"the right version")
          (call $status (call $set_shared_data @"k" @"two" (i32.load (global.get $out))))
          (call $say @"the old version")
          (call $status (call $set_shared_data @"k" @"three" (i32.load (global.get $out))))
          (call $say @"if absent")
          (call $status (call $set_shared_data @"k" @"four" (i32.const -1)))
          (call $result (call $get_shared_data @"k" (global.get $data) (global.get $size) (global.get $out)))
          (call $say @"in any case")
          (call $status (call $set_shared_data @"k" @"" (i32.const 0)))
          (call $result (call $get_shared_data @"k" (global.get $data) (global.get $size) (global.get $out)))
          (call $say @"is it a version?")
          (call $number (i32.ne (i32.load (global.get $out)) (i32.const 0))))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (i32.eqz (call $set_tick_period (i32.const 1000))))"#;
    let (process, mut worker) = start(text);
    worker.tick();
    let expected = [
        "1",
        "absent, any version",
        "0",
        "one",
        "the right version",
        "0",
        "the old version",
        "8",
        "if absent",
        "8",
        "two",
        "in any case",
        "0",
        "",
        "is it a version?",
        "1",
    ];
    assert_eq!(said(&process), expected);
    assert_eq!(process.shared_data("", b"k").unwrap().0, b"");
}

const WRITING: &str = r#"
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (call $status (call $set_shared_data @"k" @"mine" (i32.const -1)))
      (i32.const 1))"#;

#[test]
fn plugins_of_one_vm_id_share_data_and_others_do_not() {
    let process = Process::new();
    let module = module(WRITING);
    for vm_id in ["a", "a", "b"] {
        let plugin = Plugin { vm_id: vm_id.to_owned(), ..Plugin::default() };
        Worker::start(&process, &module, plugin, b"").unwrap();
    }
    assert_eq!(said(&process), ["0", "8", "0"]);
    assert_eq!(process.shared_keys("a"), [b"k"]);
    assert_eq!(process.shared_keys(""), [b"k"; 0]);
}

#[test]
fn a_canarys_writes_of_shared_data_take_effect() {
    let process = Process::new();
    Worker::canary(&process, &module(WRITING), Plugin::default(), b"").unwrap();
    assert_eq!(process.shared_data("", b"k").unwrap().0, b"mine");
}

#[test]
fn a_lost_race_concerns_only_writes_that_name_a_version() {
    let process = Process::new();
    process.lose_races(1);
    let module = module(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $status (call $set_shared_data @"k" @"v" (i32.const 0)))
             (call $status (call $set_shared_data @"l" @"v" (i32.const 7)))
             (call $status (call $set_shared_data @"l" @"v" (i32.const 7)))
             (i32.const 1))"#,
    );
    Worker::start(&process, &module, Plugin::default(), b"").unwrap();
    assert_eq!(said(&process), ["0", "8", "0"]);
}

#[test]
fn a_host_call_fails_as_often_as_configured() {
    let process = Process::new();
    process.fail_hostcalls("proxy_set_shared_data", Status::InternalFailure, 1);
    let module = module(WRITING);
    Worker::start(&process, &module, Plugin::default(), b"").unwrap();
    Worker::start(&process, &module, Plugin::default(), b"").unwrap();
    assert_eq!(said(&process), ["10", "0"]);
}

/// Registers the queue `q`, says what is in it when told, and puts something into it in a tick.
const QUEUE: &str = r#"
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (call $status (call $register_queue @"q" (global.get $out)))
      (i32.eqz (call $set_tick_period (i32.const 1000))))
    (func (export "proxy_on_tick") (param i32)
      (call $status (call $resolve_queue @"v" @"q" (global.get $out)))
      (call $status (call $enqueue (i32.load (global.get $out)) @"value"))
      (call $status (call $resolve_queue @"v" @"other" (global.get $out)))
      (call $status (call $enqueue (i32.const 77) @"value")))
    (func (export "proxy_on_queue_ready") (param $root i32) (param $queue i32)
      (call $result (call $dequeue (local.get $queue) (global.get $data) (global.get $size)))
      (call $result (call $dequeue (local.get $queue) (global.get $data) (global.get $size))))"#;

#[test]
fn only_the_last_context_that_registered_a_queue_is_notified() {
    let process = Process::new();
    let module = module(QUEUE);
    let plugin = Plugin { vm_id: "v".to_owned(), ..Plugin::default() };
    let mut first = Worker::start(&process, &module, plugin.clone(), b"").unwrap();
    let mut last = Worker::start(&process, &module, plugin, b"").unwrap();
    assert_eq!(said(&process), ["0", "0"]);
    first.tick();
    assert_eq!(said(&process), ["0", "0", "1", "1"], "an unknown queue is not found");
    first.deliver_queues();
    assert_eq!(said(&process), [""; 0]);
    last.deliver_queues();
    let lines = process.take_log();
    assert_eq!(lines[0].message, "value");
    assert_eq!(lines[1].message, "7", "then it is empty");
    assert!(lines.iter().all(|line| line.worker == last.number()));
    last.deliver_queues();
    assert_eq!(said(&process), [""; 0], "each value is told once");
}

#[test]
fn metrics_belong_to_the_process_and_each_kind_accepts_its_own_values() {
    let text = r#"
        (global $counter (mut i32) (i32.const 0))
        (global $gauge (mut i32) (i32.const 0))
        (global $histogram (mut i32) (i32.const 0))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $define_metric (i32.const 0) @"counter" (global.get $out)))
          (global.set $counter (i32.load (global.get $out)))
          (drop (call $define_metric (i32.const 1) @"gauge" (global.get $out)))
          (global.set $gauge (i32.load (global.get $out)))
          (drop (call $define_metric (i32.const 2) @"histogram" (global.get $out)))
          (global.set $histogram (i32.load (global.get $out)))
          (call $status (call $define_metric (i32.const 3) @"no kind" (global.get $out)))
          (call $status (call $increment_metric (global.get $counter) (i64.const 2)))
          (call $status (call $increment_metric (global.get $counter) (i64.const 0)))
          (call $status (call $increment_metric (global.get $counter) (i64.const -1)))
          (call $status (call $record_metric (global.get $counter) (i64.const 3)))
          (call $status (call $increment_metric (global.get $gauge) (i64.const 5)))
          (call $status (call $increment_metric (global.get $gauge) (i64.const -2)))
          (call $status (call $record_metric (global.get $histogram) (i64.const 9)))
          (call $status (call $increment_metric (global.get $histogram) (i64.const 9)))
          (call $status (call $get_metric (global.get $histogram) (global.get $out)))
          (call $status (call $get_metric (i32.const 99) (global.get $out)))
          (call $status (call $get_metric (global.get $counter) (global.get $out)))
          (call $number (i32.load (global.get $out)))
          (i32.const 1))"#;
    let (process, _worker) = start(text);
    let expected = ["2", "0", "2", "2", "0", "0", "0", "0", "2", "2", "1", "0", "5"];
    assert_eq!(said(&process), expected);
    Worker::start(&process, &module(text), Plugin::default(), b"").unwrap();
    assert_eq!(process.metric("counter"), Some(10), "both workers count the same");
    assert_eq!(process.metric("gauge"), Some(6));
    assert_eq!(process.histogram("histogram"), [9, 9]);
    assert_eq!(process.metric("histogram"), None);
    assert_eq!(process.metrics()["gauge"], (MetricKind::Gauge, 6));
}

#[test]
fn a_pointer_out_of_the_memory_is_a_status() {
    let text = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (call $status (call $set_shared_data (i32.const -1) (i32.const 1) @"v" (i32.const 0)))
          (call $status (call $set_shared_data @"k" (i32.const 262140) (i32.const 5) (i32.const 0)))
          (call $status (call $define_metric (i32.const 0) @"m" (i32.const 262141)))
          (i32.const 1))"#;
    let (process, mut worker) = start(text);
    assert_eq!(said(&process), ["6", "6", "6"]);
    assert!(Outcome::from(worker.tick()).trap.is_none());
}
