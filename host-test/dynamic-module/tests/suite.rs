//! The shell of the dynamic module in an Envoy that is made up.

use std::time::Duration;

use host_test_dynamic_module::{Configuration, Fault, Headers, Map, Process, Stream, Verdict};

const OPEN_FOR_LONG: &str =
    r#""open": { "wait_duration": "1h" }, "trip": { "consecutive_failures": 2 }"#;

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs
        .iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

fn get(more: &[(&str, &str)]) -> Headers {
    let plain = [(":method", "GET"), (":path", "/"), (":authority", "shop"), (":scheme", "http")];
    headers(&[&plain[..], more].concat())
}

fn process() -> Process {
    let process = Process::new(2);
    process.set_clocks(Duration::from_secs(1_000), Duration::from_secs(1_700_000_000));
    process
}

/// A service without a name of its own, with these rules besides.
fn guarding(process: &Process, rules: &str) -> Configuration {
    let text = format!(r#"{{ "services": [{{ "name": "payment", {OPEN_FOR_LONG}{rules} }}] }}"#);
    process.configure("edge_breaker", &text).expect("a configuration")
}

fn answered(stream: &Stream, status: &str) -> Verdict {
    stream.set_origin("via_upstream", 0);
    stream.response_headers(
        headers(&[(":status", status), ("x-envoy-upstream-service-time", "1")]),
        true,
    )
}

/// A call that the service answers so.
fn call(configuration: &Configuration, worker: u32, status: &str) -> Verdict {
    let stream = configuration.stream(worker);
    match stream.request_headers(get(&[]), true) {
        Verdict::Continue => answered(&stream, status),
        verdict => verdict,
    }
}

fn trip(configuration: &Configuration) {
    for worker in [0, 1] {
        assert_eq!(call(configuration, worker, "503"), Verdict::Continue);
    }
}

fn is_refused(configuration: &Configuration) -> bool {
    matches!(call(configuration, 0, "200"), Verdict::Reply(reply) if reply.status == 503)
}

#[test]
fn failures_on_two_workers_open_the_breaker_for_both_and_a_reply_ends_the_stream() {
    let process = process();
    let configuration = guarding(&process, "");
    assert_eq!(call(&configuration, 0, "200"), Verdict::Continue);
    trip(&configuration);
    for worker in [0, 1] {
        let Verdict::Reply(reply) = call(&configuration, worker, "200") else {
            panic!("worker {worker} lets it pass");
        };
        assert_eq!(reply.status, 503);
        assert!(
            reply.headers.iter().any(|(name, value)| name == b"retry-after" && value.len() == 4)
        );
        assert!(reply.body.starts_with(b"{"));
    }
    let log = process.take_log();
    assert!(log.iter().any(|line| line.contains("from=CLOSED to=OPEN")), "{log:?}");
    let metrics = process.metrics();
    let payment = |rest: &str| metrics[&format!("cb_service=.=payment;.;{rest}")];
    assert_eq!(payment("cb_outcome=.=success;.;edge_breaker_calls_total"), 1);
    assert_eq!(payment("cb_outcome=.=failure;.;edge_breaker_calls_total"), 2);
    assert_eq!(payment("cb_reason=.=open;.;edge_breaker_not_permitted_total"), 2);
    assert_eq!(payment("edge_breaker_state"), 1);
}

#[test]
fn a_diverted_request_has_its_route_chosen_anew_and_none_of_its_clients_headers() {
    let process = process();
    let configuration =
        guarding(&process, r#", "fallback": { "cluster": "spare", "on_failure": false }"#);
    trip(&configuration);
    let stream = configuration.stream(1);
    let own = [("x-circuit-breaker-cluster", "elsewhere"), ("x-circuit-breaker-state", "CLOSED")];
    assert_eq!(stream.request_headers(get(&own), true), Verdict::Continue);
    assert!(stream.is_route_chosen());
    let header = |name| stream.header(Map::Request, name);
    assert_eq!(header("x-circuit-breaker-cluster").as_deref(), Some("spare"));
    assert_eq!(header("x-circuit-breaker-state").as_deref(), Some("OPEN"));
    stream.set_cluster(Some("spare"));
    assert_eq!(answered(&stream, "200"), Verdict::Continue);
    assert_eq!(
        stream.header(Map::Response, "x-circuit-breaker-fallback").as_deref(),
        Some("cluster")
    );
}

#[test]
fn a_failed_answer_waits_for_the_fallback_whose_answer_is_written_into_it() {
    let process = process();
    let configuration = guarding(&process, r#", "fallback": { "cluster": "spare" }"#);
    let stream = configuration.stream(0);
    let post = get(&[("content-length", "11")]);
    assert_eq!(stream.request_headers(post, false), Verdict::Continue);
    assert_eq!(stream.request_body(b"hello ", false), Verdict::Continue);
    assert_eq!(stream.request_body(b"world", true), Verdict::Continue);
    stream.set_origin("via_upstream", 0);
    let failed = headers(&[(":status", "503"), ("server", "x"), ("content-length", "6")]);
    let Verdict::Hold(asked) = stream.response_headers(failed, false) else {
        panic!("nobody is asked");
    };
    assert_eq!((asked.cluster.as_str(), asked.body.as_slice()), ("spare", &b"hello world"[..]));

    let answer = headers(&[(":status", "200"), ("content-type", "text/plain")]);
    assert_eq!(stream.answer(asked.number, Some((&answer, b"from spare"))), Verdict::Continue);
    assert_eq!(stream.header(Map::Response, ":status").as_deref(), Some("200"));
    assert_eq!(stream.header(Map::Response, "server"), None);
    assert_eq!(stream.header(Map::Response, "content-length").as_deref(), Some("10"));
    assert_eq!(stream.response_body(b"bro", false), b"from spare");
    assert_eq!(stream.response_body(b"ken", true), b"");
    let noted = stream.noted("wasm.edge_breaker_replaced_status");
    assert_eq!(noted.as_deref(), Some(&b"503"[..]));
}

#[test]
fn a_failed_answer_without_a_body_is_replaced_by_a_reply_and_goes_on_if_the_fallback_fails() {
    let process = process();
    let configuration = guarding(&process, r#", "fallback": { "cluster": "spare" }"#);
    let failed = || {
        let stream = configuration.stream(0);
        assert_eq!(stream.request_headers(get(&[]), true), Verdict::Continue);
        let Verdict::Hold(asked) = answered(&stream, "503") else {
            panic!("nobody is asked");
        };
        (stream, asked.number)
    };
    let (stream, asked) = failed();
    let answer = headers(&[(":status", "201")]);
    let Verdict::Reply(reply) = stream.answer(asked, Some((&answer, b"spare"))) else {
        panic!("it is no reply");
    };
    assert_eq!((reply.status, reply.body.as_slice()), (201, &b"spare"[..]));
    let (stream, asked) = failed();
    assert_eq!(stream.answer(asked, None), Verdict::Continue);
    assert_eq!(stream.header(Map::Response, ":status").as_deref(), Some("503"));
}

/// A request with this body, all of which Envoy keeps, that the service fails.
fn failed(configuration: &Configuration, body: &[u8]) -> (Stream, Verdict) {
    let stream = configuration.stream(0);
    stream.keep_body();
    let post = get(&[("x-tag", "client"), ("x-circuit-breaker-reason", "its own")]);
    assert_eq!(stream.request_headers(post, body.is_empty()), Verdict::Continue);
    if !body.is_empty() {
        let (first, rest) = body.split_at(1);
        assert_eq!(stream.request_body(first, false), Verdict::Continue);
        assert_eq!(stream.request_body(rest, true), Verdict::Continue);
    }
    let verdict = answered(&stream, "502");
    (stream, verdict)
}

#[test]
fn a_failed_call_runs_again_and_is_diverted_where_a_route_leads_to_the_fallback() {
    for body in [&b""[..], b"1", &[b'x'; 300_000]] {
        let process = process();
        process.route_diverted();
        let configuration = guarding(&process, r#", "fallback": { "cluster": "spare" }"#);
        let (first, verdict) = failed(&configuration, body);
        assert_eq!(verdict, Verdict::RunAgain);
        let (second, verdict) = first.second().expect("another stream");
        assert_eq!(verdict, Verdict::Continue);
        let header = |name| second.header(Map::Request, name);
        assert_eq!(header("x-circuit-breaker-cluster").as_deref(), Some("spare"));
        assert_eq!(header("x-circuit-breaker-reason").as_deref(), Some("failure"));
        assert_eq!(header("x-tag").as_deref(), Some("client"));
        assert!(second.is_route_chosen());
        second.set_origin("via_upstream", 0);
        let answer = headers(&[(":status", "200"), ("x-circuit-breaker-state", "its own")]);
        assert_eq!(second.response_headers(answer, true), Verdict::Continue);
        let header = |name| second.header(Map::Response, name);
        assert_eq!(header("x-circuit-breaker-fallback").as_deref(), Some("replay"));
        assert_eq!(header("x-circuit-breaker-state").as_deref(), Some("CLOSED"));
        let noted = second.noted("wasm.edge_breaker_replaced_status");
        assert_eq!(noted.as_deref(), Some(&b"502"[..]));
        drop((first, second));
        let metrics = process.metrics();
        let payment = |rest: &str| metrics[&format!("cb_service=.=payment;.;{rest}")];
        assert_eq!(payment("cb_outcome=.=failure;.;edge_breaker_calls_total"), 1);
        assert_eq!(payment("cb_outcome=.=success;.;edge_breaker_calls_total"), 0);
        assert_eq!(payment("cb_kind=.=replay;.;edge_breaker_fallback_total"), 1);
    }
}

#[test]
fn a_call_whose_second_run_fails_too_does_not_run_a_third_time() {
    let process = process();
    process.route_diverted();
    let configuration = guarding(&process, r#", "fallback": { "cluster": "spare" }"#);
    let (first, _) = failed(&configuration, b"body");
    let (second, _) = first.second().expect("another stream");
    second.set_origin("no_healthy_upstream", 1 << 1);
    let answer = headers(&[(":status", "503")]);
    assert_eq!(second.response_headers(answer, false), Verdict::Continue);
    assert_eq!(second.header(Map::Response, "x-circuit-breaker-fallback"), None);
    drop((first, second));
    let metrics = process.metrics();
    let payment = |rest: &str| metrics[&format!("cb_service=.=payment;.;{rest}")];
    assert_eq!(payment("cb_outcome=.=failure;.;edge_breaker_calls_total"), 1);
    assert_eq!(payment("cb_kind=.=replay;.;edge_breaker_fallback_total"), 0);
}

#[test]
fn a_request_that_envoy_has_not_kept_whole_does_not_run_again() {
    let process = process();
    process.route_diverted();
    let configuration = guarding(&process, r#", "fallback": { "cluster": "spare" }"#);
    let stream = configuration.stream(0);
    assert_eq!(stream.request_headers(get(&[]), false), Verdict::Continue);
    assert_eq!(stream.request_body(b"first ", false), Verdict::Continue);
    stream.keep_body();
    assert_eq!(stream.request_body(b"second", true), Verdict::Continue);
    let Verdict::Hold(call) = answered(&stream, "503") else {
        panic!("it is not called");
    };
    assert_eq!(call.body, b"first second");
    // Nor one that ends with trailers, which would be lost.
    let stream = configuration.stream(0);
    stream.keep_body();
    assert_eq!(stream.request_headers(get(&[]), false), Verdict::Continue);
    assert_eq!(stream.request_body(b"body", false), Verdict::Continue);
    assert_eq!(stream.request_trailers(), Verdict::Continue);
    assert_eq!(answered(&stream, "503"), Verdict::Continue);
}

#[test]
fn a_request_keeps_its_headers_if_no_route_leads_to_the_fallback() {
    let process = process();
    let configuration = guarding(&process, r#", "fallback": { "cluster": "spare" }"#);
    let stream = configuration.stream(0);
    let mut request = get(&[("x-empty", ""), ("x-two", "1"), ("x-two", "2")]);
    assert_eq!(stream.request_headers(request.clone(), true), Verdict::Continue);
    stream.set_request_header("x-of-the-route", "1");
    assert!(matches!(answered(&stream, "503"), Verdict::Hold(_)));
    request.extend(headers(&[("x-of-the-route", "1")]));
    assert_eq!(stream.map(Map::Request), request);
}

#[test]
fn a_cluster_that_envoy_does_not_have_is_asked_in_vain_and_counted() {
    let process = process();
    process.set_cluster("spare", false);
    let configuration = guarding(&process, r#", "fallback": { "cluster": "spare" }"#);
    assert_eq!(call(&configuration, 0, "503"), Verdict::Continue);
    let counted = process.metrics()["cb_reason=.=unknown_cluster;.;edge_breaker_unprotected_total"];
    assert_eq!(counted, 1);
}

#[test]
fn a_grpc_client_is_told_that_the_service_is_unavailable() {
    let process = process();
    let configuration = guarding(&process, "");
    trip(&configuration);
    let stream = configuration.stream(0);
    let grpc = get(&[("content-type", "application/grpc+proto")]);
    let Verdict::Reply(reply) = stream.request_headers(grpc, true) else {
        panic!("it passes");
    };
    let status = reply.headers.iter().find(|(name, _)| name == b"grpc-status");
    assert_eq!(status.map(|(_, value)| value.as_slice()), Some(&b"14"[..]));
}

#[test]
fn breakers_outlive_configurations_and_those_of_another_name_or_process_are_others() {
    let process = process();
    let first = guarding(&process, "");
    trip(&first);
    let second = guarding(&process, "");
    drop(first);
    assert!(is_refused(&second));
    drop(second);
    assert!(is_refused(&guarding(&process, "")), "nobody had it for a while");

    let text = format!(r#"{{ "services": [{{ "name": "payment", {OPEN_FOR_LONG} }}] }}"#);
    let apart = process.configure("edge_breaker/team", &text).expect("a configuration");
    assert!(!is_refused(&apart));
    let nameless = process.configure("", &text).expect("a configuration");
    assert!(is_refused(&nameless), "no name means the filter's own");
    assert!(!is_refused(&guarding(&self::process(), "")));
}

/// What two builds share are bytes in the record's format, whichever of them wrote these.
#[test]
fn a_build_reads_the_record_of_an_older_one_and_leaves_that_of_a_newer_one_alone_for_a_while() {
    const KEY: &str = "edge-breaker/v1/payment";
    let process = process();
    let first = guarding(&process, "");
    trip(&first);
    let (open, _) = process.stored(KEY).expect("a record");
    // What the second format added, and each other first byte.
    let older = [&[1], &open[1..88], &open[112..]].concat();
    let newer = [&[u8::MAX], &open[1..]].concat();

    assert!(process.store(KEY, &older));
    let second = guarding(&process, "");
    assert!(is_refused(&second), "it was open, and is");

    assert!(process.store(KEY, &newer));
    let third = guarding(&process, "");
    for seconds in 0..32 {
        let since = |begin: u64| Duration::from_secs(begin + seconds);
        process.set_clocks(since(1_000), since(1_700_000_000));
        assert_eq!(call(&third, 0, "503"), Verdict::Continue, "nobody knows better");
        for worker in [None, Some(0), Some(1)] {
            assert_eq!(third.tick(worker), []);
        }
        let is_left = process.stored(KEY).expect("a record").0 == newer;
        assert_eq!(is_left, seconds < 30, "after {seconds} s");
    }
}

#[test]
fn what_is_wrong_is_refused_with_the_reason_in_the_log() {
    let process = process();
    let refused =
        |name: &str, text: &str| process.configure(name, text).expect_err("taken").0.concat();
    let said = refused("other", "{}");
    assert!(said.contains("filter_name: \"other\""), "{said}");
    let said = refused("edge_breaker", r#"{ "services": [{ "name": "a", "trip": 3 }] }"#);
    assert!(said.contains("configuration refused: services[0].trip"), "{said}");
}

#[test]
fn a_health_check_is_made_by_one_thread_and_closes_the_breaker() {
    let process = process();
    let rules = r#", "health_check": { "cluster": "health", "path": "/up", "interval": "1s", "then": "close" }"#;
    let configuration = guarding(&process, rules);
    assert_eq!(call(&configuration, 1, "200"), Verdict::Continue);
    trip(&configuration);
    process.set_clocks(Duration::from_secs(5_000), Duration::from_secs(1_700_004_000));
    let calls = configuration.tick(None);
    let [check] = calls.as_slice() else {
        panic!("{calls:?}");
    };
    assert_eq!((check.cluster.as_str(), check.timeout), ("health", Duration::from_secs(1)));
    assert_eq!(configuration.tick(None), []);
    configuration.answer(check.number, Some((&headers(&[(":status", "200")]), b"")));
    assert_eq!(call(&configuration, 0, "200"), Verdict::Continue);
}

#[test]
fn names_that_are_made_at_run_time_have_metrics_with_labels() {
    let process = process();
    let text = r#"{ "services": [{ "name": "{cluster}" }] }"#;
    let configuration = process.configure("edge_breaker", text).expect("a configuration");
    for worker in [0, 1] {
        let stream = configuration.stream(worker);
        stream.set_cluster(Some("in.voice"));
        assert_eq!(stream.request_headers(get(&[]), true), Verdict::Continue);
        assert_eq!(answered(&stream, "200"), Verdict::Continue);
    }
    let metrics = process.metrics();
    let calls = |outcome: &str| {
        let labels = format!("cb_service=.=in_voice;.;cb_outcome=.={outcome};.;");
        metrics[&format!("{labels}edge_breaker_calls_total")]
    };
    assert_eq!((calls("success"), calls("failure")), (2, 0));
}

#[test]
fn names_that_clients_choose_have_metrics_with_labels() {
    let process = process();
    let text = r#"{ "services": [{ "name": "{host}", "match": { "hosts": ["*"] } }] }"#;
    let configuration = process.configure("edge_breaker", text).expect("a configuration");
    assert_eq!(call(&configuration, 0, "200"), Verdict::Continue);
    let all = "cb_service=.={host};.;cb_outcome=.=success;.;edge_breaker_calls_total";
    assert_eq!(process.metrics()[all], 1);
}

#[test]
fn a_store_that_fails_lets_calls_pass_and_says_so() {
    let process = process();
    let configuration = guarding(&process, "");
    trip(&configuration);
    assert!(is_refused(&configuration));
    process.break_store(Fault::Unreadable);
    assert_eq!(call(&configuration, 0, "200"), Verdict::Continue);
    assert_eq!(process.metrics()["cb_reason=.=store;.;edge_breaker_unprotected_total"], 1);
    process.mend_store();
    assert!(is_refused(&configuration));
}

#[test]
fn a_worker_that_envoy_has_never_told_of_is_left_alone() {
    let process = process();
    let configuration = guarding(&process, "");
    trip(&configuration);
    assert_eq!(call(&configuration, 7, "200"), Verdict::Continue);
}
