//! Each admitted call is settled once, by what became of it, in the period that admitted it.

use std::time::Duration;

use filter::{Clock, ResponseAnnotations, ResponseVerdict};
use serde_json::{Value, json};

use crate::world::{Call, PAYMENT, World, flag};

/// Trips at once, and waits ten seconds without spread.
fn brittle(half_open: &Value) -> World {
    World::with(&json!({
        "trip": {"consecutive_failures": 3},
        "open": {"wait_duration": "10s", "jitter": 0},
        "half_open": half_open
    }))
}

#[test]
fn every_order_of_callbacks_settles_a_call_once() {
    type Step = fn(&mut Call);
    let steps: [Step; 6] = [
        |call| drop(call.begin(200)),
        |call| drop(call.begin(503)),
        |call| drop(call.head(Some(204), true)),
        |call| {
            call.body(b"piece", true);
        },
        |call| {
            call.trailers(Some("0"));
            call.over();
        },
        Call::over,
    ];
    for first in steps {
        for second in steps {
            for third in steps {
                for grpc in [false, true] {
                    let world = World::with(&json!({}));
                    let request = world.request(PAYMENT);
                    let request = if grpc { request.grpc() } else { request };
                    let mut call = request.send();
                    for step in [first, second, third] {
                        step(&mut call);
                    }
                    drop(call);
                    assert_eq!(world.outcomes().iter().sum::<u64>(), 1);
                }
            }
        }
    }
}

#[test]
fn a_good_answer_counts_as_success_when_it_ends() {
    let world = World::with(&json!({}));
    let mut call = world.call();
    assert_eq!(call.begin(200), ResponseVerdict::Continue(ResponseAnnotations::NOTHING));
    assert_eq!(world.outcomes(), [0, 0, 0, 0], "its body may still fail");
    call.over();
    assert_eq!(world.outcomes(), [1, 0, 0, 0]);
}

#[test]
fn an_answer_without_a_body_is_a_success() {
    let world = World::with(&json!({}));
    let mut call = world.call();
    call.came_by("via_upstream", &[]);
    call.head(Some(204), true);
    drop(call);
    assert_eq!(world.outcomes(), [1, 0, 0, 0]);
}

#[test]
fn a_good_answer_with_trailers_ends_with_them() {
    let world = World::with(&json!({}));
    let mut call = world.call();
    call.begin(200);
    call.trailers(Some("14"));
    call.over();
    assert_eq!(world.outcomes(), [1, 0, 0, 0], "gRPC's status means nothing outside of gRPC");
}

#[test]
fn a_failure_counts_with_its_head() {
    let world = World::with(&json!({}));
    let mut call = world.call();
    call.begin(503);
    assert_eq!(world.outcomes(), [0, 1, 0, 0]);
    assert_eq!(world.status().failures, 1);
}

/// Row 11: a client abort is neutral.
#[test]
fn a_client_that_goes_away_is_neither_success_nor_failure() {
    let world = World::with(&json!({}));
    world.fail(2);
    for _ in 0..10 {
        world.call().abort();
    }
    let mut call = world.call();
    call.begin(200);
    call.came_by("downstream_remote_disconnect", &[flag::DC]);
    drop(call);
    assert_eq!(world.outcomes(), [0, 2, 0, 11]);
    assert_eq!((world.state(), world.status().failures), ("CLOSED", 2), "the run goes on");
}

#[test]
fn a_service_cut_off_in_mid_answer_has_failed() {
    let world = World::with(&json!({}));
    world.call().reset_mid_body();
    assert_eq!(world.outcomes(), [0, 1, 0, 0]);
    assert_eq!(world.status().failures, 1);
}

#[test]
fn a_call_that_ends_without_an_answer_is_judged_by_the_flags() {
    for (flags, outcomes) in [
        (&[flag::UC][..], [0, 1, 0, 0]),
        (&[flag::UT], [0, 1, 0, 0]),
        (&[flag::DC], [0, 0, 0, 1]),
        (&[flag::DR], [0, 0, 0, 1]),
        (&[flag::DPE], [0, 0, 0, 1]),
        (&[], [0, 0, 0, 1]),
    ] {
        let world = World::with(&json!({}));
        world.call().came_by("whatever", flags);
        assert_eq!(world.outcomes(), outcomes, "{flags:?}");
    }
}

#[test]
fn a_proxy_without_flags_leaves_an_unfinished_call_aborted() {
    let world = World::with(&json!({}));
    drop(world.call());
    let mut call = world.call();
    call.facts.flags = Some(vec![0xff; 3]);
    drop(call);
    assert_eq!(world.outcomes(), [0, 0, 0, 2]);
}

/// Row 3: an abandoned trial gives its place back.
#[test]
fn an_aborted_trial_frees_its_slot() {
    let world = brittle(&json!({}));
    world.await_trials();
    for _ in 0..5 {
        let trial = world.call();
        assert!(trial.is_admitted());
        assert!(!world.call().is_admitted(), "the one place is taken");
        trial.abort();
        assert_eq!(world.state(), "HALF_OPEN");
    }
    world.call().respond(200);
    assert_eq!(world.state(), "CLOSED");
}

/// Row 3: a hung trial gives its place back.
#[test]
fn a_hung_trial_frees_its_slot_at_its_deadline() {
    let world = brittle(&json!({"max_wait_duration": "30s"}));
    world.await_trials();
    let hung = world.call();
    world.advance(Duration::from_secs(29));
    assert!(!world.call().is_admitted());
    world.advance(Duration::from_secs(1));
    let next = world.call();
    assert!(next.is_admitted());
    hung.respond(503);
    assert_eq!(world.state(), "HALF_OPEN", "the hung trial has no say any more");
    assert!(!world.call().is_admitted(), "nor has it freed the place of the next");
    next.respond(200);
    assert_eq!(world.state(), "CLOSED");
}

/// Row 3: a worker that crashed with a trial gives its place back.
#[test]
fn a_trial_of_a_worker_that_crashed_frees_its_slot() {
    let world = brittle(&json!({"max_wait_duration": "30s"}));
    world.await_trials();
    world.call().vanish();
    assert!(!world.call().is_admitted());
    world.advance(Duration::from_secs(30));
    world.call().respond(200);
    assert_eq!(world.state(), "CLOSED");
}

#[test]
fn a_trial_cut_off_in_mid_answer_opens_the_breaker_again() {
    let world = brittle(&json!({}));
    world.await_trials();
    world.call().reset_mid_body();
    assert_eq!(world.state(), "OPEN");
    assert_eq!(world.of("transitions_total", &["to=open", "reason=trial_failed"]), 1);
}

/// Row 15: an ignored outcome is neither success nor failure, and settles the place.
#[test]
fn an_ignored_trial_frees_its_slot_and_decides_nothing() {
    let world = World::with(&json!({
        "open": {"wait_duration": "10s", "jitter": 0},
        "classify": {"ignore_status": ["404"]}
    }));
    world.await_trials();
    for _ in 0..3 {
        world.call().respond(404);
        assert_eq!(world.state(), "HALF_OPEN");
    }
    world.call().respond(200);
    assert_eq!(world.state(), "CLOSED");
    assert_eq!(world.calls("ignored"), 3);
}

/// How long it takes until the trial after this one is made.
fn until_the_next_trial(fields: &Value, trial: impl Fn(&World)) -> Duration {
    let world = World::with(fields);
    world.await_trials();
    trial(&world);
    assert_eq!(world.state(), "HALF_OPEN");
    let Some(retry_at) = world.status().retry_at else {
        return Duration::ZERO;
    };
    let wait = retry_at.since(world.host(|host| host.now().monotonic));
    let early = world.call();
    assert!(!early.is_admitted());
    let told = wait.as_secs_f64().ceil().to_string();
    assert_eq!(early.reply().header("retry-after"), Some(told.as_str()));
    world.advance(wait);
    assert!(world.call().is_admitted());
    wait
}

/// Row 29: whatever a service answers that says nothing of it, it was asked.
#[test]
fn a_trial_that_is_turned_away_delays_the_next_one_for_as_long_as_it_asks() {
    let open = json!({"wait_duration": "10s", "jitter": 0});
    let fields = json!({"open": open, "classify": {
        "ignore_status": ["502"], "ignore_grpc_status": ["UNAVAILABLE"],
    }});
    let wait = |trial: &dyn Fn(&World)| until_the_next_trial(&fields, trial).as_millis();
    for status in [429, 502] {
        assert_eq!(wait(&|world| drop(world.call().respond(status))), 1_000, "{status}");
        for (asked, millis) in [("7", 7_000), ("soon", 1_000), ("3600", 30_000)] {
            let answer = |world: &World| {
                drop(world.call().response_header("retry-after", asked).respond(status))
            };
            assert_eq!(wait(&answer), millis, "{status} {asked}");
        }
    }
    for code in ["8", "14"] {
        for (asked, millis) in [("2500", 2_500), ("-1", 1_000), ("3600000", 30_000)] {
            let answer = |world: &World| {
                let call = world.request(PAYMENT).grpc().send();
                call.trailer("grpc-retry-pushback-ms", asked).respond_grpc(Some(code));
            };
            assert_eq!(wait(&answer), millis, "{code} {asked}");
        }
    }
    let mut deaf = fields.clone();
    deaf["open"]["honor_retry_after"] = json!(false);
    let answer =
        |world: &World| drop(world.call().response_header("retry-after", "7").respond(429));
    assert_eq!(until_the_next_trial(&deaf, answer).as_millis(), 1_000);
}

/// Rows 11, 15, 26: what never reached it, and what its client may have brought about.
#[test]
fn a_trial_that_says_nothing_of_a_service_that_did_not_decline_is_followed_by_the_next_at_once() {
    let fields = json!({
        "open": {"wait_duration": "10s", "jitter": 0},
        "classify": {
            "ignore_status": ["4xx"], "ignore_grpc_status": ["UNIMPLEMENTED", "NOT_FOUND"],
        },
    });
    let wait = |trial: &dyn Fn(&World)| until_the_next_trial(&fields, trial);
    let trials: [&dyn Fn(&World); 9] = [
        &|world| world.call().abort(),
        &|world| drop(world.call().respond_by_proxy(429, "request_rate_limited", &[flag::RL])),
        &|world| drop(world.call().respond_by_proxy(503, "overflow", &[flag::UO])),
        &|world| drop(world.call().respond(501)),
        &|world| drop(world.call().respond(505)),
        &|world| drop(world.call().respond(404)),
        &|world| drop(world.call().response_header("retry-after", "30").respond(401)),
        &|world| world.request(PAYMENT).grpc().send().respond_grpc(Some("12")),
        &|world| world.request(PAYMENT).grpc().send().respond_grpc(Some("5")),
    ];
    for (number, trial) in trials.into_iter().enumerate() {
        assert_eq!(wait(trial), Duration::ZERO, "{number}");
    }
}

/// Rows 1 and 12: results of calls that were admitted while the breaker was closed neither
/// extend the open state, nor decide the half-open one.
#[test]
fn a_late_result_never_changes_a_state() {
    let world = brittle(&json!({}));
    let mut old: Vec<_> = (0..8).map(|_| world.call()).collect();
    world.trip();
    let retry_at = world.status().retry_at;
    old.remove(0).respond(503);
    old.remove(0).respond(200);
    assert_eq!((world.state(), world.status().retry_at), ("OPEN", retry_at));
    world.advance(world.wait());
    let trial = world.call();
    old.remove(0).respond(503);
    assert_eq!(world.state(), "HALF_OPEN");
    old.remove(0).respond(200);
    assert_eq!(world.state(), "HALF_OPEN");
    trial.respond(200);
    assert_eq!(world.state(), "CLOSED");
    for call in old {
        call.respond(503);
    }
    assert_eq!((world.state(), world.status().failures), ("CLOSED", 0));
    assert_eq!(world.calls("failure"), 3 + 6, "the metrics count them all the same");
}

/// Row 2: a released permit of an old call frees no place.
#[test]
fn old_calls_that_end_free_no_slot() {
    let world = brittle(&json!({"permitted_calls": 3, "success_threshold": 3}));
    let old: Vec<_> = (0..20).map(|_| world.call()).collect();
    world.await_trials();
    let trials: Vec<_> = (0..3).map(|_| world.call()).collect();
    assert!(trials.iter().all(Call::is_admitted));
    for call in old {
        call.abort();
        assert!(!world.call().is_admitted());
    }
    drop(trials);
}

/// Row 5: calls that take longer than anything else are counted when they complete.
#[test]
fn calls_that_take_an_hour_count_when_they_fail() {
    let world = World::with(&json!({}));
    let calls: Vec<_> = (0..3).map(|_| world.call()).collect();
    world.run(Duration::from_secs(3600));
    for call in calls {
        call.respond_by_proxy(504, "response_timeout", &[flag::UT]);
    }
    assert_eq!(world.state(), "OPEN");
}

/// Row 6: only completed, admitted calls count.
#[test]
fn calls_in_flight_and_diverted_ones_count_for_nothing() {
    let world = brittle(&json!({}));
    let in_flight: Vec<_> = (0..100).map(|_| world.call()).collect();
    world.trip();
    for _ in 0..100 {
        world.call().respond(200);
    }
    assert_eq!(world.outcomes(), [0, 3, 0, 0]);
    assert_eq!(world.of("not_permitted_total", &["reason=open"]), 100);
    drop(in_flight);
}

/// Row 7: what was counted before a trip counts for nothing after it.
#[test]
fn one_failure_after_closing_does_not_open_again() {
    let world = brittle(&json!({}));
    world.await_trials();
    world.call().respond(200);
    world.fail(2);
    assert_eq!((world.state(), world.status().failures), ("CLOSED", 2));
    world.fail(1);
    assert_eq!(world.state(), "OPEN");
}

/// Row 9: a rule of so many failures trips with the last of them, not one later.
#[test]
fn the_failure_that_reaches_the_limit_trips() {
    for limit in [1, 2, 5, 100] {
        let world = World::with(&json!({"trip": {"consecutive_failures": limit}}));
        world.fail(limit - 1);
        assert_eq!(world.state(), "CLOSED", "{limit}");
        world.fail(1);
        assert_eq!(world.state(), "OPEN", "{limit}");
        assert_eq!(world.status().failures, u32::try_from(limit).unwrap());
    }
}

#[test]
fn a_success_ends_a_run_of_failures() {
    let world = World::with(&json!({}));
    for _ in 0..5 {
        world.fail(2);
        world.call().respond(200);
    }
    assert_eq!((world.state(), world.status().failures), ("CLOSED", 0));
}

#[test]
fn an_upgraded_stream_is_a_success_when_it_is_accepted() {
    let world = brittle(&json!({}));
    world.await_trials();
    let mut socket = world.request(PAYMENT).header("upgrade", "websocket").send();
    socket.begin(101);
    assert_eq!(world.state(), "CLOSED", "it may last for days");
    drop(socket);
    let mut tunnel = world.request(PAYMENT).method("CONNECT").send();
    tunnel.begin(200);
    assert_eq!(world.calls("success"), 2);
}

#[test]
fn an_upgrade_that_is_refused_is_an_answer_like_any_other() {
    let world = World::with(&json!({}));
    world.request(PAYMENT).header("upgrade", "websocket").send().respond(503);
    let mut call = world.request(PAYMENT).header("upgrade", "websocket").send();
    call.begin(403);
    assert_eq!(world.outcomes(), [0, 1, 0, 0]);
    call.over();
    assert_eq!(world.outcomes(), [1, 1, 0, 0]);
}

/// A plain request may offer an upgrade (`upgrade: h2c`) that the service leaves aside.
#[test]
fn an_answer_that_leaves_an_offered_upgrade_aside_counts_when_it_ends() {
    let world = World::with(&json!({}));
    let mut call = world.request(PAYMENT).header("upgrade", "h2c").send();
    call.begin(200);
    assert_eq!(world.outcomes(), [0, 0, 0, 0]);
    call.came_by("upstream_reset_after_response_started{connection_termination}", &[flag::UC]);
    drop(call);
    assert_eq!(world.outcomes(), [0, 1, 0, 0]);
}

#[test]
fn a_trial_answered_by_an_event_stream_is_a_success_with_its_head() {
    let world = brittle(&json!({}));
    world.await_trials();
    let trial = world.call();
    let mut trial = trial.response_header("content-type", "text/event-stream; charset=utf-8");
    trial.begin(200);
    assert_eq!(world.state(), "CLOSED");
}

#[test]
fn an_event_stream_of_a_closed_breaker_counts_when_it_ends() {
    let world = World::with(&json!({}));
    let call = world.call();
    let mut call = call.response_header("content-type", "text/event-stream");
    call.begin(200);
    assert_eq!(world.outcomes(), [0, 0, 0, 0]);
    call.over();
    assert_eq!(world.outcomes(), [1, 0, 0, 0]);
}
