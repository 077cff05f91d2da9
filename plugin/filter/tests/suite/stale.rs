//! Stale answers: kept while all is well, and given when it is not.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{Answer, Call, PAYMENT, Request, World, service};

const SLOTS: &str = "edge-breaker/v1/payment-service/stale";

fn config(stale: &Value) -> Value {
    let fields = json!({
        "open": {"wait_duration": "10m", "max_wait_duration": "10m", "jitter": 0},
        "fallback": {"stale": stale}
    });
    json!({"services": [service(PAYMENT, &fields)], "expose_state": "always"})
}

fn keeping(stale: &Value) -> World {
    World::configured(2, &config(stale))
}

fn world() -> World {
    keeping(&json!({}))
}

/// The service answers well, with these headers.
fn answer(request: Request, headers: &[(&'static str, &str)], body: &[u8]) {
    let mut call = request.send();
    for (name, value) in headers {
        call = call.response_header(name, value);
    }
    call.begin(200);
    call.response_body(body, true);
    call.over();
}

fn get(world: &World, path: &str) -> Request {
    world.request(PAYMENT).path(path)
}

fn body(answer: &Answer) -> &[u8] {
    &answer.body
}

/// What a request gets once the service is down; `None`: no stale answer.
fn stale(request: Request) -> Option<Answer> {
    let answer = request.send().reply();
    (answer.header("x-circuit-breaker-fallback") == Some("stale")).then_some(answer)
}

#[test]
fn a_good_answer_is_given_again_while_the_service_is_down() {
    let world = world();
    let headers = [("content-type", "text/plain"), ("etag", "\"7\""), ("age", "5")];
    answer(get(&world, "/a?b=1"), &headers, b"hello");
    world.trip();
    world.advance(Duration::from_secs(7));
    let answer = stale(get(&world, "/a?b=1").on(1)).expect("on another worker, too");
    assert_eq!((answer.status, body(&answer)), (200, &b"hello"[..]));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.header("etag"), Some("\"7\""));
    assert_eq!(answer.header("age"), Some("12"));
    assert_eq!(answer.header("warning"), Some("110 - \"Response is Stale\""));
    assert_eq!(answer.told(), (Some("OPEN"), Some("stale")));
    assert_eq!(world.of("fallback_total", &["kind=stale"]), 1);
    assert_eq!(world.of("not_permitted_total", &["reason=open"]), 1);
    assert!(stale(get(&world, "/a?b=2")).is_none());
}

#[test]
fn a_failed_call_is_answered_by_what_was_kept() {
    let world = world();
    answer(get(&world, "/a"), &[], b"hello");
    world.advance(Duration::from_secs(2));
    let answer = get(&world, "/a").send().respond(503);
    assert_eq!((answer.status, body(&answer)), (200, &b"hello"[..]));
    assert_eq!(answer.told(), (Some("CLOSED"), Some("stale")));
    assert_eq!(world.status().failures, 1, "it has failed all the same");
    let other = get(&world, "/b").send().respond(503);
    assert_eq!((other.status, other.told()), (503, (Some("CLOSED"), None)), "nothing was kept");
}

#[test]
fn no_answer_is_kept_unless_stale_is_configured() {
    let world = World::with(&json!({}));
    let asked = world.asked(|| answer(get(&world, "/a"), &[], b"hello"));
    assert_eq!(asked.get("response_headers"), None);
    assert!(world.store().keys().iter().all(|key| !key.contains("/stale")));
}

#[test]
fn an_answer_that_caching_rules_forbid_is_not_kept() {
    for headers in [
        ("cache-control", "no-store"),
        ("cache-control", "max-age=60, Private"),
        ("cache-control", "private=\"x-a, x-b\""),
        ("cache-control", "no-cache"),
        ("cache-control", "must-revalidate"),
        ("cache-control", "proxy-revalidate"),
        ("cache-control", "s-maxage=60"),
        ("pragma", "no-cache"),
        ("set-cookie", "a=b"),
        ("vary", "accept, *"),
        ("content-range", "bytes 0-1/2"),
        ("content-length", "7"),
        ("content-length", "many"),
    ] {
        let world = world();
        answer(get(&world, "/a"), &[headers], b"hello");
        world.trip();
        assert!(stale(get(&world, "/a")).is_none(), "{headers:?}");
    }
    for headers in [
        ("cache-control", "public, max-age=60"),
        ("cache-control", "max-age=60"),
        ("expires", "0"),
        ("content-length", "5"),
        ("vary", "accept"),
        ("pragma", "other"),
    ] {
        let world = world();
        answer(get(&world, "/a"), &[headers], b"hello");
        world.trip();
        assert!(stale(get(&world, "/a")).is_some(), "{headers:?}");
    }
}

#[test]
fn an_answer_that_its_request_forbids_is_neither_kept_nor_given() {
    for header in
        [("authorization", "Basic x"), ("range", "bytes=0-1"), ("cache-control", "no-store")]
    {
        let world = world();
        answer(get(&world, "/a").header(header.0, header.1), &[], b"hello");
        answer(get(&world, "/b"), &[], b"hello");
        world.trip();
        assert!(stale(get(&world, "/a")).is_none(), "{header:?}");
        assert!(stale(get(&world, "/b")).is_some());
        assert!(stale(get(&world, "/b").header(header.0, header.1)).is_none(), "{header:?}");
    }
}

/// The answer comes when all of the request has.
fn answer_to(mut call: Call, pieces: &[&[u8]]) {
    for (place, piece) in pieces.iter().enumerate() {
        call.body(piece, place + 1 == pieces.len());
    }
    call.begin(200);
    call.response_body(b"hello", true);
    call.over();
}

#[test]
fn a_request_with_a_body_is_neither_kept_nor_answered_from_what_was_kept() {
    let sized = |request: Request| request.header("content-length", "1").with_body();
    let chunked = |request: Request| request.header("transfer-encoding", "chunked").with_body();
    // In HTTP/2 nothing but the body itself needs to say that there is one.
    let untold = |request: Request| request.with_body();
    // Some proxies end such a request at once, and leave its headers as they were.
    let emptied = |request: Request| request.header("content-length", "1");
    let twice = |request: Request| {
        request.header("content-length", "0").header("content-length", "1").with_body()
    };
    let with_body: [(&str, &dyn Fn(Request) -> Request); 5] = [
        ("sized", &sized),
        ("chunked", &chunked),
        ("untold", &untold),
        ("emptied", &emptied),
        ("twice", &twice),
    ];
    for (name, with_body) in with_body {
        for pieces in [&[&b"A"[..]][..], &[b"", b"A"], &[b"A", b""]] {
            let world = world();
            answer_to(with_body(get(&world, "/a")).send(), pieces);
            answer(get(&world, "/b"), &[], b"hello");
            let mut failed = with_body(get(&world, "/b")).send();
            failed.body(b"B", true);
            assert_eq!(failed.respond(503).status, 503, "{name}");
            world.trip_at(2);
            assert!(stale(get(&world, "/a")).is_none(), "{name}");
            assert!(stale(get(&world, "/b")).is_some(), "{name}");
            assert!(stale(with_body(get(&world, "/b"))).is_none(), "{name}");
        }
    }
}

#[test]
fn a_request_that_ends_with_an_empty_piece_has_no_body() {
    let world = world();
    answer_to(get(&world, "/a").with_body().send(), &[b""]);
    answer_to(get(&world, "/b").with_body().send(), &[b"", b""]);
    answer_to(get(&world, "/c").header("content-length", "0").with_body().send(), &[]);
    let mut failed = get(&world, "/a").with_body().send();
    failed.body(b"", true);
    assert_eq!(failed.respond(503).told().1, Some("stale"));
    let unfinished = get(&world, "/a").with_body().send();
    assert_eq!(unfinished.respond(503).told().1, None, "a body may follow");
    world.trip_at(1);
    for path in ["/a", "/b", "/c"] {
        assert!(stale(get(&world, path)).is_some(), "{path}");
    }
    let known = get(&world, "/a").header("content-length", "0").with_body();
    assert!(stale(known).is_some());
    assert!(stale(get(&world, "/a").with_body()).is_none(), "nobody waits for what follows");
}

#[test]
fn an_answer_before_the_request_has_ended_is_not_kept() {
    let world = world();
    let mut call = get(&world, "/a").with_body().send();
    call.begin(200);
    call.response_body(b"hello", true);
    call.over();
    world.trip();
    assert!(stale(get(&world, "/a")).is_none());
}

const TELLING: [&str; 6] = [
    "cookie",
    "x-api-key",
    "x-auth-token",
    "x-forwarded-client-cert",
    "x-jwt-payload",
    "x-csrf-token",
];

#[test]
fn an_answer_to_a_known_client_is_kept_only_if_it_is_public() {
    for name in TELLING {
        let known = |world: &World, path: &str| get(world, path).header(name, "session=ann");
        let world = world();
        answer(known(&world, "/account"), &[], b"hello Ann");
        answer(known(&world, "/aged"), &[("cache-control", "max-age=60")], b"hello Ann");
        answer(known(&world, "/logo"), &[("cache-control", "max-age=60, Public")], b"hello");
        let secret = &[("cache-control", "public, no-store")];
        answer(known(&world, "/secret"), secret, b"hello Ann");
        world.trip();
        for path in ["/account", "/aged", "/secret"] {
            assert!(stale(get(&world, path)).is_none(), "{name} {path}");
            assert!(
                stale(get(&world, path).header(name, "session=bob")).is_none(),
                "{name} {path}"
            );
        }
        assert!(stale(get(&world, "/logo")).is_some(), "{name}");
        assert!(stale(get(&world, "/logo").header(name, "session=bob")).is_some(), "{name}");
    }
}

#[test]
fn only_the_directive_makes_an_answer_public() {
    for control in [
        "publicity",
        "public=1",
        "x-why=\"not, public, at all\"",
        "x-why=\"public\"",
        "max-age=1; public",
        "",
    ] {
        let world = world();
        let request = get(&world, "/a").header("cookie", "session=ann");
        answer(request, &[("cache-control", control)], b"hello Ann");
        world.trip();
        assert!(stale(get(&world, "/a")).is_none(), "{control}");
    }
}

/// What a service gives to everybody it gives to those, too, whom it would know: while it is down
/// they are shown what strangers are.
#[test]
fn a_known_client_gets_answers_that_were_kept_for_strangers() {
    let world = world();
    answer(get(&world, "/a"), &[], b"hello");
    answer(get(&world, "/b"), &[("vary", "cookie")], b"hello");
    world.trip();
    assert!(stale(get(&world, "/a").header("cookie", "session=ann")).is_some());
    assert!(stale(get(&world, "/b").header("cookie", "session=ann")).is_none(), "it says so");
    assert!(stale(get(&world, "/b")).is_some());
}

#[test]
fn an_answer_to_a_request_with_a_method_override_is_neither_kept_nor_given() {
    for name in [
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
        "authorization",
        "proxy-authorization",
    ] {
        for value in ["DELETE", ""] {
            let world = world();
            answer(get(&world, "/a").header(name, value), &[], b"done");
            answer(get(&world, "/b"), &[], b"hello");
            world.trip();
            assert!(stale(get(&world, "/a")).is_none(), "{name}");
            assert!(stale(get(&world, "/b").header(name, value)).is_none(), "{name}");
        }
    }
    let world = world();
    answer(get(&world, "/a").method("QUERY"), &[], b"hello");
    answer(get(&world, "/b").method("get"), &[], b"hello");
    world.trip();
    assert!(stale(get(&world, "/a")).is_none());
    assert!(stale(get(&world, "/b")).is_none(), "methods have their case");
}

#[test]
fn each_address_has_its_own_answer() {
    for (name, value) in [
        (":scheme", "https"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("x-forwarded-prefix", "/evil"),
        ("x-original-host", "evil.example"),
    ] {
        let world = world();
        answer(get(&world, "/a").header(name, value), &[], b"<a href='https://evil.example/'>");
        answer(get(&world, "/b"), &[], b"hello");
        world.trip();
        assert!(stale(get(&world, "/a")).is_none(), "{name}");
        assert!(stale(get(&world, "/a").header(name, value)).is_some(), "{name}");
        assert!(stale(get(&world, "/b")).is_some());
        assert!(stale(get(&world, "/b").header(name, value)).is_none(), "{name}");
    }
}

#[test]
fn only_get_is_kept_and_head_gets_its_head() {
    let world = world();
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        answer(get(&world, "/a").method(method), &[], b"hello");
    }
    let mut head = get(&world, "/a").method("HEAD").send();
    head.head(Some(200), true);
    drop(head);
    answer(get(&world, "/b"), &[("content-type", "text/plain")], b"hello");
    world.trip();
    assert!(stale(get(&world, "/a")).is_none());
    let head = stale(get(&world, "/b").method("HEAD")).expect("the head of what was kept");
    assert_eq!((head.status, body(&head)), (200, &b""[..]));
    assert_eq!(head.header("content-type"), Some("text/plain"));
    assert!(stale(get(&world, "/b").method("POST")).is_none());
}

#[test]
fn only_a_whole_and_good_answer_is_kept() {
    let world = world();
    let mut cut = get(&world, "/cut").send();
    cut.begin(200);
    cut.response_body(b"hel", false);
    cut.reset_mid_body();
    get(&world, "/late").send().abort();
    for status in [201, 204, 206, 301, 404, 500] {
        let mut call = get(&world, &format!("/{status}")).send();
        call.begin(status);
        call.response_body(b"hello", true);
        call.over();
    }
    let mut own = get(&world, "/own").send();
    own.came_by("direct_response", &[]);
    own.head(Some(200), false);
    own.response_body(b"hello", true);
    own.over();
    world.trip_at(2);
    for path in ["/cut", "/late", "/201", "/204", "/206", "/301", "/404", "/500", "/own"] {
        assert!(stale(get(&world, path)).is_none(), "{path}");
    }
}

#[test]
fn an_answer_that_depends_on_a_header_answers_who_has_the_same() {
    let world = world();
    let german =
        || get(&world, "/a").header("accept-language", "de").header("accept-language", "at");
    answer(german(), &[("vary", "Accept-Language, x-b")], b"hallo");
    world.trip();
    assert!(stale(german()).is_some());
    assert!(stale(get(&world, "/a").header("accept-language", "de, at")).is_some(), "as a list");
    assert!(stale(get(&world, "/a").header("accept-language", "en")).is_none());
    assert!(stale(get(&world, "/a")).is_none());
    assert!(stale(german().header("x-b", "")).is_none(), "there was none");
}

#[test]
fn answers_in_another_coding_are_kept_beside_each_other() {
    let world = world();
    let coded = |coding: &str| get(&world, "/a").header("accept-encoding", coding);
    answer(coded("gzip"), &[("vary", "accept-encoding")], b"\x1f\x8b\x00\xff");
    answer(coded("br"), &[("vary", "accept-encoding")], b"\xce\xb2");
    world.trip();
    assert_eq!(stale(coded("gzip")).unwrap().body, b"\x1f\x8b\x00\xff");
    assert_eq!(stale(coded("br")).unwrap().body, b"\xce\xb2");
}

#[test]
fn no_answer_is_given_beyond_its_age() {
    let world = keeping(&json!({"max_age": "1m"}));
    answer(get(&world, "/a"), &[("age", "1000")], b"hello");
    answer(get(&world, "/b"), &[("cache-control", "max-age=5, stale-if-error=20")], b"hello");
    world.trip();
    world.advance(Duration::from_secs(25));
    assert!(stale(get(&world, "/b")).is_some());
    world.advance(Duration::from_secs(1));
    assert!(stale(get(&world, "/b")).is_none(), "it said so itself");
    world.advance(Duration::from_secs(34));
    assert!(stale(get(&world, "/a")).is_some());
    world.advance(Duration::from_secs(1));
    assert!(stale(get(&world, "/a")).is_none());
}

#[test]
fn an_answer_that_is_kept_is_renewed_in_a_tenth_of_its_time_and_not_before() {
    let world = keeping(&json!({"max_age": "1m"}));
    answer(get(&world, "/a"), &[], b"one");
    world.advance(Duration::from_millis(5_900));
    let asked = world.asked(|| answer(get(&world, "/a"), &[], b"two"));
    assert_eq!(asked.get("response_headers"), None, "not even looked at");
    world.advance(Duration::from_millis(100));
    answer(get(&world, "/a"), &[], b"three");
    world.trip();
    assert_eq!(stale(get(&world, "/a")).unwrap().body, b"three");
}

#[test]
fn a_copy_that_came_to_nothing_is_begun_again_at_once() {
    let world = world();
    let mut cut = get(&world, "/a").send();
    cut.begin(200);
    cut.response_body(b"hel", false);
    cut.reset_mid_body();
    answer(get(&world, "/a"), &[], b"hello");
    world.trip();
    assert!(stale(get(&world, "/a")).is_some());
}

#[test]
fn an_answer_that_is_too_large_is_not_kept() {
    let world = keeping(&json!({"max_response_bytes": 5}));
    answer(get(&world, "/a"), &[], b"hello");
    answer(get(&world, "/b"), &[], b"hello!");
    let long = "x".repeat(17 * 1024);
    answer(get(&world, "/c"), &[("x-long", &long)], b"");
    let path = format!("/{}", "y".repeat(5_000));
    answer(get(&world, &path), &[], b"");
    world.trip();
    assert!(stale(get(&world, "/a")).is_some());
    for path in ["/b", "/c", &path] {
        assert!(stale(get(&world, path)).is_none());
    }
}

#[test]
fn kept_answers_survive_a_new_configuration() {
    let world = world();
    answer(get(&world, "/a"), &[], b"hello");
    world.configure(2, &config(&json!({"max_age": "1h"})));
    world.trip();
    assert!(stale(get(&world, "/a")).is_some());
}

#[test]
fn fewer_entries_leave_nothing_of_the_others_behind() {
    let world = keeping(&json!({"max_entries": 64}));
    for number in 0..200 {
        answer(get(&world, &format!("/{number}")), &[], b"hello");
    }
    let kept = |world: &World| {
        let keys = world.store().keys();
        let slots = keys.iter().filter(|key| key.starts_with(&format!("{SLOTS}/")));
        slots.filter(|key| !world.store().get(key).unwrap().is_empty()).count()
    };
    assert!(kept(&world) > 32);
    world.configure(2, &config(&json!({"max_entries": 4})));
    assert!(kept(&world) <= 4);
}

/// One that is left alone in the place of an entry too many is not forgotten, whoever has begun.
#[test]
fn a_newer_entry_too_many_is_emptied_once_nobody_has_written_it_for_thirty_seconds() {
    let slot = format!("{SLOTS}/5");
    let number = |world: &World| world.store().get(SLOTS).unwrap();
    let world = keeping(&json!({"max_entries": 8}));
    world.store().put(&slot, b"\x09newer".to_vec());
    world.configure(2, &config(&json!({"max_entries": 4})));
    world.run(Duration::from_secs(29));
    assert_eq!(world.store().get(&slot).unwrap(), b"\x09newer");
    assert_eq!(number(&world), 6_u32.to_le_bytes(), "there is one that is known to be too many");
    // Nor does another worker that begins meanwhile take it for done.
    world.configure(2, &config(&json!({"max_entries": 4})));
    world.run(Duration::from_secs(31));
    assert_eq!(world.store().get(&slot).unwrap(), b"");
    assert_eq!(number(&world), 4_u32.to_le_bytes());
    let asked = world.asked(|| world.tick(0));
    assert_eq!(asked.get("load"), Some(&1), "the record: nothing is left to be emptied");
}

#[test]
fn damage_is_no_answer() {
    let world = keeping(&json!({"max_entries": 1}));
    answer(get(&world, "/a"), &[("x-a", "b")], b"hello");
    world.trip();
    let slot = format!("{SLOTS}/0");
    let whole = world.store().get(&slot).unwrap();
    assert!(stale(get(&world, "/a")).is_some());
    for len in 0..whole.len() {
        world.store().put(&slot, whole[..len].to_vec());
        assert!(stale(get(&world, "/a")).is_none(), "{len}");
    }
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0xff;
        world.store().put(&slot, bytes);
        let _ = stale(get(&world, "/a"));
    }
}

#[test]
fn a_fallback_cluster_goes_before_and_a_response_after() {
    let mut with = config(&json!({}));
    with["services"][0]["fallback"]["response"] = json!({"status": 200, "body": "sorry"});
    let world = World::configured(1, &with);
    answer(get(&world, "/a"), &[], b"hello");
    world.trip();
    assert!(stale(get(&world, "/a")).is_some());
    let other = get(&world, "/b").send().reply();
    assert_eq!((body(&other), other.told().1), (&b"sorry"[..], Some("response")));

    with["services"][0]["fallback"]["cluster"] = json!("payment-fallback");
    let world = World::configured(1, &with);
    answer(get(&world, "/a"), &[], b"hello");
    world.trip();
    assert!(get(&world, "/a").send().is_diverted());
}

#[test]
fn an_error_in_stale_answers_is_reported() {
    for (stale, expected) in [
        (json!({"max_age": "0s"}), "max_age: \"0s\": give from \"1s\" to"),
        (json!({"max_age": "8d"}), "max_age"),
        (json!({"max_response_bytes": 0}), "max_response_bytes: 0: give at least 1"),
        (json!({"max_response_bytes": 99_999_999}), "max_response_bytes: 99999999: keep at most"),
        (json!({"max_entries": 0}), "max_entries: 0: give at least 1"),
        (json!({"max_entries": 70_000}), "max_entries: 70000: keep at most 65536"),
        (json!({"max_entries": 4_000}), "max_entries: 4000: 4000 answers of 65536 bytes"),
        (json!({"max_size": 1}), "max_size: unknown field"),
    ] {
        let config = config(&stale).to_string();
        let refusal = filter::Config::parse(config.as_bytes()).unwrap_err().to_string();
        let start = format!("services[0].fallback.stale.{expected}");
        assert!(refusal.starts_with(&start), "{refusal}");
    }
}

#[test]
fn all_names_of_a_service_together_keep_no_more_than_one_may() {
    let config = |max_services: u32, defaults: bool| {
        let stale = json!({"fallback": {"stale": {"max_entries": 8, "max_response_bytes": 1000}}});
        let mut config = json!({"max_services": max_services, "services": [{"name": "{cluster}"}]});
        match defaults {
            true => config["defaults"] = stale,
            false => config["services"][0]["fallback"] = stale["fallback"].clone(),
        }
        filter::Config::parse(config.to_string().as_bytes())
    };
    assert!(config(1_000, false).is_ok());
    for (defaults, place) in [(false, "services[0]"), (true, "defaults")] {
        let refusal = config(4_000, defaults).unwrap_err().to_string();
        let start =
            format!("{place}.fallback.stale.max_entries: 8: for each of max_services (4000)");
        assert!(refusal.starts_with(&start), "{refusal}");
    }
}

proptest! {
    /// Whatever is asked and answered, no more is kept than the configuration says.
    #[test]
    fn the_size_of_kept_answers_is_bounded(
        answers in prop::collection::vec((0..50_u32, 0..300_usize, 0..3_usize, 0..400_usize), 1..80),
    ) {
        const ENTRIES: usize = 8;
        const BYTES: usize = 200;
        let world = keeping(&json!({"max_entries": ENTRIES, "max_response_bytes": BYTES}));
        for (path, size, headers, length) in answers {
            let value = "v".repeat(length * 20);
            let header = ["x-a", "x-b", "x-c"].map(|name| (name, value.as_str()));
            let vary = ("vary", "x-q");
            let headers: Vec<_> = header.into_iter().take(headers).chain([vary]).collect();
            let query = "q".repeat(length * 5);
            let request = get(&world, &format!("/{path}")).header("x-q", query);
            answer(request, &headers, &vec![b'x'; size]);
            let keys = world.store().keys();
            let kept: Vec<_> = keys.iter().filter(|key| key.starts_with(&format!("{SLOTS}/"))).collect();
            prop_assert!(kept.len() <= ENTRIES);
            for key in kept {
                let bytes = world.store().get(key).unwrap().len();
                prop_assert!(bytes <= BYTES + 24 * 1024 + 64, "{bytes} bytes");
            }
            world.advance(Duration::from_secs(1));
        }
    }
}
