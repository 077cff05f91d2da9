//! What is compared: for each probe, what it is about, its callbacks, and the request it gets.

/// One probe.
pub(crate) struct Probe {
    pub(crate) about: &'static str,
    /// The bodies of its callbacks by their names, as in [`crate::guest`]. A body that leaves a
    /// result ends with `;; returns`.
    pub(crate) callbacks: &'static [(&'static str, &'static str)],
    pub(crate) request: Request,
    /// The label of the last line that is logged.
    pub(crate) last: &'static str,
}

/// What a client sends. The service answers each request alike.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) body: &'static str,
}

const GET: Request = Request {
    method: "GET",
    headers: &[("x-p-one", "1"), ("x-p-two", "a"), ("x-p-two", "b"), ("x-p-none", "")],
    body: "",
};
const HEAD: Request = Request { method: "HEAD", headers: &[], body: "" };
const GRPC: Request =
    Request { method: "POST", headers: &[("content-type", "application/grpc")], body: "" };
const POST: Request = Request { method: "POST", headers: &[], body: "0123456789" };

/// What the last callback of a stream tells.
const END: (&str, &str) = ("delete", r#"(call $say @"end")"#);

const fn probe(
    about: &'static str,
    request: Request,
    callbacks: &'static [(&'static str, &'static str)],
) -> Probe {
    Probe { about, callbacks, request, last: "end" }
}

pub(crate) const PROBES: &[Probe] = &[
    probe(
        "a header is read by its name in any case; of several values the first",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $bytes @"in capitals" (call $get_header (i32.const 0) @"X-P-One" (global.get $data) (global.get $size)))
            (call $bytes @"of two" (call $get_header (i32.const 0) @"x-p-two" (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a header that is missing is not found; one that is empty is a null pointer",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $bytes @"missing" (call $get_header (i32.const 0) @"x-p-missing" (global.get $data) (global.get $size)))
            (call $bytes @"empty" (call $get_header (i32.const 0) @"x-p-none" (global.get $data) (global.get $size)))
            (call $bytes @"no name" (call $get_header (i32.const 0) (i32.const 0) (i32.const 0) (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a value is added behind those that are there",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"add" (call $add_header (i32.const 0) @"X-P-Two" @"c"))
            (call $bytes @"first" (call $get_header (i32.const 0) @"x-p-two" (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a value that replaces takes the place of all",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"replace" (call $set_header (i32.const 0) @"x-p-two" @"c"))
            (call $status @"a new one" (call $set_header (i32.const 0) @"x-p-new" @"n"))
            (call $status @"by nothing" (call $set_header (i32.const 0) @"x-p-one" (i32.const 0) (i32.const 0)))
            (call $bytes @"then" (call $get_header (i32.const 0) @"x-p-one" (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "all values of a name are removed; one that is missing may be",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"remove" (call $remove_header (i32.const 0) @"X-P-Two"))
            (call $status @"again" (call $remove_header (i32.const 0) @"x-p-two"))
            (call $bytes @"then" (call $get_header (i32.const 0) @"x-p-two" (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a map that is not there, or of no known number",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $bytes @"value of the response" (call $get_header (i32.const 2) @":status" (global.get $data) (global.get $size)))
            (call $length @"pairs of the response" (call $get_pairs (i32.const 2) (global.get $data) (global.get $size)))
            (call $out32 @"size of the response" (call $get_map_size (i32.const 2) (global.get $out)))
            (call $status @"add to the response" (call $add_header (i32.const 2) @"x-p" @"1"))
            (call $status @"replace in the response" (call $set_header (i32.const 2) @"x-p" @"1"))
            (call $status @"remove from the response" (call $remove_header (i32.const 2) @"x-p"))
            (call $bytes @"value of a trailer" (call $get_header (i32.const 1) @"x-p" (global.get $data) (global.get $size)))
            (call $status @"add to the trailers" (call $add_header (i32.const 1) @"x-p" @"1"))
            (call $bytes @"value of a call's answer" (call $get_header (i32.const 6) @":status" (global.get $data) (global.get $size)))
            (call $length @"pairs of map 8" (call $get_pairs (i32.const 8) (global.get $data) (global.get $size)))
            (call $bytes @"value of map 8" (call $get_header (i32.const 8) @"x-p" (global.get $data) (global.get $size)))
            (call $status @"remove from map 8" (call $remove_header (i32.const 8) @"x-p"))"#,
            ),
            END,
        ],
    ),
    probe(
        "request headers once they have gone on, and in the log",
        GET,
        &[
            (
                "response_headers",
                r#"
            (call $bytes @"value" (call $get_header (i32.const 0) @"x-p-one" (global.get $data) (global.get $size)))
            (call $length @"pairs" (call $get_pairs (i32.const 0) (global.get $data) (global.get $size)))
            (call $status @"add" (call $add_header (i32.const 0) @"x-p-late" @"1"))"#,
            ),
            (
                "log",
                r#"
            (call $bytes @"value in the log" (call $get_header (i32.const 0) @"x-p-one" (global.get $data) (global.get $size)))
            (call $bytes @"missing in the log" (call $get_header (i32.const 0) @"x-p-missing" (global.get $data) (global.get $size)))
            (call $bytes @"status in the log" (call $get_header (i32.const 2) @":status" (global.get $data) (global.get $size)))
            (call $bytes @"trailer in the log" (call $get_header (i32.const 3) @"x-p" (global.get $data) (global.get $size)))
            (call $status @"add in the log" (call $add_header (i32.const 0) @"x-p-late" @"1"))"#,
            ),
            END,
        ],
    ),
    probe(
        "pseudo-headers are headers, and the path's property follows them",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $bytes @"method" (call $get_header (i32.const 0) @":method" (global.get $data) (global.get $size)))
            (call $bytes @"path" (call $get_header (i32.const 0) @":path" (global.get $data) (global.get $size)))
            (call $status @"replace" (call $set_header (i32.const 0) @":path" @"/other?x=1"))
            (call $bytes @"property" (call $get_property @"request\00path" (global.get $data) (global.get $size)))
            (call $bytes @"query" (call $get_property @"request\00query" (global.get $data) (global.get $size)))
            (call $bytes @"of a header" (call $get_property @"request\00headers\00x-p-one" (global.get $data) (global.get $size)))
            (call $bytes @"of a header that is missing" (call $get_property @"request\00headers\00x-p-no" (global.get $data) (global.get $size)))"#,
            ),
            (
                "response_headers",
                r#"
            (call $bytes @"status" (call $get_header (i32.const 2) @":status" (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "all headers are set at once, as pairs",
        GET,
        &[
            (
                "response_headers",
                r#"
            (call $status @"set" (call $set_pairs (i32.const 2) @"\02\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00:status\00203\00x-p-a\00b\00"))
            (call $bytes @"status" (call $get_header (i32.const 2) @":status" (global.get $data) (global.get $size)))
            (call $bytes @"of the service" (call $get_header (i32.const 2) @"x-p-up" (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a reply to a request passes through the filter's own response callbacks",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"reply" (call $reply (i32.const 418) @"teapot" @"short" @"\01\00\00\00\05\00\00\00\01\00\00\00x-p-r\001\00" (i32.const -1)))
            (call $bytes @"afterwards" (call $get_header (i32.const 0) @"x-p-one" (global.get $data) (global.get $size)))"#,
            ),
            (
                "response_headers",
                r#"
            (call $bytes @"own status" (call $get_header (i32.const 2) @":status" (global.get $data) (global.get $size)))
            (call $bytes @"own length" (call $get_header (i32.const 2) @"content-length" (global.get $data) (global.get $size)))
            (call $status @"added" (call $add_header (i32.const 2) @"x-p-own" @"1"))"#,
            ),
            (
                "response_body",
                r#"(call $number @"own body" (i64.extend_i32_u (local.get $count)))"#,
            ),
            (
                "log",
                r#"
            (call $bytes @"status in the log" (call $get_header (i32.const 2) @":status" (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a reply in the place of a response goes out directly",
        GET,
        &[
            (
                "response_headers",
                r#"
            (call $bytes @"status" (call $get_header (i32.const 2) @":status" (global.get $data) (global.get $size)))
            (call $status @"reply" (call $reply (i32.const 502) (i32.const 0) (i32.const 0) @"instead" (i32.const 0) (i32.const 0) (i32.const -1)))"#,
            ),
            ("response_body", r#"(call $say @"body")"#),
            (
                "log",
                r#"
            (call $bytes @"status in the log" (call $get_header (i32.const 2) @":status" (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a reply once a response's headers have gone cuts it off",
        GET,
        &[
            (
                "response_body",
                r#"
            (call $status @"reply" (call $reply (i32.const 502) (i32.const 0) (i32.const 0) @"late" (i32.const 0) (i32.const 0) (i32.const -1)))"#,
            ),
            END,
        ],
    ),
    probe(
        "what a callback returns after a reply does not matter",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"reply" (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
            (call $status @"another" (call $reply (i32.const 404) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
            (i32.const 0) ;; returns"#,
            ),
            END,
        ],
    ),
    probe(
        "a reply to HEAD has no body",
        HEAD,
        &[
            (
                "request_headers",
                r#"
            (call $status @"reply" (call $reply (i32.const 403) (i32.const 0) (i32.const 0) @"no" (i32.const 0) (i32.const 0) (i32.const -1)))
            (i32.const 1) ;; returns"#,
            ),
            END,
        ],
    ),
    probe(
        "a reply to gRPC is 200 and a gRPC status",
        GRPC,
        &[
            (
                "request_headers",
                r#"
            (call $status @"reply" (call $reply (i32.const 403) (i32.const 0) (i32.const 0) @"no" (i32.const 0) (i32.const 0) (i32.const -1)))
            (i32.const 1) ;; returns"#,
            ),
            END,
        ],
    ),
    probe(
        "a reply with a gRPC status of its own",
        GRPC,
        &[
            (
                "request_headers",
                r#"
            (call $status @"reply" (call $reply (i32.const 403) (i32.const 0) (i32.const 0) @"no" (i32.const 0) (i32.const 0) (i32.const 5)))
            (i32.const 1) ;; returns"#,
            ),
            END,
        ],
    ),
    probe(
        "what is of the response can be known from then on, and numbers are eight bytes",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $length @"code" (call $get_property @"response\00code" (global.get $data) (global.get $size)))
            (call $bytes @"details" (call $get_property @"response\00code_details" (global.get $data) (global.get $size)))
            (call $length @"flags" (call $get_property @"response\00flags" (global.get $data) (global.get $size)))
            (call $length @"duration" (call $get_property @"request\00duration" (global.get $data) (global.get $size)))
            (call $bytes @"cluster" (call $get_property @"xds\00cluster_name" (global.get $data) (global.get $size)))"#,
            ),
            (
                "response_headers",
                r#"
            (call $length @"code then" (call $get_property @"response\00code" (global.get $data) (global.get $size)))
            (call $bytes @"details then" (call $get_property @"response\00code_details" (global.get $data) (global.get $size)))
            (call $length @"flags then" (call $get_property @"response\00flags" (global.get $data) (global.get $size)))
            (call $length @"duration then" (call $get_property @"request\00duration" (global.get $data) (global.get $size)))
            (call $bytes @"path then" (call $get_property @"request\00path" (global.get $data) (global.get $size)))"#,
            ),
            (
                "log",
                r#"
            (call $length @"code in the log" (call $get_property @"response\00code" (global.get $data) (global.get $size)))
            (call $bytes @"details in the log" (call $get_property @"response\00code_details" (global.get $data) (global.get $size)))
            (call $length @"duration in the log" (call $get_property @"request\00duration" (global.get $data) (global.get $size)))
            (call $bytes @"path in the log" (call $get_property @"request\00path" (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "the plugin knows its names, and a property that is not known is not found",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $bytes @"name" (call $get_property @"plugin_name" (global.get $data) (global.get $size)))
            (call $bytes @"root" (call $get_property @"plugin_root_id" (global.get $data) (global.get $size)))
            (call $bytes @"unknown" (call $get_property @"no\00such" (global.get $data) (global.get $size)))
            (call $bytes @"nothing" (call $get_property (i32.const 0) (i32.const 0) (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "what a filter sets it can read, until the log",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"set" (call $set_property @"p_mine" @"v"))
            (call $bytes @"get" (call $get_property @"p_mine" (global.get $data) (global.get $size)))
            (call $status @"set again" (call $set_property @"p_mine" @"w"))
            (call $bytes @"get again" (call $get_property @"p_mine" (global.get $data) (global.get $size)))"#,
            ),
            (
                "log",
                r#"
            (call $bytes @"in the log" (call $get_property @"p_mine" (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "shared data is written if the version is the one that is there, or 0",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $bytes @"missing" (call $get_shared_data @"k" (global.get $data) (global.get $size) (global.get $out)))
            (call $status @"created by any version" (call $set_shared_data @"k" @"1" (i32.const 77)))
            (call $bytes @"value" (call $get_shared_data @"k" (global.get $data) (global.get $size) (global.get $out)))
            (drop (call $get_shared_data @"k" (global.get $data) (global.get $size) (global.get $out)))
            (global.set $a (i32.load (global.get $out)))
            (call $number @"version is 0" (i64.extend_i32_u (i32.eqz (global.get $a))))
            (call $status @"another version" (call $set_shared_data @"k" @"2" (i32.add (global.get $a) (i32.const 1000))))
            (call $status @"this version" (call $set_shared_data @"k" @"3" (global.get $a)))
            (call $status @"the old version" (call $set_shared_data @"k" @"4" (global.get $a)))
            (call $status @"in any case" (call $set_shared_data @"k" @"5" (i32.const 0)))
            (call $bytes @"at last" (call $get_shared_data @"k" (global.get $data) (global.get $size) (global.get $out)))
            (call $status @"empty" (call $set_shared_data @"e" (i32.const 0) (i32.const 0) (i32.const 0)))
            (call $bytes @"of the empty one" (call $get_shared_data @"e" (global.get $data) (global.get $size) (global.get $out)))"#,
            ),
            END,
        ],
    ),
    probe(
        "shared data of another vm_id is not seen",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $bytes @"value" (call $get_shared_data @"k" (global.get $data) (global.get $size) (global.get $out)))"#,
            ),
            END,
        ],
    ),
    Probe {
        about: "a queue gives what was put in, in its order, and tells who registered it",
        request: GET,
        callbacks: &[
            (
                "request_headers",
                r#"
                (call $status @"resolve, unknown" (call $resolve_queue @"" @"q" (global.get $out)))
                (call $status @"register" (call $register_queue @"q" (global.get $out)))
                (global.set $a (i32.load (global.get $out)))
                (call $status @"register again" (call $register_queue @"q" (global.get $out)))
                (call $number @"the same" (i64.extend_i32_u (i32.eq (global.get $a) (i32.load (global.get $out)))))
                (call $bytes @"dequeue, empty" (call $dequeue (global.get $a) (global.get $data) (global.get $size)))
                (call $status @"enqueue, unknown" (call $enqueue (i32.const 9999) @"x"))
                (call $bytes @"dequeue, unknown" (call $dequeue (i32.const 9999) (global.get $data) (global.get $size)))
                (call $status @"enqueue" (call $enqueue (global.get $a) @"one"))
                (call $status @"enqueue" (call $enqueue (global.get $a) @"two"))
                (call $bytes @"dequeue" (call $dequeue (global.get $a) (global.get $data) (global.get $size)))"#,
            ),
            (
                "queue_ready",
                r#"
                (call $number @"told of it" (i64.extend_i32_u (i32.eq (global.get $a) (local.get $token))))
                (call $bytes @"told" (call $dequeue (local.get $token) (global.get $data) (global.get $size)))
                (global.set $b (i32.add (global.get $b) (i32.const 1)))
                (if (i32.eq (global.get $b) (i32.const 2)) (then (call $say @"last")))"#,
            ),
        ],
        last: "last",
    },
    probe(
        "a call that cannot be made is refused at once",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"unknown cluster" (call $http_call @"nowhere"
                @"\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00:method\00GET\00:path\00/\00:authority\00a\00"
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (global.get $out)))
            (call $status @"no authority" (call $http_call @"service"
                @"\02\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00:method\00GET\00:path\00/\00"
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (global.get $out)))
            (call $status @"negative timeout" (call $http_call @"service"
                @"\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00:method\00GET\00:path\00/\00:authority\00a\00"
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1) (global.get $out)))
            (call $bytes @"body of no call" (call $get_buffer (i32.const 4) (i32.const 0) (i32.const 10) (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a paused request goes on when a call's answer has come",
        GET,
        &[
            (
                "request_headers",
                r#"
            (global.set $a (local.get $ctx))
            (call $status @"call" (call $http_call @"service"
                @"\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00:method\00GET\00:path\00/\00:authority\00a\00"
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 60000) (global.get $out)))
            (i32.const 1) ;; returns"#,
            ),
            (
                "http_call_response",
                r#"
            (call $number @"of the stream's context" (i64.extend_i32_u (i32.eq (global.get $a) (local.get $ctx))))
            (call $number @"body" (i64.extend_i32_u (local.get $body)))
            (call $number @"trailers" (i64.extend_i32_u (local.get $trailers)))
            (call $bytes @"status" (call $get_header (i32.const 6) @":status" (global.get $data) (global.get $size)))
            (call $bytes @"header" (call $get_header (i32.const 6) @"x-p-up" (global.get $data) (global.get $size)))
            (call $bytes @"trailer" (call $get_header (i32.const 7) @"x-p" (global.get $data) (global.get $size)))
            (call $bytes @"part" (call $get_buffer (i32.const 4) (i32.const 1) (i32.const 3) (global.get $data) (global.get $size)))
            (call $bytes @"more than there is" (call $get_buffer (i32.const 4) (i32.const 2) (i32.const 100) (global.get $data) (global.get $size)))
            (call $bytes @"behind it" (call $get_buffer (i32.const 4) (i32.const 100) (i32.const 1) (global.get $data) (global.get $size)))
            (call $status @"change" (call $set_buffer (i32.const 4) (i32.const 0) (i32.const 1) @"x"))
            (call $status @"to the stream" (call $set_effective_context (global.get $a)))
            (call $status @"header of the request" (call $add_header (i32.const 0) @"x-p-called" @"1"))
            (call $status @"go on" (call $continue_stream (i32.const 0)))
            (call $bytes @"afterwards" (call $get_header (i32.const 0) @"x-p-one" (global.get $data) (global.get $size)))"#,
            ),
            ("response_headers", r#"(call $say @"response")"#),
            END,
        ],
    ),
    Probe {
        about: "a timer ticks one period after it was set, until it is set to 0",
        request: GET,
        callbacks: &[
            ("request_headers", r#"(call $status @"set" (call $set_tick_period (i32.const 200)))"#),
            (
                "tick",
                r#"
                (global.set $a (i32.add (global.get $a) (i32.const 1)))
                (call $number @"tick" (i64.extend_i32_u (global.get $a)))
                (if (i32.eq (global.get $a) (i32.const 2)) (then
                    (call $status @"unset" (call $set_tick_period (i32.const 0)))
                    (call $say @"last")))"#,
            ),
        ],
        last: "last",
    },
    probe(
        "a metric of each kind takes what fits it",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"no such kind" (call $define_metric (i32.const 3) @"p_x" (global.get $out)))
            (call $status @"counter" (call $define_metric (i32.const 0) @"p_c" (global.get $out)))
            (global.set $a (i32.load (global.get $out)))
            (call $status @"up" (call $increment_metric (global.get $a) (i64.const 2)))
            (call $status @"down" (call $increment_metric (global.get $a) (i64.const -1)))
            (call $status @"by nothing" (call $increment_metric (global.get $a) (i64.const 0)))
            (call $status @"record" (call $record_metric (global.get $a) (i64.const 5)))
            (call $out64 @"value" (call $get_metric (global.get $a) (global.get $out)))
            (call $status @"defined again" (call $define_metric (i32.const 0) @"p_c" (global.get $out)))
            (call $number @"as the same number" (i64.extend_i32_u (i32.eq (global.get $a) (i32.load (global.get $out)))))
            (call $out64 @"its value" (call $get_metric (i32.load (global.get $out)) (global.get $out)))
            (call $status @"gauge" (call $define_metric (i32.const 1) @"p_g" (global.get $out)))
            (global.set $a (i32.load (global.get $out)))
            (call $status @"set" (call $record_metric (global.get $a) (i64.const 7)))
            (call $status @"gauge down" (call $increment_metric (global.get $a) (i64.const -3)))
            (call $out64 @"gauge value" (call $get_metric (global.get $a) (global.get $out)))
            (call $status @"histogram" (call $define_metric (i32.const 2) @"p_h" (global.get $out)))
            (global.set $a (i32.load (global.get $out)))
            (call $status @"sample" (call $record_metric (global.get $a) (i64.const 7)))
            (call $status @"raised" (call $increment_metric (global.get $a) (i64.const 7)))
            (call $out64 @"histogram value" (call $get_metric (global.get $a) (global.get $out)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a metric of no known number is not found",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"increment" (call $increment_metric (i32.const 123456) (i64.const 1)))
            (call $status @"record" (call $record_metric (i32.const 123456) (i64.const 1)))
            (call $out64 @"value" (call $get_metric (i32.const 123456) (global.get $out)))"#,
            ),
            END,
        ],
    ),
    probe(
        "callbacks come in their order, to the end",
        GET,
        &[
            (
                "request_headers",
                r#"(call $number @"request headers, end" (i64.extend_i32_u (local.get $end)))"#,
            ),
            ("request_body", r#"(call $say @"request body")"#),
            (
                "response_headers",
                r#"(call $number @"response headers, end" (i64.extend_i32_u (local.get $end)))"#,
            ),
            ("log", r#"(call $say @"log")"#),
            ("done", r#"(call $say @"done")"#),
            END,
        ],
    ),
    probe(
        "a stream that is not done is deleted all the same",
        GET,
        &[
            ("log", r#"(call $status @"too early" (call $done))"#),
            (
                "done",
                r#"
            (global.set $a (local.get $ctx))
            (drop (call $set_tick_period (i32.const 50)))
            (call $say @"not yet")
            (i32.const 0) ;; returns"#,
            ),
            (
                "tick",
                r#"
            (drop (call $set_tick_period (i32.const 0)))
            (call $status @"to the stream" (call $set_effective_context (global.get $a)))
            (call $status @"now" (call $done))"#,
            ),
            END,
        ],
    ),
    probe(
        "a body is held back until its end, and all of it is shown then",
        POST,
        &[
            (
                "request_headers",
                r#"(call $number @"end with the headers" (i64.extend_i32_u (local.get $end)))"#,
            ),
            (
                "request_body",
                r#"
            (if (i32.eqz (local.get $end)) (then (return (i32.const 1))))
            (call $number @"size" (i64.extend_i32_u (local.get $count)))
            (call $bytes @"part" (call $get_buffer (i32.const 0) (i32.const 2) (i32.const 3) (global.get $data) (global.get $size)))
            (call $bytes @"more than there is" (call $get_buffer (i32.const 0) (i32.const 5) (i32.const 100) (global.get $data) (global.get $size)))
            (call $bytes @"behind it" (call $get_buffer (i32.const 0) (i32.const 100) (i32.const 5) (global.get $data) (global.get $size)))
            (call $bytes @"nothing of it" (call $get_buffer (i32.const 0) (i32.const 0) (i32.const 0) (global.get $data) (global.get $size)))
            (call $bytes @"overflow" (call $get_buffer (i32.const 0) (i32.const -1) (i32.const 2) (global.get $data) (global.get $size)))
            (call $bytes @"of the response" (call $get_buffer (i32.const 1) (i32.const 0) (i32.const 5) (global.get $data) (global.get $size)))
            (call $bytes @"buffer 9" (call $get_buffer (i32.const 9) (i32.const 0) (i32.const 5) (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a body is changed at its start or its end, and not in its middle",
        POST,
        &[
            (
                "request_headers",
                r#"
            (call $status @"length is forgotten" (call $remove_header (i32.const 0) @"content-length"))
            (call $status @"too early" (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) @"x"))
            (i32.const 0) ;; returns"#,
            ),
            (
                "request_body",
                r#"
            (if (i32.eqz (local.get $end)) (then (return (i32.const 1))))
            (call $status @"before it" (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) @"<"))
            (call $status @"behind it" (call $set_buffer (i32.const 0) (i32.const 1000) (i32.const 0) @">"))
            (call $status @"in the middle" (call $set_buffer (i32.const 0) (i32.const 3) (i32.const 2) @"x"))
            (call $bytes @"now" (call $get_buffer (i32.const 0) (i32.const 0) (i32.const 100) (global.get $data) (global.get $size)))
            (call $status @"in place of some" (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 3) @"!"))
            (call $status @"configuration" (call $set_buffer (i32.const 7) (i32.const 0) (i32.const 1) @"x"))"#,
            ),
            END,
        ],
    ),
    probe(
        "a response's body is replaced as a whole, once its headers have gone",
        GET,
        &[
            (
                "response_headers",
                r#"
            (call $status @"length is forgotten" (call $remove_header (i32.const 2) @"content-length"))
            (i32.const 0) ;; returns"#,
            ),
            (
                "response_body",
                r#"
            (if (i32.eqz (local.get $end)) (then (return (i32.const 1))))
            (call $status @"in its place" (call $set_buffer (i32.const 1) (i32.const 0) (i32.const 1000) @"another"))
            (call $bytes @"now" (call $get_buffer (i32.const 1) (i32.const 0) (i32.const 100) (global.get $data) (global.get $size)))
            (call $bytes @"of the request" (call $get_buffer (i32.const 0) (i32.const 0) (i32.const 100) (global.get $data) (global.get $size)))
            (call $status @"a header, late" (call $add_header (i32.const 2) @"x-p-late" @"1"))
            (call $bytes @"trailer" (call $get_header (i32.const 3) @"x-p" (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a foreign function that is not known is not found",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"unknown" (call $call_foreign @"no_such_function" @"x" (global.get $data) (global.get $size)))
            (call $status @"known" (call $call_foreign @"clear_route_cache" (i32.const 0) (i32.const 0) (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a context, a stream and a level that are not there",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"context" (call $set_effective_context (i32.const 99999)))
            (call $status @"done" (call $done))
            (call $status @"stream 9 goes on" (call $continue_stream (i32.const 9)))
            (call $status @"network stream goes on" (call $continue_stream (i32.const 2)))
            (call $status @"its other side goes on" (call $continue_stream (i32.const 3)))
            (call $status @"stream 9 closes" (call $close_stream (i32.const 9)))
            (call $status @"level 9" (call $log (i32.const 9) @"x"))
            (call $status @"request goes on that is not paused" (call $continue_stream (i32.const 0)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a pointer out of memory is a status",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"name" (call $get_header (i32.const 0) (i32.const -16) (i32.const 8) (global.get $data) (global.get $size)))
            (call $status @"result" (call $get_header (i32.const 0) @"x-p-one" (i32.const -16) (global.get $size)))
            (call $status @"value" (call $set_shared_data @"k" (i32.const 0x7ffffff0) (i32.const 64) (i32.const 0)))
            (call $status @"metric" (call $define_metric (i32.const 0) @"p_m" (i32.const -4)))
            (call $status @"time" (call $time (i32.const -4)))
            (call $status @"line" (call $log (i32.const 2) (i32.const -4) (i32.const 2)))"#,
            ),
            END,
        ],
    ),
    probe(
        "clocks, randomness and files of WASI",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $number @"wall" (i64.extend_i32_u (call $clock_time_get (i32.const 0) (i64.const 1) (global.get $out))))
            (call $number @"monotonic" (i64.extend_i32_u (call $clock_time_get (i32.const 1) (i64.const 1) (global.get $out))))
            (call $number @"CPU" (i64.extend_i32_u (call $clock_time_get (i32.const 2) (i64.const 1) (global.get $out))))
            (call $number @"random" (i64.extend_i32_u (call $random_get (i32.const 65536) (i32.const 65536))))
            (call $number @"too much of it" (i64.extend_i32_u (call $random_get (i32.const 65536) (i32.const 65537))))
            (i32.store (i32.const 32) (i32.const 1024))
            (i32.store (i32.const 36) (i32.const 0))
            (call $number @"nothing written" (i64.extend_i32_u (call $fd_write (i32.const 1) (i32.const 32) (i32.const 1) (global.get $out))))
            (call $number @"to file 7" (i64.extend_i32_u (call $fd_write (i32.const 7) (i32.const 32) (i32.const 1) (global.get $out))))"#,
            ),
            END,
        ],
    ),
    probe(
        "pairs come in the order of the headers; one that is replaced is the last",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $pairs @"as they came" (call $get_pairs (i32.const 0) (global.get $data) (global.get $size)))
            (call $status @"replace the first" (call $set_header (i32.const 0) @"x-p-one" @"2"))
            (call $status @"replace two" (call $set_header (i32.const 0) @"X-P-Two" @"c"))
            (call $pairs @"replaced" (call $get_pairs (i32.const 0) (global.get $data) (global.get $size)))
            (call $status @"replace a pseudo-header" (call $set_header (i32.const 0) @":path" @"/other"))
            (call $status @"add" (call $add_header (i32.const 0) @"x-p-two" @"d"))
            (call $status @"a new one" (call $set_header (i32.const 0) @"x-p-new" @"n"))
            (call $status @"remove" (call $remove_header (i32.const 0) @"x-p-none"))
            (call $pairs @"changed" (call $get_pairs (i32.const 0) (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "pseudo-headers come first, in whatever order all are set",
        GET,
        &[
            (
                "response_headers",
                r#"
            (call $status @"replace" (call $set_header (i32.const 2) @"x-p-up" @"2"))
            (call $pairs @"replaced" (call $get_pairs (i32.const 2) (global.get $data) (global.get $size)))
            (call $status @"all at once" (call $set_pairs (i32.const 2) @"\04\00\00\00\05\00\00\00\01\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\05\00\00\00\01\00\00\00x-p-b\001\00:status\00203\00x-p-a\002\00x-p-b\003\00"))
            (call $pairs @"set" (call $get_pairs (i32.const 2) (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a value is added to a header that Envoy keeps in one line",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"add" (call $add_header (i32.const 0) @"via" @"a"))
            (call $status @"another" (call $add_header (i32.const 0) @"via" @"b"))
            (call $bytes @"then" (call $get_header (i32.const 0) @"via" (global.get $data) (global.get $size)))"#,
            ),
            END,
        ],
    ),
    probe(
        "a gRPC call carries its timeout, in milliseconds or else in seconds",
        GET,
        &[
            (
                "request_headers",
                r#"
            (global.set $a (local.get $ctx))
            (call $status @"call" (call $grpc_call @"service" @"p.Service" @"Method"
                @"\01\00\00\00\05\00\00\00\01\00\00\00x-p-m\001\00" @"message" (i32.const 60000) (global.get $out)))
            (i32.const 1) ;; returns"#,
            ),
            (
                "grpc_close",
                r#"
            (call $number @"status" (i64.extend_i32_u (local.get $status)))
            (call $bytes @"message" (call $get_status (global.get $out) (global.get $data) (global.get $size)))
            (global.set $b (i32.add (global.get $b) (i32.const 1)))
            (if (i32.eq (global.get $b) (i32.const 1)) (then
            (call $status @"call" (call $grpc_call @"service" @"p.Service" @"Method"
                @"\01\00\00\00\05\00\00\00\01\00\00\00x-p-m\001\00" @"message" (i32.const 0) (global.get $out)))))
            (if (i32.eq (global.get $b) (i32.const 2)) (then
            (call $status @"call" (call $grpc_call @"service" @"p.Service" @"Method"
                @"\01\00\00\00\05\00\00\00\01\00\00\00x-p-m\001\00" @"message" (i32.const 99999999) (global.get $out)))))
            (if (i32.eq (global.get $b) (i32.const 3)) (then
            (call $status @"call" (call $grpc_call @"service" @"p.Service" @"Method"
                @"\01\00\00\00\05\00\00\00\01\00\00\00x-p-m\001\00" @"message" (i32.const -1) (global.get $out)))))
            (if (i32.eq (global.get $b) (i32.const 4)) (then
            (call $status @"to the stream" (call $set_effective_context (global.get $a)))
            (call $status @"go on" (call $continue_stream (i32.const 0)))))"#,
            ),
            END,
        ],
    ),
    probe(
        "who sleeps is woken at once, looks at the clock, and sleeps on until its time has come",
        GET,
        &[
            (
                "request_headers",
                r#"
            (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 48)))
            (i32.store (i32.const 272) (i32.const 1))
            (i64.store (i32.const 280) (i64.const 20000000))
            (i32.store (global.get $out) (i32.const 7))
            (call $number @"sleep" (i64.extend_i32_u (call $poll_oneoff (i32.const 256) (i32.const 320) (i32.const 1) (global.get $out))))
            (call $number @"what has happened" (i64.load32_u (global.get $out)))
            (loop $asleep
              (drop (call $poll_oneoff (i32.const 256) (i32.const 320) (i32.const 1) (global.get $out)))
              (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 56)))
              (br_if $asleep (i64.lt_u (i64.sub (i64.load (i32.const 56)) (i64.load (i32.const 48))) (i64.const 20000000))))
            (call $say @"awake")"#,
            ),
            END,
        ],
    ),
    probe(
        "a request that is closed is cut off",
        GET,
        &[
            (
                "request_headers",
                r#"
            (call $status @"close" (call $close_stream (i32.const 0)))
            (i32.const 0) ;; returns"#,
            ),
            ("response_headers", r#"(call $say @"response")"#),
            ("log", r#"(call $say @"log")"#),
            END,
        ],
    ),
    Probe {
        about: "a trap ends the VM, and nothing of it is called again",
        request: GET,
        callbacks: &[
            ("request_headers", r#"(call $say @"last") (unreachable)"#),
            ("log", r#"(call $say @"log")"#),
            ("delete", r#"(call $say @"delete")"#),
        ],
        last: "last",
    },
];
