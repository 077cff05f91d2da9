//! Guests as text.
//!
//! In the text `@"abc"` stands for a pointer and a size. Every guest has a memory, an allocator,
//! the imports below by their names without `proxy_`, and:
//! * `$say` logs text, `$number` logs a number,
//! * `$status` logs a status,
//! * `$result` logs a status, or, if it is OK, the bytes that came back by `$data` and `$size`.

use host_test_proxy_wasm::{Module, Options, Plugin, Process, Worker};

const PRELUDE: &str = r#"
(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
(import "env" "proxy_set_tick_period_milliseconds" (func $set_tick_period (param i32) (result i32)))
(import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_shared_data" (func $get_shared_data (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_shared_data" (func $set_shared_data (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_register_shared_queue" (func $register_queue (param i32 i32 i32) (result i32)))
(import "env" "proxy_resolve_shared_queue" (func $resolve_queue (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
(import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
(import "env" "proxy_define_metric" (func $define_metric (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_increment_metric" (func $increment_metric (param i32 i64) (result i32)))
(import "env" "proxy_record_metric" (func $record_metric (param i32 i64) (result i32)))
(import "env" "proxy_get_metric" (func $get_metric (param i32 i32) (result i32)))
(import "env" "proxy_get_header_map_pairs" (func $get_pairs (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_header_map_value" (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_replace_header_map_value" (func $set_header (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_add_header_map_value" (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_remove_header_map_value" (func $remove_header (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_continue_stream" (func $continue_stream (param i32) (result i32)))
(import "env" "proxy_close_stream" (func $close_stream (param i32) (result i32)))
(import "env" "proxy_send_local_response" (func $send_local_response (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_http_call" (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_effective_context" (func $set_effective_context (param i32) (result i32)))
(import "env" "proxy_done" (func $done (result i32)))
(import "env" "proxy_call_foreign_function" (func $call_foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
(import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
(memory (export "memory") 4)
(global $heap (mut i32) (i32.const 65536))
;; where host functions put a pointer, a size, and a number
(global $data i32 (i32.const 16))
(global $size i32 (i32.const 20))
(global $out i32 (i32.const 24))
(func (export "proxy_abi_version_0_2_1"))
(func (export "proxy_on_memory_allocate") (param $n i32) (result i32)
  (global.get $heap)
  (global.set $heap (i32.add (global.get $heap) (local.get $n))))
(func $say (param $at i32) (param $n i32)
  (drop (call $log (i32.const 2) (local.get $at) (local.get $n))))
(func $number (param $n i32) (local $at i32)
  (local.set $at (i32.const 64))
  (loop $digit
    (local.set $at (i32.sub (local.get $at) (i32.const 1)))
    (i32.store8 (local.get $at)
      (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
    (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
    (br_if $digit (local.get $n)))
  (call $say (local.get $at) (i32.sub (i32.const 64) (local.get $at))))
(func $status (param $status i32) (call $number (local.get $status)))
(func $result (param $status i32)
  (if (local.get $status)
    (then (call $number (local.get $status)))
    (else (call $say (i32.load (global.get $data)) (i32.load (global.get $size))))))
"#;

/// Compiles a guest.
pub(crate) fn module(text: &str) -> Module {
    module_with(text, &Options::default())
}

/// Compiles a guest with these options.
pub(crate) fn module_with(text: &str, options: &Options) -> Module {
    Module::new(&assembled(text), options).unwrap()
}

/// A guest as bytes.
pub(crate) fn assembled(text: &str) -> Vec<u8> {
    wat::parse_str(expand(text)).unwrap()
}

/// The whole text of a guest.
pub(crate) fn expand(text: &str) -> String {
    let (mut body, mut data, mut at) = (String::new(), String::new(), 1024);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@\"") {
        let (string, behind) = after.split_once('"').unwrap();
        // An escape is a backslash and two digits.
        let size = string.len() - 2 * string.matches('\\').count();
        body.push_str(&format!("{before}(i32.const {at}) (i32.const {size})"));
        data.push_str(&format!("(data (i32.const {at}) \"{string}\")\n"));
        at += size;
        rest = behind;
    }
    format!("(module {PRELUDE} {data} {body}{rest})")
}

/// A process with a worker that runs this guest.
pub(crate) fn start(text: &str) -> (Process, Worker) {
    start_with(text, Plugin::default())
}

/// The same, as this plugin.
pub(crate) fn start_with(text: &str, plugin: Plugin) -> (Process, Worker) {
    let process = Process::new();
    let worker = Worker::start(&process, &module(text), plugin, b"").unwrap();
    (process, worker)
}

/// What was logged since the last time.
pub(crate) fn said(process: &Process) -> Vec<String> {
    process.take_log().into_iter().map(|line| line.message).collect()
}
