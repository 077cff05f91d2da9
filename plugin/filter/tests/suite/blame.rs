//! Only the service decides: ends that a client can be the cause of say nothing of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Call, PAYMENT, Request, World, flag};

const SECOND: Duration = Duration::from_secs(1);

const RESET: &str = "upstream_reset_before_response_started{connection_termination}";
const CUT: &str = "upstream_reset_after_response_started{connection_termination}";

/// What a request comes to that has no end yet, if it ends so.
fn unfinished(
    request: impl Fn(Request) -> Request,
    answer: impl Fn(&mut Call),
) -> (&'static str, &'static str) {
    let outcome = |grpc: bool| {
        let world = World::with(&json!({}));
        let post = request(world.request(PAYMENT).method("POST").with_body());
        let post = if grpc { post.header("content-type", "application/grpc") } else { post };
        let mut call = post.send();
        call.body(b"piece", false);
        answer(&mut call);
        drop(call);
        world.only_outcome()
    };
    (outcome(false), outcome(true))
}

fn as_it_is(request: Request) -> Request {
    request
}

/// The proxy answers itself, or lets the stream end.
fn by_proxy(
    status: Option<u16>,
    details: &'static str,
    flags: &'static [u8],
) -> impl Fn(&mut Call) {
    move |call| {
        call.came_by(details, flags);
        if let Some(status) = status {
            call.head(Some(status), false);
        }
    }
}

#[test]
fn a_client_that_does_not_finish_its_request_says_nothing_of_the_service() {
    let ends: [(Option<u16>, &str, &[u8]); 11] = [
        (Some(408), "request_overall_timeout", &[]),
        (Some(408), "stream_idle_timeout", &[flag::SI]),
        (Some(504), "max_duration_timeout", &[flag::DT]),
        (None, "max_duration_timeout", &[flag::DT]),
        (Some(504), "upstream_max_stream_duration_reached", &[flag::UMSDR]),
        (Some(504), "upstream_per_try_idle_timeout", &[flag::UT]),
        (Some(503), RESET, &[flag::UC]),
        (Some(503), "upstream_reset_before_response_started{remote_reset}", &[flag::UR]),
        (Some(502), "upstream_reset_before_response_started{protocol_error}", &[flag::UPE]),
        (None, RESET, &[flag::UC]),
        // An attempt before it met a refused connection, this one did not.
        (Some(503), RESET, &[flag::UF, flag::UC]),
    ];
    for (status, details, flags) in ends {
        let outcomes = unfinished(as_it_is, by_proxy(status, details, flags));
        assert_eq!(outcomes, ("aborted", "aborted"), "{status:?} {details}");
    }
}

/// A word about another protocol makes no request whole.
#[test]
fn an_unfinished_request_that_would_like_to_be_another_protocol_is_unfinished() {
    let length = |request: Request| request.header("upgrade", "x").header("content-length", "9");
    let chunks =
        |request: Request| request.header("upgrade", "x").header("transfer-encoding", "chunked");
    let reset = by_proxy(Some(503), RESET, &[flag::UC]);
    assert_eq!(unfinished(length, &reset), ("aborted", "aborted"));
    assert_eq!(unfinished(chunks, &reset), ("aborted", "aborted"));
}

/// A WebSocket has no body to wait for: its service has all of the request. But it need not know the
/// protocol, and may have no other way to say so than a reset.
#[test]
fn a_service_that_resets_another_protocol_need_not_know_it() {
    for (status, details, flags, expected) in [
        (503, RESET, flag::UC, "ignored"),
        (504, "response_timeout", flag::UT, "failure"),
        (503, "no_healthy_upstream", flag::UH, "failure"),
        (500, "via_upstream", flag::URX, "failure"),
    ] {
        let world = World::with(&json!({}));
        let mut socket = world.request(PAYMENT).header("upgrade", "websocket").with_body().send();
        socket.came_by(details, &[flags]);
        socket.head(Some(status), false);
        drop(socket);
        assert_eq!(world.only_outcome(), expected, "{details}");
    }
}

#[test]
fn a_service_that_breaks_off_its_answer_while_the_request_goes_on_says_nothing() {
    let cut = |call: &mut Call| {
        call.begin(200);
        call.came_by(CUT, &[flag::UC]);
    };
    assert_eq!(unfinished(as_it_is, cut), ("aborted", "aborted"));
}

#[test]
fn nobody_to_send_a_request_to_is_a_failure_finished_or_not() {
    let ends: [(u16, &str, &[u8]); 7] = [
        (503, "no_healthy_upstream", &[flag::UH]),
        (503, "cluster_not_found", &[flag::NC]),
        (503, "dns_resolution_failure", &[flag::DF]),
        (503, "upstream_reset_before_response_started{connection_failure}", &[flag::UF]),
        (503, "upstream_reset_before_response_started{connection_timeout}", &[flag::UF]),
        (
            503,
            "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
            &[flag::UF],
        ),
        // The attempt before it was reset.
        (503, "no_healthy_upstream", &[flag::UC, flag::UH]),
    ];
    for (status, details, flags) in ends {
        let outcomes = unfinished(as_it_is, by_proxy(Some(status), details, flags));
        assert_eq!(outcomes, ("failure", "failure"), "{details}");
    }
}

#[test]
fn a_status_of_the_services_own_counts_whether_or_not_the_request_has_ended() {
    for (status, expected) in [(503, "failure"), (500, "failure"), (200, "success")] {
        let answer = move |call: &mut Call| {
            call.begin(status);
            call.answer_end();
        };
        assert_eq!(unfinished(as_it_is, answer).0, expected, "{status}");
    }
}

#[test]
fn trailers_end_a_request_as_a_last_piece_does() {
    let reset = |call: &mut Call| {
        call.request_end();
        by_proxy(Some(503), RESET, &[flag::UC])(call);
    };
    assert_eq!(unfinished(as_it_is, reset), ("failure", "failure"));
}

#[test]
fn an_unfinished_request_that_another_filter_turns_away_is_ignored_as_any_other() {
    let limited = by_proxy(Some(429), "request_rate_limited", &[flag::RL]);
    assert_eq!(unfinished(as_it_is, limited).0, "ignored");
}

// === Slow calls

#[test]
fn a_call_is_slow_from_when_the_service_has_all_of_the_request() {
    let fields = json!({"trip": {
        "slow_call_rate_threshold": 50, "slow_call_duration_threshold": "1s",
        "minimum_number_of_calls": 1
    }});
    for (upload, answer, state) in [(1_200, 7, "CLOSED"), (1_200, 1_000, "OPEN")] {
        let world = World::with(&fields);
        let mut call = world.request(PAYMENT).method("POST").with_body().send();
        world.advance_millis(upload);
        call.body(b"last", true);
        world.advance_millis(answer);
        call.respond(200);
        assert_eq!(world.state(), state, "{upload} ms up, {answer} ms for the answer");
    }
    let world = World::with(&fields);
    let mut call = world.request(PAYMENT).method("POST").with_body().send();
    world.advance_millis(5_000);
    call.begin(200);
    call.body(b"last", true);
    call.answer_end();
    drop(call);
    assert_eq!(world.state(), "CLOSED", "answered before it had all of the request");
}

// === Deadlines and retries of the client's own

fn with_terms(
    headers: &[(&str, &str)],
    classify: &Value,
    answer: impl Fn(&mut Call),
) -> &'static str {
    let world = World::with(&json!({"classify": classify}));
    let mut request = world.request(PAYMENT).method("POST").with_whole_body();
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut call = request.send();
    answer(&mut call);
    drop(call);
    world.only_outcome()
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");

#[test]
fn a_deadline_of_the_clients_own_says_nothing_if_it_is_short() {
    let late = by_proxy(Some(504), "response_timeout", &[flag::UT]);
    for (headers, expected) in [
        (&[("x-envoy-upstream-rq-timeout-ms", "100")][..], "aborted"),
        (&[("x-envoy-upstream-rq-per-try-timeout-ms", "4999")], "aborted"),
        // A proxy before this one says so of its own route.
        (&[("x-envoy-expected-rq-timeout-ms", "1")], "failure"),
        (&[("x-envoy-upstream-rq-timeout-ms", "5000")], "failure"),
        (&[("x-envoy-upstream-rq-timeout-ms", "0")], "failure"),
        (&[("x-envoy-upstream-rq-timeout-ms", "soon")], "failure"),
        (&[GRPC, ("grpc-timeout", "100m")], "aborted"),
        (&[GRPC, ("grpc-timeout", "10S")], "failure"),
        (&[GRPC, ("grpc-timeout", "soon")], "failure"),
        // No gRPC, so that the proxy does not heed it.
        (&[("grpc-timeout", "100m")], "failure"),
        (&[], "failure"),
    ] {
        assert_eq!(with_terms(headers, &json!({}), &late), expected, "{headers:?}");
    }
    let all_count = json!({"min_client_deadline": "50ms"});
    let short = [("x-envoy-upstream-rq-timeout-ms", "100")];
    assert_eq!(with_terms(&short, &all_count, &late), "failure");
}

#[test]
fn a_short_deadline_shadows_nothing_but_lateness() {
    let short = [("x-envoy-upstream-rq-timeout-ms", "100")];
    for (details, flags) in
        [("no_healthy_upstream", &[flag::UH][..]), (RESET, &[flag::UC]), ("via_upstream", &[])]
    {
        let outcome = with_terms(&short, &json!({}), |call| {
            call.came_by(details, flags);
            call.head(Some(503), false);
        });
        assert_eq!(outcome, "failure", "{details}");
    }
}

#[test]
fn a_deadline_that_the_service_itself_heeds_is_the_clients_all_the_same() {
    for (timeout, expected) in [("100m", "aborted"), ("10S", "failure")] {
        let outcome = with_terms(&[GRPC, ("grpc-timeout", timeout)], &json!({}), |call| {
            call.facts.response_headers.push(("grpc-status", "4".into()));
            call.came_by("via_upstream", &[]);
            call.head(Some(200), true);
        });
        assert_eq!(outcome, expected, "{timeout}");
    }
}

#[test]
fn retries_that_a_client_asks_for_make_no_failure_of_good_answers() {
    let late = by_proxy(Some(504), "response_timeout", &[flag::UT, flag::URX]);
    for header in [
        ("x-envoy-retry-on", "retriable-status-codes"),
        ("x-envoy-retry-grpc-on", "cancelled"),
        ("x-envoy-max-retries", "1000"),
        ("x-envoy-retriable-status-codes", "200"),
        ("x-envoy-retriable-header-names", "date"),
        ("x-envoy-hedge-on-per-try-timeout", "true"),
    ] {
        assert_eq!(with_terms(&[header], &json!({}), &late), "aborted", "{header:?}");
    }
}

// === Answers that nobody reads

/// What a good answer comes to that ends so after as many bytes, and as long a silence.
fn unread(bytes: usize, silence: u64, details: &'static str, flags: &'static [u8]) -> &'static str {
    let world = World::with(&json!({}));
    let mut call = world.call();
    call.begin(200);
    for _ in 0..bytes / 1024 {
        call.response_body(&[0; 1024], false);
    }
    world.advance_millis(silence);
    call.came_by(details, flags);
    drop(call);
    world.only_outcome()
}

#[test]
fn a_client_that_does_not_read_says_nothing_of_the_service() {
    for (kib, silence, details, flags, expected) in [
        (65, 0, "response_timeout", &[flag::UT][..], "ignored"),
        (64, 0, "response_timeout", &[flag::UT], "failure"),
        (1, 60_000, "response_timeout", &[flag::UT], "failure"),
        (65, 60_000, "stream_idle_timeout", &[flag::SI], "ignored"),
        (64, 60_000, "stream_idle_timeout", &[flag::SI], "failure"),
        (65, 0, "upstream_per_try_idle_timeout", &[flag::UT], "ignored"),
        // A service gives up as well if nobody takes what it sends.
        (65, 1_000, CUT, &[flag::UC], "ignored"),
        (65, 1_000, "upstream_reset_after_response_started{remote_reset}", &[flag::UR], "ignored"),
        // It broke off in mid-flow.
        (1_000, 999, CUT, &[flag::UC], "failure"),
        (1, 60_000, CUT, &[flag::UC], "failure"),
        (65, 0, "max_duration_timeout", &[flag::DT], "ignored"),
        (1, 0, "max_duration_timeout", &[flag::DT], "ignored"),
    ] {
        assert_eq!(unread(kib * 1024, silence, details, flags), expected, "{kib} KiB {details}");
    }
}

#[test]
fn nobody_need_read_a_large_page_that_says_no() {
    for (status, expected) in [(403, "ignored"), (404, "ignored"), (301, "ignored")] {
        let world = World::with(&json!({}));
        let mut call = world.call();
        call.begin(status);
        call.response_body(&[0; 100 * 1024], false);
        call.came_by("response_timeout", &[flag::UT]);
        drop(call);
        assert_eq!(world.only_outcome(), expected, "{status}");
    }
}

#[test]
fn a_trial_of_whose_good_answer_much_has_passed_is_a_success_at_once() {
    let world = World::with(&json!({"open": {"wait_duration": "10s", "jitter": 0}}));
    world.await_trials();
    let mut call = world.call();
    call.begin(200);
    call.response_body(&[0; 64 * 1024], false);
    assert_eq!(world.state(), "HALF_OPEN");
    call.response_body(&[0; 1], false);
    assert_eq!(world.state(), "CLOSED");
    call.came_by("response_timeout", &[flag::UT]);
    drop(call);
    assert_eq!(world.state(), "CLOSED");
}

// === Trials that outlast their time

/// A trial's answer, of which a piece passes after so many seconds each. Its time is 8 s.
fn flowing(content_type: &str, status: u16, pieces: &[u64]) -> (World, Call) {
    let world = World::with(&json!({
        "open": {"wait_duration": "10s", "jitter": 0},
        "half_open": {"max_wait_duration": "8s"}
    }));
    world.await_trials();
    let request = match content_type {
        "application/grpc" => world.request(PAYMENT).grpc(),
        _ => world.request(PAYMENT),
    };
    let mut call = request.send().response_header("content-type", content_type);
    call.begin(status);
    let mut now = 0;
    for at in pieces {
        world.advance(Duration::from_secs(at - now));
        now = *at;
        call.response_body(b"{}\n", false);
    }
    (world, call)
}

#[test]
fn a_good_answer_that_flows_still_when_its_trials_time_is_nearly_over_is_a_success() {
    for content_type in
        ["application/x-ndjson", "application/json", "video/mp4", "application/grpc"]
    {
        let (world, mut call) = flowing(content_type, 200, &[0, 2, 4, 5]);
        assert_eq!(world.state(), "HALF_OPEN", "{content_type}: there is time left");
        world.advance(SECOND);
        call.response_body(b"{}\n", false);
        assert_eq!(world.state(), "CLOSED", "{content_type}");
        // How it ends says no more.
        call.came_by("stream_idle_timeout", &[flag::SI]);
        drop(call);
        assert_eq!((world.state(), world.outcomes()), ("CLOSED", [1, 3, 0, 0]), "{content_type}");
    }
}

#[test]
fn an_answer_that_has_stopped_when_its_trials_time_is_over_decides_nothing() {
    for pieces in [&[][..], &[0], &[0, 1, 2, 3, 4, 5]] {
        let (world, mut call) = flowing("application/x-ndjson", 200, pieces);
        world.advance(SECOND);
        call.response_body(b"", false);
        world.advance(8 * SECOND);
        call.response_body(b"{}\n", false);
        assert_eq!(world.state(), "HALF_OPEN", "{pieces:?}");
        assert!(world.call().is_admitted(), "{pieces:?}: the place is another's");
    }
}

#[test]
fn an_answer_that_says_nothing_good_closes_nothing_by_flowing() {
    for (content_type, status) in
        [("application/json", 429), ("application/grpc", 429), ("application/grpc", 302)]
    {
        let (world, call) = flowing(content_type, status, &[1, 3, 5, 7]);
        assert_eq!(world.state(), "HALF_OPEN", "{status} {content_type}");
        drop(call);
    }
}

/// A client of such a stream does not end its request before it has had all of the answer.
#[test]
fn a_grpc_stream_that_both_sides_keep_open_is_a_good_trial() {
    let half_open = || {
        let world = World::with(&json!({"open": {"wait_duration": "10s", "jitter": 0}}));
        world.await_trials();
        world
    };
    let stream = |world: &World| {
        let request = world.request(PAYMENT).method("POST").with_body();
        request.header("content-type", "application/grpc").send()
    };
    let world = half_open();
    let mut call = stream(&world).in_grpc();
    call.begin(200);
    assert_eq!(world.state(), "CLOSED");
    drop(call);
    let world = half_open();
    let mut call = stream(&world).response_header("content-type", "application/json");
    call.begin(200);
    assert_eq!(world.state(), "HALF_OPEN", "it is no gRPC");
    let world = half_open();
    stream(&world).respond_grpc_head(200, Some("14"));
    assert_eq!(world.state(), "OPEN");
}

#[test]
fn much_of_a_bad_answer_settles_no_trial() {
    let world = World::with(&json!({"open": {"wait_duration": "10s", "jitter": 0}}));
    world.await_trials();
    let mut call = world.call();
    call.begin(429);
    call.response_body(&[0; 100 * 1024], false);
    assert_eq!(world.state(), "HALF_OPEN");
}

/// The proxy's own reply to a gRPC call has the status 200, and is no answer that has begun.
#[test]
fn a_grpc_service_that_is_silent_until_a_timer_ends_the_call_has_failed() {
    for (details, flags) in [
        ("max_duration_timeout", flag::DT),
        ("upstream_max_stream_duration_reached", flag::UMSDR),
        ("stream_idle_timeout", flag::SI),
        ("response_timeout", flag::UT),
    ] {
        let world = World::with(&json!({}));
        let mut call = world.request(PAYMENT).grpc().send();
        call.came_by(details, &[flags]);
        call.respond_grpc_head(200, Some("14"));
        assert_eq!(world.only_outcome(), "failure", "{details}");
    }
}

// === Endless answers

#[test]
fn a_good_endless_answer_that_its_client_leaves_is_a_success() {
    for (status, content_type, expected) in [
        (200, "text/event-stream", "success"),
        (200, "text/event-stream; charset=utf-8", "success"),
        (200, "application/json", "aborted"),
        (404, "text/event-stream", "aborted"),
    ] {
        let world = World::with(&json!({}));
        let mut call = world.call().response_header("content-type", content_type);
        call.begin(status);
        call.response_body(b"data: 1\n\n", false);
        call.came_by("downstream_remote_disconnect", &[flag::DC]);
        drop(call);
        assert_eq!(world.only_outcome(), expected, "{status} {content_type}");
    }
}

#[test]
fn a_redirect_that_the_proxy_follows_is_a_success() {
    let world = World::with(&json!({}));
    let mut call = world.call();
    call.came_by("internal_redirect", &[]);
    drop(call);
    assert_eq!(world.only_outcome(), "success");
}
