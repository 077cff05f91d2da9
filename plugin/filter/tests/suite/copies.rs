//! One budget for all that is copied: whoever sends what never ends makes room for everybody else.

use filter::ResponseVerdict;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::memory::held;
use crate::world::{Call, PAYMENT, Request, World, recipe, service};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// What calls and their streams take beside what is copied of them, and what a test itself does.
const EACH_CALL: usize = 4 * KIB;

fn config(budget: usize, max_request_bytes: usize) -> Value {
    let mut fields = recipe();
    fields["trip"] = json!({"consecutive_failures": 100_000});
    fields["fallback"]["max_request_bytes"] = json!(max_request_bytes);
    json!({
        "limits": {"max_copied_bytes": budget},
        "services": [
            service(PAYMENT, &fields),
            service("catalogue", &json!({"fallback": {"stale": {"max_response_bytes": 512 * KIB}}})),
        ]
    })
}

fn world(budget: usize, max_request_bytes: usize) -> World {
    World::configured(1, &config(budget, max_request_bytes))
}

fn post(world: &World) -> Request {
    world.request(PAYMENT).method("POST").with_body()
}

/// An upload that has sent so much, in pieces as a proxy hands them over.
fn upload(world: &World, bytes: usize) -> Call {
    let mut call = post(world).send();
    let piece = vec![b'x'; 16 * KIB];
    for sent in (0..bytes).step_by(piece.len()) {
        call.body(&piece[..piece.len().min(bytes - sent)], false);
    }
    call
}

/// The service fails it: whether the fallback is asked.
fn is_replayed(mut call: Call) -> bool {
    matches!(call.begin(503), ResponseVerdict::Ask(_))
}

fn ends(mut call: Call) -> bool {
    call.body(b"", true);
    is_replayed(call)
}

fn skipped(world: &World, reason: &str) -> u64 {
    world.tick_all();
    world.metric(&format!("cb_reason=.={reason};.;edge_breaker_copies_skipped_total"))
}

#[test]
fn unfinished_uploads_hold_no_more_than_the_budget() {
    let world = world(4 * MIB, 16 * MIB);
    let (calls, most) = held(|| (0..1_000).map(|_| upload(&world, 256 * KIB)).collect::<Vec<_>>());
    assert!(most < 4 * MIB + MIB / 4 + 1_000 * EACH_CALL, "{most} bytes");
    assert_eq!(skipped(&world, "limit"), 0, "each found room when it came");
    assert!(skipped(&world, "evicted") > 980);
    let replayed = calls.into_iter().filter_map(|call| ends(call).then_some(())).count();
    assert!((14..=16).contains(&replayed), "those that came last: {replayed}");
}

#[test]
fn large_uploads_hold_no_more_than_the_budget_either() {
    let world = world(32 * MIB, 16 * MIB);
    let (calls, most) = held(|| {
        let mut calls: Vec<_> = (0..63).map(|_| post(&world).send()).collect();
        // All of them grow at the same time.
        for _ in 0..64 {
            calls.iter_mut().for_each(|call| {
                call.body(&vec![b'x'; 256 * KIB], false);
            });
        }
        calls
    });
    assert!(most < 32 * MIB + 2 * MIB, "{most} bytes");
    drop(calls);
}

#[test]
fn one_clients_uploads_do_not_switch_replays_off_for_others() {
    let world = world(32 * MIB, 64 * KIB);
    let hostile: Vec<_> = (0..512).map(|_| upload(&world, 64 * KIB)).collect();
    for _ in 0..100 {
        assert!(is_replayed(world.call()));
        assert!(ends(upload(&world, 60 * KIB)));
    }
    assert_eq!(skipped(&world, "limit"), 0);
    // Two make room for one, since what lies in a list takes a little more than its bytes.
    let evicted = skipped(&world, "evicted");
    assert!((2..16).contains(&evicted), "what has served leaves its room to the next: {evicted}");
    drop(hostile);
}

#[test]
fn the_oldest_unfinished_upload_goes_first() {
    let world = world(MIB, MIB);
    let mut calls: Vec<_> = (0..4).map(|_| Some(upload(&world, 240 * KIB))).collect();
    let last = upload(&world, 240 * KIB);
    let replayed: Vec<_> = calls.iter_mut().map(|call| ends(call.take().unwrap())).collect();
    assert_eq!(replayed, [false, true, true, true]);
    assert!(ends(last));
    assert_eq!((skipped(&world, "evicted"), skipped(&world, "limit")), (1, 0));
}

#[test]
fn the_oldest_makes_no_room_for_itself() {
    let world = world(MIB, MIB);
    let mut oldest = upload(&world, 450 * KIB);
    let other = upload(&world, 450 * KIB);
    assert!(!oldest.keeps(&[b'x'; 128 * KIB]), "there is no room that it may take");
    assert!(!oldest.keeps(b"x"), "and what was copied has gone");
    assert!(!ends(oldest));
    assert!(ends(other));
    assert_eq!((skipped(&world, "evicted"), skipped(&world, "limit")), (0, 1));
}

#[test]
fn no_piece_is_asked_for_that_finds_no_room() {
    let world = world(MIB, 16 * MIB);
    let mut call = post(&world).send();
    assert!(call.keeps(&vec![b'x'; 512 * KIB]));
    assert!(!call.keeps(&vec![b'x'; 512 * KIB]), "with its head it is too much");
    let mut evicted = upload(&world, 900 * KIB);
    let other = upload(&world, 900 * KIB);
    assert!(!evicted.keeps(b"more"), "it has made room for the other");
    assert!(ends(other));
}

#[test]
fn a_finished_request_keeps_its_copy_until_it_is_answered() {
    let world = world(MIB, MIB);
    let mut finished: Vec<_> = (0..3).map(|_| upload(&world, 300 * KIB)).collect();
    finished.iter_mut().for_each(|call| {
        call.body(b"", true);
    });
    assert!(!ends(upload(&world, 300 * KIB)), "there is no room, and nobody who makes any");
    assert_eq!((skipped(&world, "evicted"), skipped(&world, "limit")), (0, 1));
    assert!(is_replayed(world.call()), "a small one finds some");
    assert!(finished.into_iter().all(is_replayed));
    assert!(ends(upload(&world, 300 * KIB)), "all of it is free again");
}

#[test]
fn heads_count_too() {
    let world = world(MIB, 64 * KIB);
    let long = "x".repeat(32 * KIB);
    let (calls, most) = held(|| {
        let request = || world.request(PAYMENT).header("x-long", &long);
        (0..200).map(|_| request().send()).collect::<Vec<_>>()
    });
    assert!(most < MIB + 128 * KIB + 200 * EACH_CALL, "{most} bytes");
    assert_eq!(skipped(&world, "limit"), 200 - 31);
    assert_eq!(calls.into_iter().filter_map(|call| is_replayed(call).then_some(())).count(), 31);
    // Those of unfinished requests go, as their bodies would.
    let calls: Vec<_> = (0..200).map(|_| post(&world).header("x-long", &long).send()).collect();
    assert!(is_replayed(world.request(PAYMENT).header("x-long", &long).send()));
    drop(calls);
}

#[test]
fn a_body_that_comes_byte_by_byte_takes_little_more_than_one_that_does_not() {
    let world = world(MIB, MIB);
    let (call, most) = held(|| {
        let mut call = post(&world).send();
        (0..256 * KIB).for_each(|byte| {
            call.body(&[byte as u8], false);
        });
        call.body(b"", true);
        call
    });
    assert!(most < 320 * KIB, "{most} bytes");
    let mut call = call;
    assert!(matches!(call.begin(503), ResponseVerdict::Ask(_)));
    let body: Vec<_> = (0..256 * KIB).map(|byte| byte as u8).collect();
    assert!(call.replayed().body == body, "and arrives as it came");
}

fn answers(world: &World, path: &str) -> Call {
    let mut call = world.request("catalogue").path(path).send();
    call.begin(200);
    call
}

fn kept(world: &World) -> usize {
    let keys = world.store().keys();
    keys.iter().filter(|key| key.starts_with("edge-breaker/v1/catalogue/stale/")).count()
}

#[test]
fn answers_that_are_copied_go_after_unfinished_requests() {
    let world = world(MIB, MIB);
    let mut answer = answers(&world, "/a");
    answer.response_body(&[b'x'; 300 * KIB], false);
    let uploads: Vec<_> = (0..10).map(|_| upload(&world, 300 * KIB)).collect();
    answer.response_body(b"end", true);
    answer.over();
    assert_eq!(kept(&world), 1);
    assert_eq!(skipped(&world, "evicted"), 8);
    drop(uploads);

    let mut answer = answers(&world, "/b");
    answer.response_body(&[b'x'; 300 * KIB], false);
    // What has ended goes before both.
    let mut finished: Vec<_> = (0..3).map(|_| upload(&world, 300 * KIB)).collect();
    finished.iter_mut().for_each(|call| {
        call.body(b"", true);
    });
    let long = "x".repeat(200 * KIB);
    assert!(is_replayed(world.request(PAYMENT).header("x-long", &long).send()));
    answer.response_body(b"end", true);
    answer.over();
    assert_eq!(kept(&world), 1, "it had to go");
    drop(finished);

    let mut again = answers(&world, "/b");
    again.response_body(b"end", true);
    again.over();
    assert_eq!(kept(&world), 2, "and is copied when it comes the next time");
}

#[test]
fn answers_are_held_to_the_budget() {
    let world = world(MIB, MIB);
    let (calls, most) = held(|| {
        let answer = |number| {
            let mut call = answers(&world, &format!("/{number}"));
            call.response_body(&[b'x'; 100 * KIB], false);
            call
        };
        (0..200).map(answer).collect::<Vec<_>>()
    });
    assert!(most < MIB + 128 * KIB + 200 * EACH_CALL, "{most} bytes");
    for mut call in calls {
        call.response_body(b"end", true);
        call.over();
    }
    assert!((7..=10).contains(&kept(&world)), "{}", kept(&world));
}

#[test]
fn a_copy_that_is_no_longer_needed_frees_its_room() {
    let world = world(256 * KIB, 64 * KIB);
    for round in 0..200 {
        let mut good = upload(&world, 60 * KIB);
        good.body(b"", true);
        good.begin(200);
        let mut early = upload(&world, 60 * KIB);
        early.begin(200);
        upload(&world, 60 * KIB).abort();
        assert!(ends(upload(&world, 60 * KIB)));
        assert!(!ends(upload(&world, 65 * KIB)), "too long in {round}");
    }
    assert_eq!((skipped(&world, "evicted"), skipped(&world, "limit")), (0, 0));
}

#[test]
fn configurations_at_work_side_by_side_share_the_budget() {
    let world = world(MIB, MIB);
    let mut of_the_old: Vec<_> = (0..3).map(|_| upload(&world, 300 * KIB)).collect();
    world.configure(1, &config(MIB, MIB));
    let of_the_new = upload(&world, 300 * KIB);
    assert!(!of_the_old.remove(0).keeps(b"more"), "the oldest has gone, though it is another's");
    assert!(of_the_old.into_iter().all(ends));
    assert!(ends(of_the_new));
}

#[test]
fn without_a_budget_nothing_is_copied_and_calls_pass() {
    let world = world(0, MIB);
    assert!(!is_replayed(world.call()));
    assert!(!post(&world).send().keeps(b"x"));
    assert_eq!(skipped(&world, "limit"), 2);
    assert_eq!(world.calls("failure"), 1);
}

#[test]
fn an_error_in_the_limits_is_reported() {
    for (limits, expected) in [
        (json!({"max_copied_bytes": 268_435_457}), "limits.max_copied_bytes: 268435457: give at"),
        (json!({"max_copied_bytes": -1}), "limits.max_copied_bytes"),
        (json!({"max_copied_bytes": "32MiB"}), "limits.max_copied_bytes"),
        (json!({"max_bytes": 1}), "limits.max_bytes: unknown field"),
    ] {
        let config = json!({"limits": limits}).to_string();
        let refusal = filter::Config::parse(config.as_bytes()).unwrap_err().to_string();
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

proptest! {
    /// Whatever comes in whatever order, no more is held than the budget, and in the end nothing.
    #[test]
    fn no_more_is_held_than_the_budget(
        steps in prop::collection::vec((0..8_usize, 0..6_u8, 0..40_000_usize), 1..120),
    ) {
        const BUDGET: usize = 256 * KIB;
        let world = world(BUDGET, 16 * MIB);
        let ((), most) = held(|| {
            let mut calls: [Option<Call>; 8] = Default::default();
            for (at, what, size) in steps {
                let call = &mut calls[at];
                match (what, call.as_mut()) {
                    (0, _) => *call = Some(post(&world).header("x", "x".repeat(size / 4)).send()),
                    (1, _) => *call = Some(world.call()),
                    (2, _) => *call = Some(answers(&world, &format!("/{size}"))),
                    (3, Some(call)) => _ = call.body(&vec![b'x'; size], false),
                    (4, Some(call)) => _ = call.response_body(&vec![b'x'; size], false),
                    (5, Some(call)) => _ = call.body(b"", true),
                    _ => *call = None,
                }
            }
        });
        // Beside it: what a test makes of a piece and of a head, and what was kept for good.
        prop_assert!(most < BUDGET + 512 * KIB, "{most} bytes");
        let mut whole = upload(&world, BUDGET - 24 * KIB);
        prop_assert!(whole.keeps(b"x"), "all of it is free again");
    }
}
