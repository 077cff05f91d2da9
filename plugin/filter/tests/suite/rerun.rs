//! Where the proxy can run a request again, a failed call is: its second run is diverted to the fallback.

use filter::{FallbackVerdict, Rerun, ResponseAnnotations, ResponseVerdict};
use serde_json::{Value, json};

use crate::world::{By, Call, PAYMENT, World, flag, recipe, service};

const HEADERS: [(&str, &str); 4] = [
    (":method", "GET"),
    (":path", "/"),
    (":authority", PAYMENT),
    ("x-circuit-breaker-state", "own"),
];

/// A call whose request the proxy has kept so much of.
fn sent(world: &World, pieces: &[&[u8]], kept: usize) -> Call {
    let request = world.request(PAYMENT);
    let mut call = if pieces.is_empty() { request } else { request.with_body() }.send();
    for (number, piece) in pieces.iter().enumerate() {
        call.body(piece, number + 1 == pieces.len());
    }
    call.facts.kept = kept;
    call.facts.diverted_to = Some("payment-fallback".to_owned());
    call
}

fn rerun(verdict: ResponseVerdict) -> Rerun {
    match verdict {
        ResponseVerdict::Rerun(rerun) => *rerun,
        other => panic!("it does not run again: {other:?}"),
    }
}

/// The headers that an answer goes on with.
fn told(verdict: ResponseVerdict) -> Vec<(&'static str, &'static str)> {
    match verdict {
        ResponseVerdict::Continue(annotations) => annotations.headers().collect(),
        other => panic!("it does not go on: {other:?}"),
    }
}

/// The second run of a failed call.
fn second(world: &World) -> Call {
    let mut call = sent(world, &[b"body"], 4);
    let rerun = rerun(call.begin(502));
    call.run_again(&rerun, &HEADERS)
}

fn limited(max_request_bytes: usize) -> Value {
    let mut fields = recipe();
    fields["fallback"]["max_request_bytes"] = json!(max_request_bytes);
    fields
}

#[test]
fn a_call_that_failed_runs_again_and_is_diverted() {
    let world = World::that_reruns(&recipe());
    for pieces in [&[][..], &[&b"body"[..]], &[b"bo", b"", b"dy"]] {
        let kept = pieces.iter().map(|piece| piece.len()).sum();
        let mut call = sent(&world, pieces, kept);
        let rerun = rerun(call.begin(502));
        assert_eq!(rerun.replaced(), Some(502));
        let call = call.run_again(&rerun, &HEADERS);
        assert_eq!(call.removed(), ["x-circuit-breaker-state"], "a client's own");
        let state = if world.calls("failure") < 3 { "CLOSED" } else { "OPEN" };
        assert_eq!(
            call.diversion(),
            [
                ("x-circuit-breaker-cluster", "payment-fallback".to_owned()),
                ("x-circuit-breaker-service", PAYMENT.to_owned()),
                ("x-circuit-breaker-state", state.to_owned()),
                ("x-circuit-breaker-reason", "failure".to_owned()),
            ]
        );
    }
    assert_eq!(world.outcomes(), [0, 3, 0, 0], "each counts once");
    assert_eq!(world.of("not_permitted_total", &["reason=open"]), 0);
}

#[test]
fn the_fallbacks_answer_to_the_second_run_is_the_clients() {
    for (expose, state, kind) in [
        ("always", Some("CLOSED"), Some("replay")),
        ("fallback", Some("CLOSED"), Some("replay")),
        ("never", None, None),
    ] {
        let config = json!({"expose_state": expose, "services": [service(PAYMENT, &recipe())]});
        let world = World::that_reruns(&recipe());
        world.configure(1, &config);
        let answer = second(&world).respond(200);
        assert_eq!((answer.by, answer.told()), (By::Cluster, (state, kind)), "{expose}");
        assert_eq!(world.of("fallback_total", &["kind=replay"]), 1);
        assert_eq!(world.of("fallback_total", &["kind=cluster"]), 0);
        assert_eq!(world.outcomes(), [0, 1, 0, 0]);
    }
}

#[test]
fn an_answer_to_the_second_run_that_is_a_failure_goes_on_and_counts_for_nobody() {
    let world = World::that_reruns(&recipe());
    let mut call = second(&world);
    let told = told(call.begin(500));
    let (state, kind) = (("x-circuit-breaker-state", "CLOSED"), "x-circuit-breaker-fallback");
    assert_eq!(told, [state, (kind, "replay")], "it is the fallback's all the same");
    drop(call);
    let mut call = second(&world);
    call.came_by("no_healthy_upstream", &[flag::UH]);
    assert_eq!(self::told(call.head(Some(503), false)), [], "nobody has answered");
    drop(call);
    assert_eq!(world.of("fallback_total", &["kind=replay"]), 0);
    assert_eq!((world.status().failures, world.outcomes()), (2, [0, 2, 0, 0]));
}

#[test]
fn a_second_run_that_leads_to_another_cluster_is_counted_and_logged() {
    let world = World::that_reruns(&recipe());
    let mut call = second(&world);
    call.facts.cluster = Some(b"payment".to_vec());
    call.begin(200);
    assert_eq!(world.metric("cb_reason=.=fallback_route;.;edge_breaker_unprotected_total"), 1);
    assert_eq!(world.logged("event=misrouted").len(), 1);
}

#[test]
fn a_request_that_was_not_kept_whole_is_replayed_by_a_call() {
    let world = World::that_reruns(&recipe());
    for kept in [3, 5] {
        let mut call = sent(&world, &[b"body"], kept);
        assert!(matches!(call.begin(503), ResponseVerdict::Ask(_)), "{kept} bytes of 4");
    }
    let mut call = sent(&world, &[b"body"], 4);
    call.facts.diverted_to = Some("another".to_owned());
    assert!(matches!(call.begin(503), ResponseVerdict::Ask(_)), "no route leads there");
}

#[test]
fn a_body_that_is_too_long_for_a_copy_can_run_again() {
    let world = World::that_reruns(&limited(4));
    let mut call = sent(&world, &[b"longer", b" than", b" that"], 16);
    rerun(call.begin(503));
    let mut call = sent(&world, &[b"longer", b" than", b" that"], 15);
    assert_eq!(call.begin(503), ResponseVerdict::Continue(ResponseAnnotations::NOTHING));
    // Not without its end.
    let mut call = world.request(PAYMENT).with_body().send();
    call.body(b"longer than that", false).request_end();
    call.facts.kept = 16;
    call.facts.diverted_to = Some("payment-fallback".to_owned());
    assert_eq!(call.begin(503), ResponseVerdict::Continue(ResponseAnnotations::NOTHING));
}

#[test]
fn nothing_of_a_body_that_is_too_long_is_read_any_more() {
    let world = World::that_reruns(&limited(4));
    let mut call = world.request(PAYMENT).with_body().send();
    assert!(call.keeps(b"fits"));
    assert!(!call.keeps(b"too much"));
    assert!(!call.keeps(b"1"));
}

#[test]
fn a_call_that_cannot_run_again_after_all_keeps_its_answer() {
    let world = World::that_reruns(&recipe());
    let mut call = sent(&world, &[], 0);
    rerun(call.begin(503));
    let verdict = call.fallback_verdict(None);
    assert_eq!(verdict, FallbackVerdict::Resume(ResponseAnnotations::NOTHING));
    drop(call);
    assert_eq!(world.outcomes(), [0, 1, 0, 0]);
}

#[test]
fn the_heads_of_long_uploads_make_room_for_others() {
    let mut fields = limited(4);
    fields["trip"]["consecutive_failures"] = json!(1_000);
    let config = json!({
        "limits": {"max_copied_bytes": 65536}, "services": [service(PAYMENT, &fields)],
    });
    let world = World::that_reruns(&fields);
    world.configure(1, &config);
    let uploads: Vec<_> = (0..50)
        .map(|_| {
            let large = "x".repeat(4096);
            let mut call = world.request(PAYMENT).header("x-large", large).with_body().send();
            call.body(b"longer than that", true);
            call
        })
        .collect();
    let mut call = sent(&world, &[], 0);
    rerun(call.begin(503));
    let held: usize = uploads
        .into_iter()
        .map(|mut call| {
            call.facts.kept = 16;
            call.facts.diverted_to = Some("payment-fallback".to_owned());
            usize::from(matches!(call.begin(503), ResponseVerdict::Rerun(_)))
        })
        .sum();
    assert!((10..16).contains(&held), "{held} of 50 in 64 KiB");
}
