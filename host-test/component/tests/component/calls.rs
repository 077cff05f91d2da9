//! Requests: admitted, diverted, answered, abandoned.

use host_test_component::types::{Field, Origin, RequestVerdict, ResponseVerdict, State};
use host_test_component::{Shared, field};
use serde_json::{Value, json};

use crate::world::{World, get, head, instance};

fn value<'a>(fields: &'a [Field], name: &str) -> Option<&'a str> {
    let field = fields.iter().find(|field| field.name == name)?;
    Some(std::str::from_utf8(&field.value).unwrap())
}

#[test]
fn a_call_to_a_healthy_service_passes_and_is_counted() {
    let mut world = World::one(&json!({}));
    let admission = world.request(0);
    assert_eq!((admission.remove.len(), &admission.verdict), (0, &RequestVerdict::Pass));
    let call = admission.call.unwrap();
    let verdict = world.respond(0, call, 200);
    assert_eq!(verdict, ResponseVerdict::Pass(vec![field("x-circuit-breaker-state", "CLOSED")]));
    assert_eq!(world.calls_counted("success"), 0, "it might still break off");
    world.finish(0, call, Origin::Service);
    assert_eq!(world.calls_counted("success"), 1);
    assert_eq!((world.state(), world.failures()), (State::Closed, 0));
}

#[test]
fn an_instance_without_a_configuration_lets_everything_pass() {
    let mut guard = instance(&Shared::new());
    let admission = guard.request(&get("/")).unwrap();
    assert_eq!((admission.call, admission.verdict), (None, RequestVerdict::Pass));
    assert!(guard.tick().unwrap().is_empty());
    assert_eq!(guard.status().unwrap(), Ok(Vec::new()));
}

#[test]
fn the_end_of_a_request_that_no_service_matches_need_not_be_reported() {
    let mut world = World::one(&json!({"match": {"hosts": ["other.example.com"]}}));
    let admission = world.request(0);
    assert_eq!((admission.call, admission.verdict), (None, RequestVerdict::Pass));
}

#[test]
fn a_service_is_matched_by_where_the_request_would_go() {
    let mut world = World::one(&json!({"match": {"clusters": ["payment*"]}}));
    for (cluster, guarded) in [(Some("payment-eu"), true), (Some("other"), false), (None, false)] {
        let mut request = get("/");
        request.cluster = cluster.map(str::to_owned);
        let admission = world.workers[0].request(&request).unwrap();
        assert_eq!(admission.call.is_some(), guarded, "{cluster:?}");
    }
}

#[test]
fn three_failures_in_a_row_trip_the_breaker_once() {
    let mut world = World::one(&json!({}));
    for (status, state, failures) in [
        (503, State::Closed, 1),
        (503, State::Closed, 2),
        (200, State::Closed, 0),
        (500, State::Closed, 1),
        (502, State::Closed, 2),
        (504, State::Open, 3),
    ] {
        world.call(0, status);
        assert_eq!((world.state(), world.failures()), (state, failures), "{status}");
    }
    let transitions = world.transitions();
    let [line] = transitions.as_slice() else { panic!("{transitions:?}") };
    assert!(line.contains("from=CLOSED to=OPEN reason=consecutive_failures"), "{line}");
    let opened = "cb_to=.=open;.;cb_reason=.=consecutive_failures;.;edge_breaker_transitions_total";
    assert_eq!(world.metric(opened), 1);
    assert_eq!(world.metric("edge_breaker_state"), 1);
}

#[test]
fn an_open_breaker_diverts_to_the_fallback_cluster() {
    let mut world = World::one(&json!({"fallback": {"cluster": "payment-fallback"}}));
    world.trip();
    let admission = world.request(0);
    let RequestVerdict::Divert(diversion) = admission.verdict else {
        panic!("{:?}", admission.verdict);
    };
    assert_eq!(diversion.cluster, "payment-fallback");
    for (name, expected) in [
        ("cluster", "payment-fallback"),
        ("service", "payment-service"),
        ("state", "OPEN"),
        ("reason", "open"),
    ] {
        let name = format!("x-circuit-breaker-{name}");
        assert_eq!(value(&diversion.fields, &name), Some(expected));
    }
    let verdict = world.respond(0, admission.call.unwrap(), 200);
    let ResponseVerdict::Pass(told) = verdict else { panic!("{verdict:?}") };
    assert_eq!(value(&told, "x-circuit-breaker-state"), Some("OPEN"));
    assert_eq!(value(&told, "x-circuit-breaker-fallback"), Some("cluster"));
    assert_eq!(world.calls_counted("success"), 0, "the fallback's answers do not count");
}

#[test]
fn a_diverted_call_that_went_elsewhere_is_warned_of() {
    let mut world = World::one(&json!({"fallback": {"cluster": "payment-fallback"}}));
    world.trip();
    let log = |world: &World| world.shared.take_log().into_iter().map(|(_, line)| line);
    for (cluster, warned) in [("payment-fallback", false), ("payment", true)] {
        let call = world.request(0).call.unwrap();
        let _ = log(&world).count();
        let mut answer = head(200);
        answer.cluster = Some(cluster.to_owned());
        world.workers[0].respond(call, &answer).unwrap();
        let misrouted = log(&world).any(|line| line.contains("event=misrouted"));
        assert_eq!(misrouted, warned, "{cluster}");
    }
}

#[test]
fn without_a_fallback_cluster_the_breaker_answers_itself() {
    let mut world = World::one(&json!({}));
    world.trip();
    let admission = world.request(0);
    assert_eq!(admission.call, None, "nothing more is to be told");
    let RequestVerdict::Reply(reply) = admission.verdict else { panic!("{admission:?}") };
    assert_eq!(reply.status, 503);
    assert!(value(&reply.fields, "retry-after").is_some());
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["fallback_reason"], "Circuit breaker is open");
    assert_eq!(body["timestamp"], "2024-05-01T12:00:00.000Z");
}

#[test]
fn a_clients_own_copies_of_the_headers_are_removed() {
    let mut world = World::one(&json!({}));
    let mut request = get("/");
    request.fields.push(field("x-circuit-breaker-cluster", "elsewhere"));
    let admission = world.workers[0].request(&request).unwrap();
    assert_eq!(admission.remove, ["x-circuit-breaker-cluster"]);
}

#[test]
fn a_cluster_that_the_client_may_have_chosen_is_not_trusted() {
    let mut world = World::one(&json!({"match": {"clusters": ["payment"]}}));
    let mut request = get("/");
    request.cluster = Some("payment".to_owned());
    assert!(world.workers[0].request(&request).unwrap().call.is_some());
    request.fields.push(field("x-circuit-breaker-cluster", "payment"));
    assert!(world.workers[0].request(&request).unwrap().call.is_none());
    let steered = "cb_reason=.=client_header;.;edge_breaker_unprotected_total";
    assert_eq!(world.shared.metric(steered), Some(1));
}

#[test]
fn an_abandoned_call_says_nothing_about_the_service() {
    let mut world = World::one(&json!({}));
    world.call(0, 503);
    for answered in [false, true] {
        let call = world.admitted(0);
        if answered {
            world.respond(0, call, 200);
        }
        world.workers[0].abandon(call).unwrap();
    }
    assert_eq!((world.calls_counted("aborted"), world.failures()), (2, 1));
}

#[test]
fn an_abandoned_trial_frees_its_slot() {
    let mut world = World::one(&json!({"half_open": {"permitted_calls": 1}}));
    world.await_trials();
    let trial = world.admitted(0);
    let other = world.request(0);
    assert!(matches!(other.verdict, RequestVerdict::Reply(_)), "there is one place");
    world.workers[0].abandon(trial).unwrap();
    world.call(0, 200);
    assert_eq!(world.state(), State::Closed);
}

#[test]
fn a_late_result_changes_nothing() {
    let mut world = World::one(&json!({}));
    let (late_success, late_failure) = (world.admitted(0), world.admitted(0));
    world.await_trials();
    let trial = world.admitted(0);
    let before = world.status();
    assert_eq!(before.state, State::HalfOpen);
    world.settle(0, late_success, 200);
    world.settle(0, late_failure, 503);
    assert_eq!(world.status(), before);
    world.settle(0, trial, 200);
    assert_eq!(world.state(), State::Closed);
}

#[test]
fn numbers_that_are_not_known_change_nothing() {
    let mut world = World::one(&json!({}));
    let call = world.admitted(0);
    world.settle(0, call, 503);
    let before = world.status();
    for number in [call, 12_345, 0, u64::MAX] {
        assert_eq!(world.respond(0, number, 503), ResponseVerdict::Pass(Vec::new()));
        let replayed = world.workers[0].replayed(number, None).unwrap();
        assert_eq!(replayed, ResponseVerdict::Pass(Vec::new()));
        world.workers[0].request_body(number, b"?", true).unwrap();
        world.finish(0, number, Origin::Fault);
        world.workers[0].abandon(number).unwrap();
        world.workers[0].reported(number, Some(200)).unwrap();
    }
    assert_eq!(world.status(), before);
    assert_eq!((world.calls_counted("failure"), world.calls_counted("aborted")), (1, 0));
}

#[test]
fn a_good_call_reads_the_record_twice_and_writes_nothing() {
    let quiet = json!({"services": [{"name": "payment-service"}]}).to_string();
    let mut world = World::one(&json!({}));
    let _ = world.shared.take_store_calls();
    world.call(0, 200);
    assert_eq!(world.shared.take_store_calls(), (3, 0), "its state is told as well");
    world.workers[0].configure(&quiet).unwrap().unwrap();
    let _ = world.shared.take_store_calls();
    world.call(0, 200);
    assert_eq!(world.shared.take_store_calls(), (2, 0));
}

#[test]
fn calls_that_have_ended_leave_nothing_behind() {
    const CALLS: usize = 2_000;
    let mut world = World::one(&json!({"fallback": {"cluster": "payment-fallback"}}));
    let mut ways = |calls: usize| {
        for _ in 0..calls {
            world.call(0, 200);
            let call = world.admitted(0);
            world.workers[0].abandon(call).unwrap();
        }
        world.workers[0].memory()
    };
    let before = ways(CALLS);
    assert_eq!(ways(5 * CALLS), before);

    // Whoever forgets to tell how a call ended pays for it with memory, and nothing else.
    for _ in 0..5 * CALLS {
        world.admitted(0);
    }
    let each = (world.workers[0].memory() - before) / (5 * CALLS);
    assert!((1..1024).contains(&each), "{each} bytes for each call");
}
