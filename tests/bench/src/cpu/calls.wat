;; The calls of the closed path, and nothing besides: both heads are read, the gauge is asked twice,
;; and the call is counted. No filter that looks at both heads costs less than the proxy's part of it.
(module
  (import "env" "proxy_define_metric"
    (func $define (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_metric" (func $get (param i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
  (import "env" "proxy_get_header_map_pairs" (func $headers (param i32 i32 i32) (result i32)))

  (memory (export "memory") 2)
  (data (i32.const 64) "calls")
  (data (i32.const 80) "version")
  (global $counter i32 (i32.const 16))
  (global $gauge i32 (i32.const 20))
  (global $value i32 (i32.const 24))
  (global $start i32 (i32.const 32))
  (global $size i32 (i32.const 36))

  (func $read (param $map i32)
    (drop (call $headers (local.get $map) (global.get $start) (global.get $size))))
  (func $look
    (drop (call $get (i32.load (global.get $gauge)) (global.get $value))))

  (func (export "proxy_abi_version_0_2_1"))
  ;; What the proxy hands over lies in one place, which the next thing takes.
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $define (i32.const 0) (i32.const 64) (i32.const 5) (global.get $counter)))
    (drop (call $define (i32.const 1) (i32.const 80) (i32.const 7) (global.get $gauge)))
    (i32.const 1))

  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $read (i32.const 0))
    (call $look)
    (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (call $read (i32.const 2))
    (i32.const 0))
  (func (export "proxy_on_response_body") (param i32 i32) (param $end i32) (result i32)
    (if (local.get $end)
      (then
        (call $look)
        (drop (call $increment (i32.load (global.get $counter)) (i64.const 1)))))
    (i32.const 0))
  (func (export "proxy_on_delete") (param i32)))
