//! The probe as text: what all probes have in common, and the dispatch to the one at hand.
//!
//! In the text `@"abc"` stands for a pointer and a size. Each line that a probe logs has a label:
//! * `$number` logs a number, `$status` a status,
//! * `$bytes` logs a status, or, if it is OK, what came back by `$data` and `$size`;
//! * `$length` the same, but of what came back only its length;
//! * `$out32` and `$out64` the same for numbers that came back by `$out`;
//! * `$pairs` the same for pairs: the probes' own, and the names of pseudo-headers.

use std::fmt::Write as _;

use crate::probes::PROBES;

/// The callbacks: the parameters they have by name, and the result if nobody says another.
const CALLBACKS: &[(&str, &str, Option<u32>)] = &[
    ("tick", "$ctx", None),
    ("queue_ready", "$ctx $token", None),
    ("http_call_response", "$ctx $token $headers $body $trailers", None),
    ("grpc_close", "$ctx $token $status", None),
    ("request_headers", "$ctx $count $end", Some(0)),
    ("request_body", "$ctx $count $end", Some(0)),
    ("request_trailers", "$ctx $count", Some(0)),
    ("response_headers", "$ctx $count $end", Some(0)),
    ("response_body", "$ctx $count $end", Some(0)),
    ("response_trailers", "$ctx $count", Some(0)),
    ("log", "$ctx", None),
    ("done", "$ctx", Some(1)),
    ("delete", "$ctx", None),
];

const PRELUDE: &str = r#"
(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))
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
(import "env" "proxy_set_header_map_pairs" (func $set_pairs (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_header_map_size" (func $get_map_size (param i32 i32) (result i32)))
(import "env" "proxy_get_header_map_value" (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_replace_header_map_value" (func $set_header (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_add_header_map_value" (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_remove_header_map_value" (func $remove_header (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_buffer_status" (func $buffer_status (param i32 i32 i32) (result i32)))
(import "env" "proxy_continue_stream" (func $continue_stream (param i32) (result i32)))
(import "env" "proxy_close_stream" (func $close_stream (param i32) (result i32)))
(import "env" "proxy_send_local_response" (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_http_call" (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_grpc_call" (func $grpc_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_status" (func $get_status (param i32 i32 i32) (result i32)))
(import "env" "proxy_set_effective_context" (func $set_effective_context (param i32) (result i32)))
(import "env" "proxy_done" (func $done (result i32)))
(import "env" "proxy_call_foreign_function" (func $call_foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
(import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
(memory (export "memory") 4)
(global $heap (mut i32) (i32.const 65536))
(global $probe (mut i32) (i32.const 0))
;; what probes remember from one callback to the next
(global $a (mut i32) (i32.const 0))
(global $b (mut i32) (i32.const 0))
;; where host functions put a pointer, a size, and a number
(global $data i32 (i32.const 16))
(global $size i32 (i32.const 20))
(global $out i32 (i32.const 24))
(func (export "proxy_abi_version_0_2_1"))
(func (export "proxy_on_memory_allocate") (param $n i32) (result i32)
  (global.get $heap)
  (global.set $heap (i32.and (i32.const -8)
    (i32.add (i32.const 8) (i32.add (global.get $heap) (local.get $n))))))
(func (export "proxy_on_context_create") (param i32 i32))
(func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
;; the configuration is the number of the probe, in two digits
(func (export "proxy_on_configure") (param i32 i32) (result i32)
  (drop (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 2) (global.get $data) (global.get $size)))
  (global.set $probe (i32.add
    (i32.mul (i32.const 10) (i32.sub (i32.load8_u (i32.load (global.get $data))) (i32.const 48)))
    (i32.sub (i32.load8_u (i32.add (i32.const 1) (i32.load (global.get $data)))) (i32.const 48))))
  (call $clear)
  (i32.const 1))
(func $clear
  (i32.store (global.get $data) (i32.const 0))
  (i32.store (global.get $size) (i32.const 0))
  (i64.store (global.get $out) (i64.const 0)))
;; a line is put together from 1024 on
(func $text (param $label i32) (param $length i32) (param $value i32) (param $size i32)
  (i32.store8 (i32.const 1024) (i32.const 126))
  (i32.store8 (i32.const 1025) (i32.add (i32.const 48) (i32.div_u (global.get $probe) (i32.const 10))))
  (i32.store8 (i32.const 1026) (i32.add (i32.const 48) (i32.rem_u (global.get $probe) (i32.const 10))))
  (i32.store8 (i32.const 1027) (i32.const 126))
  (memory.copy (i32.const 1028) (local.get $label) (local.get $length))
  (i32.store16 (i32.add (i32.const 1028) (local.get $length)) (i32.const 0x203a))
  (memory.copy (i32.add (i32.const 1030) (local.get $length)) (local.get $value) (local.get $size))
  (drop (call $log (i32.const 2) (i32.const 1024)
    (i32.add (i32.const 6) (i32.add (local.get $length) (local.get $size))))))
(func $say (param $label i32) (param $length i32)
  (call $text (local.get $label) (local.get $length) @"."))
(func $number (param $label i32) (param $length i32) (param $n i64) (local $at i32)
  (local.set $at (i32.const 96))
  (loop $digit
    (local.set $at (i32.sub (local.get $at) (i32.const 1)))
    (i32.store8 (local.get $at)
      (i32.wrap_i64 (i64.add (i64.const 48) (i64.rem_u (local.get $n) (i64.const 10)))))
    (local.set $n (i64.div_u (local.get $n) (i64.const 10)))
    (br_if $digit (i32.wrap_i64 (local.get $n))))
  (call $text (local.get $label) (local.get $length)
    (local.get $at) (i32.sub (i32.const 96) (local.get $at))))
(func $status (param $label i32) (param $length i32) (param $status i32)
  (if (i32.eqz (local.get $status)) (then (call $text (local.get $label) (local.get $length) @"ok") (return)))
  (if (i32.eq (local.get $status) (i32.const 1)) (then (call $text (local.get $label) (local.get $length) @"not found") (return)))
  (if (i32.eq (local.get $status) (i32.const 2)) (then (call $text (local.get $label) (local.get $length) @"bad argument") (return)))
  (if (i32.eq (local.get $status) (i32.const 6)) (then (call $text (local.get $label) (local.get $length) @"invalid memory access") (return)))
  (if (i32.eq (local.get $status) (i32.const 7)) (then (call $text (local.get $label) (local.get $length) @"empty") (return)))
  (if (i32.eq (local.get $status) (i32.const 8)) (then (call $text (local.get $label) (local.get $length) @"CAS mismatch") (return)))
  (if (i32.eq (local.get $status) (i32.const 10)) (then (call $text (local.get $label) (local.get $length) @"internal failure") (return)))
  (if (i32.eq (local.get $status) (i32.const 12)) (then (call $text (local.get $label) (local.get $length) @"unimplemented") (return)))
  (call $number (local.get $label) (local.get $length) (i64.extend_i32_u (local.get $status))))
(func $bytes (param $label i32) (param $length i32) (param $status i32)
  (if (local.get $status)
    (then (call $status (local.get $label) (local.get $length) (local.get $status)))
    (else (if (i32.load (global.get $data))
      (then (call $text (local.get $label) (local.get $length)
        (i32.load (global.get $data)) (i32.load (global.get $size))))
      (else (call $text (local.get $label) (local.get $length) @"(null)")))))
  (call $clear))
(func $length (param $label i32) (param $length i32) (param $status i32)
  (if (local.get $status)
    (then (call $status (local.get $label) (local.get $length) (local.get $status)))
    (else (call $number (local.get $label) (local.get $length) (i64.load32_u (global.get $size)))))
  (call $clear))
(func $pairs (param $label i32) (param $length i32) (param $status i32)
  (local $left i32) (local $sizes i32) (local $at i32) (local $to i32) (local $name i32) (local $value i32)
  (if (local.get $status) (then
    (call $status (local.get $label) (local.get $length) (local.get $status)) (return)))
  (local.set $to (i32.const 4096))
  (local.set $left (i32.load (i32.load (global.get $data))))
  (local.set $sizes (i32.add (i32.const 4) (i32.load (global.get $data))))
  (local.set $at (i32.add (local.get $sizes) (i32.mul (i32.const 8) (local.get $left))))
  (block $done (loop $pair
    (br_if $done (i32.eqz (local.get $left)))
    (local.set $name (i32.load (local.get $sizes)))
    (local.set $value (i32.load offset=4 (local.get $sizes)))
    ;; a colon, or `x-p-`
    (if (i32.or (i32.eq (i32.load8_u (local.get $at)) (i32.const 58))
                (i32.eq (i32.load (local.get $at)) (i32.const 0x2d702d78))) (then
      (memory.copy (local.get $to) (local.get $at) (local.get $name))
      (local.set $to (i32.add (local.get $to) (local.get $name)))
      (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 0x78)) (then
        (i32.store8 (local.get $to) (i32.const 61))
        (memory.copy (i32.add (i32.const 1) (local.get $to))
          (i32.add (i32.const 1) (i32.add (local.get $at) (local.get $name))) (local.get $value))
        (local.set $to (i32.add (i32.const 1) (i32.add (local.get $to) (local.get $value))))))
      (i32.store8 (local.get $to) (i32.const 32))
      (local.set $to (i32.add (i32.const 1) (local.get $to)))))
    (local.set $at (i32.add (i32.const 2)
      (i32.add (local.get $at) (i32.add (local.get $name) (local.get $value)))))
    (local.set $sizes (i32.add (i32.const 8) (local.get $sizes)))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br $pair)))
  (call $text (local.get $label) (local.get $length)
    (i32.const 4096) (i32.sub (local.get $to) (i32.const 4096)))
  (call $clear))
(func $out32 (param $label i32) (param $length i32) (param $status i32)
  (if (local.get $status)
    (then (call $status (local.get $label) (local.get $length) (local.get $status)))
    (else (call $number (local.get $label) (local.get $length) (i64.load32_u (global.get $out)))))
  (call $clear))
(func $out64 (param $label i32) (param $length i32) (param $status i32)
  (if (local.get $status)
    (then (call $status (local.get $label) (local.get $length) (local.get $status)))
    (else (call $number (local.get $label) (local.get $length) (i64.load (global.get $out)))))
  (call $clear))
"#;

/// The module.
pub(crate) fn module() -> Vec<u8> {
    wat::parse_str(text()).unwrap_or_else(|error| panic!("{error}"))
}

fn text() -> String {
    let mut text = PRELUDE.to_owned();
    for (callback, parameters, result) in CALLBACKS {
        let names: Vec<_> = parameters.split(' ').collect();
        let declared: String = names.iter().map(|name| format!(" (param {name} i32)")).collect();
        let result_type = if result.is_some() { " (result i32)" } else { "" };
        let mut dispatch = String::new();
        for (number, probe) in PROBES.iter().enumerate() {
            let Some((_, body)) = probe.callbacks.iter().find(|(name, _)| name == callback) else {
                continue;
            };
            let value = result.map(|result| format!("(i32.const {result})"));
            let value = value.filter(|_| !body.trim_end().ends_with(";; returns"));
            let value = value.unwrap_or_default();
            writeln!(text, "(func $p{number}_{callback}{declared}{result_type} {body}\n{value})")
                .expect("a string takes all");
            let arguments: String =
                names.iter().map(|name| format!(" (local.get {name})")).collect();
            let call = format!("(return (call $p{number}_{callback}{arguments}))");
            writeln!(
                dispatch,
                "(if (i32.eq (global.get $probe) (i32.const {number})) (then {call}))"
            )
            .expect("a string takes all");
        }
        let last = result.map(|result| format!("(i32.const {result})")).unwrap_or_default();
        writeln!(
            text,
            "(func (export \"proxy_on_{callback}\"){declared}{result_type}\n{dispatch}{last})"
        )
        .expect("a string takes all");
    }
    expand(&text)
}

/// Puts strings into the memory, and pointers to them in their place.
fn expand(text: &str) -> String {
    let (mut body, mut data, mut at) = (String::new(), String::new(), 8192);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@\"") {
        let (string, behind) = after.split_once('"').expect("the end of a string");
        // An escape is a backslash and two digits.
        let size = string.len() - 2 * string.matches('\\').count();
        write!(body, "{before}(i32.const {at}) (i32.const {size})").expect("a string takes all");
        writeln!(data, "(data (i32.const {at}) \"{string}\")").expect("a string takes all");
        at += size;
        rest = behind;
    }
    format!("(module {body}{rest} {data})")
}
