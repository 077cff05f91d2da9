//! The module that Envoy loads, from the first request to the last.

use std::sync::OnceLock;
use std::time::Duration;

use host_test_proxy_wasm::{
    CallAnswer, FailurePolicy, Headers, LogLevel, Module, Options, Plugin, Process, StartError,
    Status, Worker,
};

use crate::support::{Outcome, answer, exchange, request, response};

const CONFIG: &str = r#"{
    "services": [{
        "name": "payment-service",
        "match": { "clusters": ["payment"] },
        "health_check": { "cluster": "payment", "path": "/health", "interval": "5s", "timeout": "1s", "then": "close" },
        "fallback": { "cluster": "payment-fallback" }
    }]
}"#;

const REPLY_CONFIG: &str = r#"{
    "services": [{
        "name": "payment-service",
        "fallback": { "response": { "status": 503, "headers": { "x-why": "open" }, "body": "later" } }
    }]
}"#;

fn module() -> &'static Module {
    static MODULE: OnceLock<Module> = OnceLock::new();
    MODULE.get_or_init(|| {
        let bytes = std::fs::read(artifacts::proxy_wasm().unwrap()).unwrap();
        Module::new(&bytes, &Options::default()).unwrap()
    })
}

pub(crate) fn worker(process: &Process, config: &str) -> Worker {
    Worker::start(process, module(), Plugin::default(), config.as_bytes()).unwrap()
}

/// Sends a request by the route to the payment cluster.
fn pay(worker: &mut Worker, status: u16) -> Outcome {
    let stream = worker.open_stream();
    worker.set_property(stream, &["xds", "cluster_name"], "payment");
    let mut outcome = Outcome::from(worker.request_headers(stream, request("GET", "/pay"), true));
    outcome.extend(answer(worker, stream, status));
    for call in std::mem::take(&mut outcome.calls) {
        assert_eq!(call.cluster, "payment-fallback");
        outcome
            .extend(worker.answer_call(call.token, CallAnswer::status(200, "from the fallback")));
    }
    outcome.extend(worker.end_stream(stream));
    outcome
}

fn trip(worker: &mut Worker) {
    for _ in 0..3 {
        pay(worker, 503);
    }
}

fn is_diverted(outcome: &Outcome) -> bool {
    outcome.request.as_ref().unwrap().get("x-circuit-breaker-cluster").is_some()
}

fn state(process: &Process) -> u64 {
    process.metric("cb_service=.=payment-service;.;edge_breaker_state").unwrap()
}

#[test]
fn a_call_passes_a_closed_breaker_untouched() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    let outcome = pay(&mut worker, 200);
    assert_eq!(outcome.request, Some(request("GET", "/pay")));
    assert!(!outcome.route_cleared);
    assert_eq!(outcome.status(), Some(200));
    assert_eq!(outcome.response_body, b"from the service");
    assert_eq!(worker.open_streams(), 0);
    let calls = "cb_service=.=payment-service;.;cb_outcome=.=success;.;edge_breaker_calls_total";
    assert_eq!(process.metric(calls), Some(1));
}

#[test]
fn three_failures_in_a_row_trip_the_breaker_and_requests_are_diverted() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    trip(&mut worker);
    assert_eq!(state(&process), 1);
    let log = process.take_log();
    let transition = log.iter().find(|line| line.message.contains("event=transition")).unwrap();
    assert_eq!(transition.level, LogLevel::Warn);
    assert!(transition.message.contains("to=OPEN"), "{}", transition.message);

    let outcome = pay(&mut worker, 200);
    let headers = outcome.request.unwrap();
    assert_eq!(headers.text("x-circuit-breaker-cluster"), Some("payment-fallback"));
    assert_eq!(headers.text("x-circuit-breaker-service"), Some("payment-service"));
    assert!(outcome.route_cleared);
}

#[test]
fn a_client_cannot_choose_a_cluster_by_the_header_itself() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    let stream = worker.open_stream();
    let mut headers = request("GET", "/pay");
    headers.add("x-circuit-breaker-cluster", "elsewhere");
    let outcome = Outcome::from(worker.request_headers(stream, headers, true));
    assert!(outcome.route_cleared);
    assert!(!is_diverted(&outcome));
}

#[test]
fn all_workers_see_one_state() {
    let process = Process::new();
    let (mut one, mut other) = (worker(&process, CONFIG), worker(&process, CONFIG));
    pay(&mut one, 503);
    pay(&mut other, 503);
    assert_eq!(state(&process), 0);
    pay(&mut one, 503);
    assert!(is_diverted(&pay(&mut one, 200)));
    assert!(is_diverted(&pay(&mut other, 200)));
}

#[test]
fn one_worker_makes_the_health_check_and_its_success_closes_the_breaker() {
    let process = Process::new();
    let (mut one, mut other) = (worker(&process, CONFIG), worker(&process, CONFIG));
    trip(&mut one);
    let mut checks = Vec::new();
    for _ in 0..100 {
        process.advance(Duration::from_millis(100));
        checks.extend(Outcome::from(one.tick_if_due()).calls.into_iter().map(|call| (0, call)));
        checks.extend(Outcome::from(other.tick_if_due()).calls.into_iter().map(|call| (1, call)));
        if !checks.is_empty() {
            break;
        }
    }
    assert_eq!(checks.len(), 1, "one check at a time: {checks:?}");
    let (worker, check) = checks.remove(0);
    assert_eq!(check.cluster, "payment");
    assert_eq!(check.headers.text(":path"), Some("/health"));
    assert_eq!(check.timeout, Some(Duration::from_secs(1)));
    let worker = if worker == 0 { &mut one } else { &mut other };
    worker.answer_call(check.token, CallAnswer::status(200, ""));
    assert_eq!(state(&process), 0);
    assert!(!is_diverted(&pay(&mut one, 200)));
    assert!(!is_diverted(&pay(&mut other, 200)));
}

#[test]
fn a_check_to_an_unknown_cluster_is_counted_and_says_nothing_of_the_service() {
    let process = Process::new();
    process.set_clusters(["payment-fallback"]);
    let mut worker = worker(&process, CONFIG);
    trip(&mut worker);
    for _ in 0..100 {
        process.advance(Duration::from_millis(100));
        assert!(Outcome::from(worker.tick_if_due()).calls.is_empty());
    }
    let unhealthy =
        "cb_service=.=payment-service;.;cb_result=.=unhealthy;.;edge_breaker_health_checks_total";
    assert_eq!(process.metric(unhealthy), Some(0));
    let unknown = "cb_reason=.=unknown_cluster;.;edge_breaker_unprotected_total";
    assert!(process.metric(unknown) > Some(0));
    assert_eq!(state(&process), 1);
}

#[test]
fn a_failed_call_is_answered_by_the_fallback() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    let stream = worker.open_stream();
    worker.set_property(stream, &["xds", "cluster_name"], "payment");
    worker.request_headers(stream, request("POST", "/pay"), false);
    worker.request_body(stream, "ten pounds", true);
    let mut outcome = Outcome::from(answer(&mut worker, stream, 503));
    assert_eq!(outcome.response, None, "it is held back");
    assert!(worker.is_paused(stream));
    let call = outcome.calls.remove(0);
    assert_eq!(call.cluster, "payment-fallback");
    assert_eq!(call.body, b"ten pounds");
    let paid = CallAnswer::status(201, "paid by the fallback");
    outcome.extend(worker.answer_call(call.token, paid));
    assert_eq!(outcome.status(), Some(201));
    assert_eq!(outcome.response_body, b"paid by the fallback");
    worker.end_stream(stream);
    assert_eq!(worker.open_streams(), 0);
}

#[test]
fn a_failure_goes_through_as_it_came_where_the_fallback_fails_too() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    let stream = worker.open_stream();
    worker.set_property(stream, &["xds", "cluster_name"], "payment");
    worker.request_headers(stream, request("GET", "/pay"), true);
    let mut outcome = Outcome::from(answer(&mut worker, stream, 503));
    outcome.extend(worker.answer_call(outcome.calls[0].token, CallAnswer::Failed));
    assert_eq!(outcome.status(), Some(503));
    assert_eq!(outcome.response_body, b"from the service");
}

#[test]
fn an_open_breaker_without_a_fallback_cluster_answers_by_itself() {
    let process = Process::new();
    let mut worker = worker(&process, REPLY_CONFIG);
    for _ in 0..3 {
        assert!(exchange(&mut worker, 500).request.is_some());
    }
    let outcome = exchange(&mut worker, 200);
    assert_eq!(outcome.request, None, "nothing reaches the service");
    assert_eq!(outcome.status(), Some(503));
    assert_eq!(outcome.response_body, b"later");
    let headers = outcome.response.unwrap();
    assert_eq!(headers.text("x-why"), Some("open"));
    assert_eq!(headers.text("content-length"), Some("5"));
    assert_eq!(outcome.reply.unwrap().details, "edge_breaker");
}

#[test]
fn a_refused_configuration_leaves_the_old_one_in_force() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    trip(&mut worker);
    let nonsense = br#"{"services": [{"nmae": "x"}]}"#;
    assert_eq!(worker.configure(nonsense), Err(StartError::ConfigurationRefused));
    let log = process.take_log();
    assert!(log.iter().any(|line| line.message.contains("nmae")), "{log:?}");
    assert!(is_diverted(&pay(&mut worker, 200)));
    assert!(worker.tick_period().is_some());
}

#[test]
fn a_new_configuration_takes_over_and_the_record_survives() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    trip(&mut worker);
    worker.configure(CONFIG.replace("payment-fallback", "other").as_bytes()).unwrap();
    let outcome = pay(&mut worker, 200);
    assert_eq!(outcome.request.unwrap().text("x-circuit-breaker-cluster"), Some("other"));
}

#[test]
fn a_client_that_goes_away_counts_as_neither() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    for _ in 0..10 {
        let stream = worker.open_stream();
        worker.set_property(stream, &["xds", "cluster_name"], "payment");
        worker.request_headers(stream, request("GET", "/pay"), true);
        worker.set_property(stream, &["response", "flags"], (1_i64 << 14).to_le_bytes());
        worker.end_stream(stream);
    }
    assert_eq!(state(&process), 0);
    let aborted = "cb_service=.=payment-service;.;cb_outcome=.=aborted;.;edge_breaker_calls_total";
    assert_eq!(process.metric(aborted), Some(10));
}

#[test]
fn a_service_that_breaks_off_in_mid_body_has_failed() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    for _ in 0..3 {
        let stream = worker.open_stream();
        worker.set_property(stream, &["xds", "cluster_name"], "payment");
        worker.request_headers(stream, request("GET", "/pay"), true);
        worker.set_property(stream, &["response", "code_details"], "via_upstream");
        worker.set_property(stream, &["response", "flags"], 0_i64.to_le_bytes());
        worker.response_headers(stream, response(200), false);
        worker.response_body(stream, "half of", false);
        let details = "upstream_reset_after_response_started{remote_reset}";
        worker.set_property(stream, &["response", "code_details"], details);
        worker.set_property(stream, &["response", "flags"], (1_i64 << 6).to_le_bytes());
        worker.end_stream(stream);
    }
    assert_eq!(state(&process), 1);
}

#[test]
fn a_race_that_is_lost_now_and_then_loses_no_failure() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    process.lose_races(5);
    trip(&mut worker);
    assert_eq!(state(&process), 1);
    assert_eq!(process.metric("edge_breaker_lost_updates_total"), Some(0));
}

#[test]
fn a_store_that_cannot_be_read_stops_no_traffic() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    trip(&mut worker);
    process.fail_hostcalls("proxy_get_shared_data", Status::InternalFailure, u64::MAX);
    let outcome = pay(&mut worker, 200);
    assert!(!is_diverted(&outcome));
    assert_eq!(outcome.status(), Some(200));
    process.clear_faults();
    assert!(is_diverted(&pay(&mut worker, 200)));
}

#[test]
fn a_worker_that_dies_is_built_anew_and_knows_the_state() {
    let process = Process::new();
    let backoff = Duration::from_secs(1);
    let plugin =
        Plugin { failure_policy: FailurePolicy::FailReload { backoff }, ..Plugin::default() };
    let mut worker = Worker::start(&process, module(), plugin, CONFIG.as_bytes()).unwrap();
    trip(&mut worker);
    worker.kill();
    assert_eq!(exchange(&mut worker, 200).status(), Some(503));
    process.advance(backoff);
    assert!(is_diverted(&pay(&mut worker, 200)));
}

#[test]
fn bytes_that_are_no_text_pass_unchanged() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    let stream = worker.open_stream();
    let mut headers = request("GET", "/pay");
    headers.add("x-odd", b"\xff\xfe\x00");
    let outcome = Outcome::from(worker.request_headers(stream, headers.clone(), true));
    assert_eq!(outcome.request, Some(headers));
}

#[test]
fn the_closed_path_of_a_call_is_counted_exactly() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    for _ in 0..3 {
        pay(&mut worker, 200);
    }
    let mut costs = Vec::new();
    for _ in 0..2 {
        let _ = worker.take_usage();
        pay(&mut worker, 200);
        costs.push(worker.take_usage());
    }
    assert_eq!(costs[0], costs[1], "the same path costs the same");
    let usage = &costs[0]["proxy_on_request_headers"];
    assert_eq!(usage.calls, 1);
    assert_eq!(usage.hostcalls["proxy_get_header_map_pairs"], 1);
    assert!(usage.instructions > 0);
    assert_eq!(usage.allocations, 2, "the headers and the cluster's name: {usage:?}");
    let writes = |name| costs[0].values().any(|usage| usage.hostcalls.contains_key(name));
    assert!(!writes("proxy_set_shared_data"));
}

/// Whatever is settled is settled by the stream that it belongs to: none is mistaken for another,
/// lost, or met twice, in a table that grows, shrinks and has its streams end in any order.
#[test]
fn streams_that_come_and_go_in_any_order_are_distinguished() {
    let process = Process::new();
    let config = r#"{"services": [{"name": "payment-service",
        "trip": {"consecutive_failures": 1000000}, "fallback": {"on_failure": false}}]}"#;
    let mut worker = worker(&process, config);
    let (mut open, mut expected) = (Vec::new(), [0, 0, 0]);
    let mut random = fastrand::Rng::with_seed(1);
    for step in 0..6_000_u64 {
        // Many come at first, then as many as go, and in the end all have gone.
        let comes = step < 3_000 && (step < 400 || random.bool());
        if comes || open.is_empty() {
            let stream = worker.open_stream();
            // Some streams end before they have said anything.
            let says = random.usize(..7) > 0;
            if says {
                worker.request_headers(stream, request("GET", "/pay"), true);
            }
            open.push((stream, says, step % 3));
        } else {
            let (stream, said, ends) = open.swap_remove(random.usize(..open.len()));
            if said {
                expected[usize::try_from(ends).unwrap()] += 1;
                match ends {
                    0 => drop(answer(&mut worker, stream, 200)),
                    1 => drop(answer(&mut worker, stream, 503)),
                    _ => {
                        worker.set_property(stream, &["response", "code_details"], "reset");
                        worker.set_property(
                            stream,
                            &["response", "flags"],
                            (1_u64 << 14).to_le_bytes(),
                        );
                    }
                }
            }
            worker.end_stream(stream);
        }
    }
    assert!(open.is_empty());
    let counted = ["success", "failure", "aborted"].map(|outcome| {
        let name = format!(
            "cb_service=.=payment-service;.;cb_outcome=.={outcome};.;edge_breaker_calls_total"
        );
        process.metric(&name).unwrap()
    });
    assert_eq!(counted, expected);
    assert!(expected.iter().all(|calls| *calls > 300), "{expected:?}");
}

/// What only one client sends, or gets: of any size, since memory is used again by size.
fn secret(number: usize) -> String {
    let size = number % 97;
    format!("<{number}>").repeat(1 + size * size / 20)
}

/// Whether these headers have a secret under this name, and no other's anywhere.
fn tell_only(headers: &Headers, name: &str, secret: &str) -> bool {
    let others =
        headers.iter().filter(|(known, value)| *known != name.as_bytes() && value.contains(&b'<'));
    headers.text(name) == Some(secret) && others.count() == 0
}

#[test]
fn no_stream_sees_what_another_has_sent_or_got() {
    let process = Process::new();
    let patient = "\"trip\": { \"consecutive_failures\": 1000000 }, \"match\"";
    let mut worker = worker(&process, &CONFIG.replace("\"match\"", patient));
    let (mut open, mut asked) = (Vec::new(), Vec::new());
    let (mut came, mut answered) = (0, 0);
    let mut random = fastrand::Rng::with_seed(1);
    while answered < 1_500 {
        match random.usize(..3) {
            0 => {
                let (stream, secret) = (worker.open_stream(), secret(came));
                came += 1;
                worker.set_property(stream, &["xds", "cluster_name"], "payment");
                let mut headers = request("POST", "/pay");
                headers.add("authorization", &secret);
                worker.request_headers(stream, headers, false);
                worker.request_body(stream, secret.as_str(), true);
                open.push((stream, secret));
            }
            1 if !open.is_empty() => {
                let (stream, secret) = open.swap_remove(random.usize(..open.len()));
                let call = Outcome::from(answer(&mut worker, stream, 503)).calls.remove(0);
                assert!(tell_only(&call.headers, "authorization", &secret), "{call:?}");
                assert_eq!(call.body, secret.as_bytes());
                asked.push((stream, secret, call.token));
            }
            2 if !asked.is_empty() => {
                let (stream, secret, call) = asked.swap_remove(random.usize(..asked.len()));
                let mut headers = response(200);
                headers.add("set-cookie", &secret);
                let (body, trailers) = (secret.clone().into_bytes(), Headers::new());
                let paid = CallAnswer::Response { headers, body, trailers };
                let outcome = Outcome::from(worker.answer_call(call, paid));
                let headers = outcome.response.unwrap();
                assert!(tell_only(&headers, "set-cookie", &secret), "{headers:?}");
                assert_eq!(outcome.response_body, secret.as_bytes());
                worker.end_stream(stream);
                answered += 1;
            }
            _ => {}
        }
    }
}

#[test]
fn a_hook_sees_each_host_call_and_may_act_between_them() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    trip(&mut worker);
    // In the moment before the record is read, another closes the breaker.
    let key = b"edge-breaker/v1/payment-service".to_vec();
    let clean = {
        let other = Process::new();
        let _worker = self::worker(&other, CONFIG);
        other.shared_data("", &key).unwrap().0
    };
    let hooked = process.clone();
    worker.on_hostcall(move |name| {
        if name == "proxy_get_shared_data" {
            hooked.set_shared_data("", &key, &clean, 0).unwrap();
        }
    });
    assert!(!is_diverted(&pay(&mut worker, 200)));
}

#[test]
fn a_worker_can_run_on_any_thread() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    let outcome = std::thread::spawn(move || pay(&mut worker, 200)).join().unwrap();
    assert_eq!(outcome.status(), Some(200));
}

#[test]
fn trailers_of_a_grpc_call_decide_on_its_outcome() {
    let process = Process::new();
    let mut worker = worker(&process, CONFIG);
    for _ in 0..3 {
        let stream = worker.open_stream();
        worker.set_property(stream, &["xds", "cluster_name"], "payment");
        let mut headers = request("POST", "/pay.Payments/Pay");
        headers.add("content-type", "application/grpc");
        worker.request_headers(stream, headers, true);
        worker.set_property(stream, &["response", "code_details"], "via_upstream");
        worker.set_property(stream, &["response", "flags"], 0_i64.to_le_bytes());
        worker.response_headers(stream, response(200), false);
        worker.response_body(stream, "message", false);
        worker.response_trailers(stream, Headers::from_iter([("grpc-status", "14")]));
        worker.end_stream(stream);
    }
    assert_eq!(state(&process), 1);
}

/// What the proxy tells of who asks the admin API; and what it does not tell, or may not, opens nothing.
#[test]
fn a_client_of_the_admin_api_is_recognised_by_its_source_address_or_refused() {
    const ADMIN: &str = r#"{ "services": [{ "name": "payment-service" }], "admin": {} }"#;
    let process = Process::new();
    let mut worker = worker(&process, ADMIN);
    let mut status = |peer: Option<&[u8]>| {
        let stream = worker.open_stream();
        if let Some(peer) = peer {
            worker.set_property(stream, &["source", "address"], peer);
        }
        let mut headers = request("GET", "/circuit-breaker/services");
        headers.set(":authority", "localhost");
        let outcome = Outcome::from(worker.request_headers(stream, headers, true));
        worker.end_stream(stream);
        outcome.status()
    };
    for (peer, expected) in [
        (None, 200),
        (Some(&b"127.0.0.1:40312"[..]), 200),
        (Some(b"[::1]:40312"), 200),
        (Some(b"203.0.113.7:40312"), 403),
        (Some(b"127.0.0.1:0"), 403),
        (Some(b""), 403),
        (Some(b"\xff\xfe"), 403),
    ] {
        assert_eq!(status(peer), Some(expected), "{peer:?}");
    }
    for refused in [Status::InternalFailure, Status::Unimplemented, Status::BadArgument] {
        process.fail_hostcalls("proxy_get_property", refused, 1);
        assert_eq!(status(Some(b"127.0.0.1:40312")), Some(403), "{refused:?}");
    }
    assert_eq!(status(Some(b"127.0.0.1:40312")), Some(200));
}
