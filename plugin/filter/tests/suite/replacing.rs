//! An answer in the place of one that failed is written into that, if it has a body.

use filter::{
    FallbackAnswer, FallbackVerdict, Headers, ReplaceBy, Reply, ResponseVerdict, Substitute,
    TrailersVerdict,
};
use serde_json::{Value, json};

use crate::memory::held;
use crate::world::{Call, PAYMENT, World, flag, recipe, service};

const MIB: usize = 1024 * 1024;

/// The fallback answers a call that the service has failed, with a body after its head or not.
fn replayed(call: &mut Call, body: bool, status: &str, headers: &[(&str, &[u8])]) -> Substitute {
    call.came_by("via_upstream", &[]);
    assert!(matches!(call.head(Some(503), !body), ResponseVerdict::Ask(_)));
    match call.fallback_answers(status, headers) {
        FallbackVerdict::Replace(substitute) => substitute,
        verdict => panic!("{verdict:?}"),
    }
}

/// The headers that the failed answer has from now on.
fn in_place(call: &mut Call, substitute: Substitute) -> Vec<(String, String)> {
    let way = call.replace(substitute).by;
    let ReplaceBy::Rewriting(headers) = way else { panic!("{way:?}") };
    pairs(&headers)
}

/// As proxy-wasm writes them.
fn pairs(headers: &Headers) -> Vec<(String, String)> {
    let bytes = headers.clone().into_serialized();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut at = 4 + number(0) * 8;
    let mut text = |len: usize| {
        let text = String::from_utf8(bytes[at..at + len].to_vec()).unwrap();
        at += len + 1;
        text
    };
    (0..number(0)).map(|it| (text(number(4 + it * 8)), text(number(8 + it * 8)))).collect()
}

fn named<'a>(headers: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
}

fn post(world: &World, bytes: usize) -> Call {
    let mut call = world.request(PAYMENT).method("POST").with_body().send();
    call.body(&vec![b'x'; bytes], true);
    call
}

#[test]
fn a_failed_answer_gets_status_headers_and_body_of_the_fallbacks() {
    let world = World::with(&recipe());
    let mut call = world
        .call()
        .response_header("content-length", "6")
        .response_header("content-encoding", "br")
        .response_header("retry-after", "9")
        .response_header("x-envoy-overloaded", "true");
    let headers = [("content-encoding", &b"gzip"[..]), ("set-cookie", b"a"), ("set-cookie", b"b")];
    let substitute = replayed(&mut call, true, "404", &headers);
    let headers = in_place(&mut call, substitute);
    let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(
        headers,
        [
            (":status", "404"),
            ("content-encoding", "gzip"),
            ("set-cookie", "a"),
            ("set-cookie", "b"),
            ("x-circuit-breaker-state", "CLOSED"),
            ("x-circuit-breaker-fallback", "replay"),
            ("content-length", "17"),
        ]
    );
    assert_eq!(call.response_body(b"fai", false).as_deref(), Some(&b"from the fallback"[..]));
    assert_eq!(call.response_body(b"", false), None);
    assert_eq!(call.response_body(b"l", false).as_deref(), Some(&b""[..]));
    assert_eq!(call.response_body(b"ed", true).as_deref(), Some(&b""[..]));
}

#[test]
fn a_body_that_turns_out_to_be_empty_has_room_for_the_fallbacks() {
    let world = World::with(&recipe());
    let mut call = world.call();
    let substitute = replayed(&mut call, true, "200", &[]);
    in_place(&mut call, substitute);
    assert_eq!(call.response_body(b"", true).as_deref(), Some(&b"from the fallback"[..]));
}

#[test]
fn a_head_without_a_body_is_replaced_by_a_reply_of_the_proxys() {
    let world = World::with(&recipe());
    let mut call = world.call();
    let substitute = replayed(&mut call, false, "200", &[]);
    let ReplaceBy::LocalReply(reply) = call.replace(substitute).by else { panic!("in place") };
    assert_eq!((reply.status, &reply.body[..]), (200, &b"from the fallback"[..]));
}

#[test]
fn an_answer_without_a_body_gets_none() {
    for (status, length) in [("204", vec![]), ("205", vec!["0"]), ("304", vec![])] {
        let world = World::with(&recipe());
        let mut call = world.call();
        let substitute = replayed(&mut call, true, status, &[]);
        let headers = in_place(&mut call, substitute);
        assert_eq!(named(&headers, "content-length"), length, "{status}");
        assert_eq!(call.response_body(b"failed", true).as_deref(), Some(&b""[..]), "{status}");
    }
    // An answer to HEAD may come as if a body followed.
    let world = World::with(&recipe());
    let mut call = world.request(PAYMENT).method("HEAD").send();
    let substitute = replayed(&mut call, true, "200", &[]);
    assert_eq!(named(&in_place(&mut call, substitute), "content-length"), ["17"]);
    assert_eq!(call.response_body(b"", true).as_deref(), Some(&b""[..]));
}

#[test]
fn headers_about_who_may_read_the_answer_stay_unless_the_fallback_sends_some() {
    let own: [&[(&str, &[u8])]; 2] = [&[], &[("access-control-allow-origin", b"*")]];
    for (own, allowed, exposed) in
        [(own[0], "https://shop.example", vec!["x-total"]), (own[1], "*", vec![])]
    {
        let world = World::with(&recipe());
        let mut call = world
            .call()
            .response_header("access-control-allow-origin", "https://shop.example")
            .response_header("access-control-expose-headers", "x-total")
            .response_header("vary", "origin")
            .response_header("x-total", "3");
        let substitute = replayed(&mut call, true, "200", own);
        let headers = in_place(&mut call, substitute);
        assert_eq!(named(&headers, "access-control-allow-origin"), [allowed]);
        assert_eq!(named(&headers, "access-control-expose-headers"), exposed);
        assert_eq!(named(&headers, "vary"), ["origin"]);
        assert_eq!(named(&headers, "x-total"), [""; 0]);
    }
}

#[test]
fn configured_and_stale_answers_replace_failed_ones_likewise() {
    let response = json!({"response": {
        "status": 203, "headers": {"content-type": "text/plain"}, "body": "later",
    }});
    for fallback in [response, json!({"stale": {}})] {
        let world = World::with(&json!({"fallback": fallback}));
        let mut good = world.call();
        good.begin(200);
        good.response_body(b"later", true);
        good.answer_end();
        let mut call = world.call();
        let ResponseVerdict::Replace(substitute) = call.begin(503) else { panic!("{fallback}") };
        let headers = in_place(&mut call, substitute);
        assert_eq!(named(&headers, "content-length"), ["5"], "{fallback}");
        assert_eq!(named(&headers, "x-circuit-breaker-fallback").len(), 1, "{fallback}");
        assert_eq!(call.response_body(b"failed", true).as_deref(), Some(&b"later"[..]));
    }
}

#[test]
fn the_status_that_was_replaced_is_noted() {
    for body in [true, false] {
        let world = World::with(&recipe());
        let mut call = world.call();
        let substitute = replayed(&mut call, body, "200", &[]);
        assert_eq!(call.replace(substitute).replaced, Some(503));
    }
}

#[test]
fn trailers_go_with_the_answer_that_they_belonged_to() {
    let world = World::with(&recipe());
    let mut call = world.call();
    let substitute = replayed(&mut call, true, "200", &[]);
    in_place(&mut call, substitute);
    call.response_body(b"failed", false);
    assert_eq!(call.response_trailers(), TrailersVerdict::Remove);
    let mut good = world.call();
    good.begin(200);
    assert_eq!(good.response_trailers(), TrailersVerdict::Continue);
}

#[test]
fn a_body_for_which_no_piece_came_is_no_empty_answer() {
    let world = World::with(&recipe());
    let mut call = world.call();
    let substitute = replayed(&mut call, true, "200", &[]);
    in_place(&mut call, substitute);
    let verdict = call.response_trailers();
    let TrailersVerdict::Reply(Reply { status, body, .. }) = verdict else { panic!("{verdict:?}") };
    assert_eq!((status, &body[..]), (200, &b"from the fallback"[..]));
}

fn bounded(budget: usize) -> World {
    let mut fields = recipe();
    fields["trip"] = json!({"consecutive_failures": 100_000});
    fields["fallback"]["max_request_bytes"] = json!(2 * MIB);
    let services: Value = json!([service(PAYMENT, &fields)]);
    World::configured(1, &json!({"limits": {"max_copied_bytes": budget}, "services": services}))
}

/// A fallback's answer of one MiB to a call that failed with a body.
fn large(call: &mut Call) -> Substitute {
    assert!(matches!(call.begin(503), ResponseVerdict::Ask(_)));
    let headers = Headers::from_pairs(&[(":status", "200")]);
    match call.fallback_verdict(Some(FallbackAnswer { headers, body: vec![b'y'; MIB] })) {
        FallbackVerdict::Replace(substitute) => substitute,
        verdict => panic!("{verdict:?}"),
    }
}

#[test]
fn answers_that_wait_to_be_written_hold_no_more_than_the_budget() {
    let world = bounded(8 * MIB + MIB / 2);
    let mut ways = [0, 0];
    let (calls, most) = held(|| {
        let calls = (0..100).map(|_| {
            let mut call = world.call();
            let substitute = large(&mut call);
            ways[usize::from(matches!(call.replace(substitute).by, ReplaceBy::Rewriting(_)))] += 1;
            call
        });
        calls.collect::<Vec<_>>()
    });
    // One message at a time is beside the budget, and heads.
    assert!(most < 11 * MIB, "{most}");
    assert_eq!(ways, [92, 8], "those without room are the proxy's own replies");
    for mut call in calls {
        call.came_by("downstream_remote_disconnect", &[flag::DC]);
    }
    let mut call = world.call();
    let substitute = large(&mut call);
    in_place(&mut call, substitute);
}

#[test]
fn a_thousand_uploads_that_wait_for_an_answer_hold_no_more_than_the_budget() {
    let world = bounded(32 * MIB);
    let (calls, most) = held(|| (0..1_000).map(|_| post(&world, MIB)).collect::<Vec<_>>());
    assert!(most < 38 * MIB, "{most}");
    let replayed = calls.into_iter().filter_map(|mut call| match call.begin(503) {
        ResponseVerdict::Ask(_) => Some(call),
        _ => None,
    });
    assert!((28..=31).contains(&replayed.count()), "those for whose copies there was room");
}

#[test]
fn no_second_answer_is_replaced_where_no_body_ever_comes() {
    let whole = ("via_upstream", &[][..]);
    let left = ("downstream_remote_disconnect", &[flag::DC][..]);
    let cut = ("upstream_reset_after_response_started{connection_termination}", &[flag::UC][..]);
    for ((details, flags), in_place_again) in [(whole, false), (left, true), (cut, true)] {
        let world = World::with(&recipe());
        let mut call = world.call();
        let substitute = replayed(&mut call, true, "200", &[]);
        in_place(&mut call, substitute);
        call.came_by(details, flags).over();
        let mut next = world.call();
        let substitute = replayed(&mut next, true, "200", &[]);
        let way = next.replace(substitute).by;
        assert_eq!(matches!(way, ReplaceBy::Rewriting(_)), in_place_again, "{details}");
        let told = world.logged("callback=proxy_on_response_body").len();
        assert_eq!(told, usize::from(!in_place_again), "{details}");
    }
}
