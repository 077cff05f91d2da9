//! A failed call is sent to the fallback as it came, if it was seen to its end and fits.

use std::time::Duration;

use filter::{FallbackVerdict, ResponseAnnotations, ResponseVerdict, StateName, Substitute};
use serde_json::{Value, json};

use crate::world::{By, Call, PAYMENT, World, flag, recipe, service};

const PASS: ResponseVerdict = ResponseVerdict::Continue(ResponseAnnotations::NOTHING);

fn limited(bytes: usize) -> World {
    let mut fields = recipe();
    fields["fallback"]["max_request_bytes"] = json!(bytes);
    World::with(&fields)
}

fn is_replayed(call: &mut Call) -> bool {
    match call.begin(503) {
        ResponseVerdict::Ask(_) => true,
        verdict => {
            assert_eq!(verdict, PASS);
            false
        }
    }
}

fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_failed_call_is_sent_to_the_fallback_as_it_came() {
    let world = World::with(&recipe());
    let request = world.request(PAYMENT).method("POST").path("/pay?id=7&x=%20");
    let request = request.header("content-type", "application/json").header("x-tenant", "gold");
    let mut call = request.header("x-tenant", "silver").with_body().send();
    call.body(b"one ", false).body(b"", false).body(b"two ", false).body(b"three", true);
    assert!(is_replayed(&mut call));
    let callout = call.replayed();
    assert_eq!(callout.cluster, "payment-fallback");
    assert_eq!(callout.body, b"one two three");
    assert_eq!(callout.timeout, Duration::from_secs(5));
    let headers: Vec<_> = callout.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(
        headers,
        [
            (":method", "POST"),
            (":path", "/pay?id=7&x=%20"),
            (":authority", PAYMENT),
            ("content-type", "application/json"),
            ("x-tenant", "gold"),
            ("x-tenant", "silver"),
            ("x-circuit-breaker-cluster", "payment-fallback"),
            ("x-circuit-breaker-service", PAYMENT),
            ("x-circuit-breaker-state", "CLOSED"),
            ("x-circuit-breaker-reason", "failure"),
        ]
    );
}

#[test]
fn the_call_that_trips_is_answered_too_and_shows_the_open_state() {
    let world = World::with(&recipe());
    world.fail(2);
    let mut call = world.call();
    assert!(is_replayed(&mut call));
    assert_eq!(value(&call.replayed().headers, "x-circuit-breaker-state"), Some("OPEN"));
}

#[test]
fn the_fallback_may_want_another_host_and_more_time() {
    let mut fields = recipe();
    fields["fallback"]["host"] = json!("fallback.internal");
    fields["fallback"]["timeout"] = json!("250ms");
    let world = World::with(&fields);
    let mut call = world.call();
    assert!(is_replayed(&mut call));
    assert_eq!(value(&call.replayed().headers, ":authority"), Some("fallback.internal"));
    assert_eq!(call.replayed().timeout, Duration::from_millis(250));
}

#[test]
fn headers_of_the_connection_or_of_the_filter_are_not_sent() {
    let world = World::with(&recipe());
    let mut request = world.request(PAYMENT);
    let dropped = [
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "x-circuit-breaker-cluster",
        "x-circuit-breaker-state",
    ];
    for name in dropped {
        request = request.header(name, "from-the-client");
    }
    let mut call = request.send();
    assert!(is_replayed(&mut call));
    let headers = &call.replayed().headers;
    assert!(headers.iter().all(|(_, value)| value != "from-the-client"), "{headers:?}");
    assert_eq!(value(headers, ":scheme"), None);
}

#[test]
fn a_header_that_is_no_text_is_left_out() {
    let world = World::with(&recipe());
    let request = world.request(PAYMENT).header("x-odd", b"\xff\xfe").header("x-even", "yes");
    let mut call = request.send();
    assert!(is_replayed(&mut call));
    let headers = &call.replayed().headers;
    assert_eq!((value(headers, "x-odd"), value(headers, "x-even")), (None, Some("yes")));
}

#[test]
fn a_request_whose_path_is_no_text_passes() {
    let world = World::with(&recipe());
    let mut call = world.request(PAYMENT).header(":path", b"/\xff").send();
    assert!(!is_replayed(&mut call));
    assert_eq!(world.calls("failure"), 1);
}

#[test]
fn a_request_without_a_method_path_or_host_passes() {
    for missing in [":method", ":path"] {
        let world = World::with(&recipe());
        assert!(!is_replayed(&mut world.request(PAYMENT).without(missing).send()), "{missing}");
    }
}

#[test]
fn a_body_up_to_the_limit_is_replayed_and_one_byte_more_passes() {
    let world = limited(10);
    let mut call = world.request(PAYMENT).with_body().send();
    call.body(b"01234", false).body(b"56789", true);
    assert!(is_replayed(&mut call));
    let mut call = world.request(PAYMENT).with_body().send();
    call.body(b"01234", false).body(b"567890", true);
    assert!(!is_replayed(&mut call));
    let mut call = world.request(PAYMENT).with_body().send();
    call.body(b"01234567890", false).body(b"", true);
    assert!(!is_replayed(&mut call), "and what is over the limit is never kept");
}

#[test]
fn with_a_limit_of_nothing_only_requests_without_a_body_are_replayed() {
    let world = limited(0);
    assert!(is_replayed(&mut world.call()));
    let mut call = world.request(PAYMENT).with_body().send();
    call.body(b"", true);
    assert!(is_replayed(&mut call));
    let mut call = world.request(PAYMENT).with_body().send();
    call.body(b"0", true);
    assert!(!is_replayed(&mut call));
}

#[test]
fn a_body_that_the_proxy_withholds_passes() {
    let world = World::with(&recipe());
    let mut call = world.request(PAYMENT).with_body().send();
    call.withheld_body(5, true);
    assert!(!is_replayed(&mut call));
}

/// One that is answered before it ends, and one that ends with trailers, which a callout cannot
/// send: neither has a last piece of body.
#[test]
fn a_request_that_was_not_seen_to_its_end_passes() {
    let world = World::with(&recipe());
    let mut call = world.request(PAYMENT).with_body().send();
    call.body(b"body", false);
    assert!(!is_replayed(&mut call));
}

#[test]
fn upgrades_tunnels_and_grpc_pass() {
    let world = World::with(&recipe());
    let upgrade = world.request(PAYMENT).header("upgrade", "websocket");
    assert!(!is_replayed(&mut upgrade.send()));
    assert!(!is_replayed(&mut world.request(PAYMENT).method("CONNECT").send()));
    let mut grpc = world.request(PAYMENT).grpc().send();
    grpc.body(b"message", true);
    assert!(!is_replayed(&mut grpc));
    assert_eq!(world.calls("failure"), 3, "they are failures all the same");
}

#[test]
fn upgrades_and_grpc_are_not_given_a_static_response_either() {
    let world = World::with(&json!({"fallback": {"response": {"status": 200}}}));
    assert_eq!(world.call().respond(503).by, By::Response);
    let upgrade = world.request(PAYMENT).header("upgrade", "websocket").send();
    assert_eq!(upgrade.respond(503).by, By::Service);
    let mut grpc = world.request(PAYMENT).grpc().send();
    assert_eq!(grpc.begin(503), PASS);
}

#[test]
fn once_a_good_answer_has_begun_nothing_more_of_the_request_is_kept() {
    let world = World::with(&recipe());
    let mut call = world.request(PAYMENT).with_body().send();
    assert!(call.keeps(b"first"));
    call.begin(200);
    assert!(!call.keeps(b"second"));
}

#[test]
fn the_body_of_a_request_is_read_only_while_its_copy_fits() {
    let world = limited(8);
    let mut call = world.request(PAYMENT).with_body().send();
    assert!(call.keeps(b"fits"));
    assert!(!call.keeps(b"too much"));
    assert!(!call.keeps(b"fits"), "the copy is worth nothing without its middle");
}

#[test]
fn a_fault_of_the_way_to_the_service_is_answered_by_the_fallback_whatever_counts_as_failure() {
    let mut fields = recipe();
    fields["classify"] = json!({"failure_status": []});
    let world = World::with(&fields);
    assert_eq!(world.call().respond(503).by, By::Service);
    let unreachable = world.call().respond_by_proxy(503, "no_healthy_upstream", &[flag::UH]);
    assert_eq!(unreachable.by, By::Replay);
}

#[test]
fn without_on_failure_a_failed_call_passes_and_no_body_is_asked_for() {
    let mut fields = recipe();
    fields["fallback"]["on_failure"] = json!(false);
    let world = World::with(&fields);
    let mut call = world.request(PAYMENT).with_body().send();
    call.body(b"body", true);
    assert!(!is_replayed(&mut call));
}

#[test]
fn good_ignored_and_unfinished_answers_are_not_replaced() {
    let mut fields = recipe();
    fields["classify"] = json!({"ignore_status": ["501"]});
    let world = World::with(&fields);
    for status in [200, 301, 404, 429, 501] {
        assert_eq!(world.call().respond(status).by, By::Service, "{status}");
    }
    let limited = world.call().respond_by_proxy(503, "request_rate_limited", &[flag::RL]);
    assert_eq!(limited.by, By::Service);
    world.call().reset_mid_body();
    assert_eq!(world.of("fallback_total", &["kind=replay"]), 0);
}

// === The fallback's answer

fn asked(expose: &str) -> (World, Call) {
    let config = json!({"expose_state": expose, "services": [service(PAYMENT, &recipe())]});
    let world = World::configured(1, &config);
    let mut call = world.call();
    assert!(is_replayed(&mut call));
    (world, call)
}

#[test]
fn the_fallbacks_answer_is_the_clients() {
    let (world, mut call) = asked("fallback");
    let verdict = call.fallback_answers(
        "201",
        &[
            ("content-type", b"application/json"),
            ("x-odd", b"\xff"),
            ("set-cookie", b"a=1"),
            ("set-cookie", b"b=2"),
        ],
    );
    let FallbackVerdict::Replace(Substitute { reply, .. }) = verdict else { panic!("{verdict:?}") };
    assert_eq!((reply.status, &reply.body[..]), (201, &b"from the fallback"[..]));
    let headers: Vec<_> = reply.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
    assert_eq!(
        headers,
        [
            ("content-type", &b"application/json"[..]),
            ("x-odd", b"\xff"),
            ("set-cookie", b"a=1"),
            ("set-cookie", b"b=2"),
            ("x-circuit-breaker-state", b"CLOSED"),
            ("x-circuit-breaker-fallback", b"replay"),
        ]
    );
    assert_eq!(world.of("fallback_total", &["kind=replay"]), 1);
}

#[test]
fn the_fallbacks_framing_and_its_word_on_the_breaker_are_dropped() {
    let (_world, mut call) = asked("never");
    let dropped = [
        "connection",
        "content-length",
        "keep-alive",
        "transfer-encoding",
        "trailer",
        "upgrade",
        "x-circuit-breaker-state",
        "x-circuit-breaker-fallback",
    ];
    let verdict = call.fallback_answers("200", &dropped.map(|name| (name, &b"its"[..])));
    let FallbackVerdict::Replace(Substitute { reply, .. }) = verdict else { panic!("{verdict:?}") };
    assert_eq!(reply.headers, []);
}

/// Row 20: a fallback's failure is not the service's, and makes nothing worse.
#[test]
fn where_the_fallback_fails_the_original_answer_passes() {
    for status in ["500", "503", "504", "599", "199", "0", "", "abc", "99999"] {
        let (world, mut call) = asked("fallback");
        let verdict = call.fallback_answers(status, &[]);
        assert_eq!(verdict, FallbackVerdict::Resume(ResponseAnnotations::NOTHING), "{status}");
        drop(call);
        assert_eq!(world.of("fallback_total", &["kind=replay"]), 0);
        assert_eq!((world.status().failures, world.outcomes()), (1, [0, 1, 0, 0]));
    }
}

#[test]
fn where_the_fallback_does_not_answer_the_original_answer_passes() {
    let (world, mut call) = asked("always");
    let told =
        ResponseAnnotations { state: Some(StateName::Closed), ..ResponseAnnotations::NOTHING };
    assert_eq!(call.fallback_verdict(None), FallbackVerdict::Resume(told));
    drop(call);
    assert_eq!(world.outcomes(), [0, 1, 0, 0]);
}

#[test]
fn a_second_answer_and_one_after_the_end_have_no_effect() {
    let (_world, mut call) = asked("fallback");
    assert!(matches!(call.fallback_answers("200", &[]), FallbackVerdict::Replace(_)));
    assert_eq!(call.fallback_answers("200", &[]), FallbackVerdict::Nothing);
    assert_eq!(call.fallback_verdict(None), FallbackVerdict::Nothing);
    let (_world, mut call) = asked("fallback");
    call.over();
    assert_eq!(call.fallback_answers("200", &[]), FallbackVerdict::Nothing);
    let world = World::with(&recipe());
    assert_eq!(world.call().fallback_answers("200", &[]), FallbackVerdict::Nothing);
}

#[test]
fn a_client_that_leaves_while_the_fallback_is_asked_changes_nothing() {
    let (world, call) = asked("fallback");
    call.abort();
    assert_eq!(world.outcomes(), [0, 1, 0, 0]);
}

#[test]
fn a_failed_trial_is_answered_by_the_fallback() {
    let world = World::with(&json!({
        "open": {"wait_duration": "10s", "jitter": 0}, "fallback": {"cluster": "payment-fallback"}
    }));
    world.await_trials();
    let answer = world.call().respond(503);
    assert_eq!((answer.by, answer.told()), (By::Replay, (Some("OPEN"), Some("replay"))));
}

#[test]
fn defaults_for_on_failure_apply_where_there_is_a_fallback() {
    let config = |on_failure: bool, cluster: Option<&str>| -> Value {
        json!({
            "defaults": {"fallback": {"on_failure": on_failure}},
            "services": [service(PAYMENT, &json!({"fallback": {"cluster": cluster}}))]
        })
    };
    let by = |config: &Value| World::configured(1, config).call().respond(503).by;
    assert_eq!(by(&config(true, Some("payment-fallback"))), By::Replay);
    assert_eq!(by(&config(false, Some("payment-fallback"))), By::Service);
    assert_eq!(by(&config(true, None)), By::Service);
}
