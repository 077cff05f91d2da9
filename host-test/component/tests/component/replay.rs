//! Failed calls that are answered by the fallback.

use host_test_component::field;
use host_test_component::types::{Answer, CallId, Callout, Origin, RequestHead, ResponseVerdict};
use serde_json::{Value, json};

use crate::world::{World, get, head};

fn with_fallback() -> Value {
    json!({
        "fallback": {
            "cluster": "payment-fallback", "on_failure": true, "timeout": "5s",
            "max_request_bytes": 16
        }
    })
}

fn post() -> RequestHead {
    let mut request = get("/charge");
    request.fields[0] = field(":method", "POST");
    request.end_of_stream = false;
    request
}

/// A request with this body, in pieces, that the service fails to answer.
fn fail(world: &mut World, pieces: &[&[u8]]) -> (CallId, ResponseVerdict) {
    let guard = &mut world.workers[0];
    let call = guard.request(&post()).unwrap().call.unwrap();
    for (index, piece) in pieces.iter().enumerate() {
        guard.request_body(call, piece, index + 1 == pieces.len()).unwrap();
    }
    let verdict = guard.respond(call, &head(503)).unwrap();
    (call, verdict)
}

fn asked(verdict: ResponseVerdict) -> Callout {
    match verdict {
        ResponseVerdict::Ask(callout) => callout,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failed_call_is_answered_by_the_fallback() {
    let mut world = World::one(&with_fallback());
    let (call, verdict) = fail(&mut world, &[b"amount", b"=100"]);
    let callout = asked(verdict);
    assert_eq!(
        (callout.cluster.as_str(), &*callout.body),
        ("payment-fallback", &b"amount=100"[..])
    );
    assert_eq!(callout.timeout, 5_000_000_000);
    for expected in [
        field(":method", "POST"),
        field(":path", "/charge"),
        field("x-circuit-breaker-state", "CLOSED"),
        field("x-circuit-breaker-reason", "failure"),
    ] {
        assert!(callout.fields.contains(&expected), "{expected:?} in {:?}", callout.fields);
    }
    let answer = Answer {
        status: 200,
        fields: vec![field("content-type", "text/plain")],
        body: b"from the fallback".to_vec(),
    };
    let verdict = world.workers[0].replayed(call, Some(&answer)).unwrap();
    let ResponseVerdict::Reply(reply) = verdict else { panic!("{verdict:?}") };
    assert_eq!((reply.status, &*reply.body), (200, &b"from the fallback"[..]));
    assert!(reply.fields.contains(&field("content-type", "text/plain")));
    assert!(reply.fields.contains(&field("x-circuit-breaker-fallback", "replay")));
    world.finish(0, call, Origin::Service);
    assert_eq!((world.calls_counted("failure"), world.failures()), (1, 1));
    assert_eq!(world.metric("cb_kind=.=replay;.;edge_breaker_fallback_total"), 1);
}

#[test]
fn a_fallback_that_fails_leaves_the_services_own_answer() {
    let failed = Answer { status: 500, fields: Vec::new(), body: Vec::new() };
    for answer in [None, Some(&failed)] {
        let mut world = World::one(&with_fallback());
        let (call, verdict) = fail(&mut world, &[b"amount=100"]);
        asked(verdict);
        let verdict = world.workers[0].replayed(call, answer).unwrap();
        let told = vec![field("x-circuit-breaker-state", "CLOSED")];
        assert_eq!(verdict, ResponseVerdict::Pass(told));
        world.finish(0, call, Origin::Service);
        assert_eq!(world.calls_counted("failure"), 1, "and not one more");
    }
}

#[test]
fn a_request_that_is_too_long_or_not_whole_is_not_replayed() {
    let mut world = World::one(&with_fallback());
    let (_, verdict) = fail(&mut world, &[b"nine bytes", b"and nine"]);
    assert!(matches!(verdict, ResponseVerdict::Pass(_)), "{verdict:?}");
    let (_, verdict) = fail(&mut world, &[]);
    assert!(matches!(verdict, ResponseVerdict::Pass(_)), "{verdict:?}");
}

#[test]
fn a_client_that_leaves_while_the_fallback_is_asked_changes_nothing() {
    let mut world = World::one(&with_fallback());
    let (call, verdict) = fail(&mut world, &[b""]);
    asked(verdict);
    world.workers[0].abandon(call).unwrap();
    let verdict = world.workers[0].replayed(call, None).unwrap();
    assert_eq!(verdict, ResponseVerdict::Pass(Vec::new()));
    assert_eq!((world.calls_counted("failure"), world.calls_counted("aborted")), (1, 0));
}
