//! What an answer says of the service: success, failure, or nothing.

use serde_json::{Value, json};

use crate::world::{Call, PAYMENT, World, flag};

fn outcome(fields: &Value, answer: impl FnOnce(Call)) -> &'static str {
    let world = World::with(fields);
    answer(world.call());
    world.only_outcome()
}

fn grpc_outcome(classify: &Value, answer: impl FnOnce(Call)) -> &'static str {
    let world = World::with(&json!({"classify": classify}));
    answer(world.request(PAYMENT).grpc().send());
    world.only_outcome()
}

/// What a first trial of a half-open breaker comes to: the state after it, and the outcome.
fn trial(fields: &Value, answer: impl FnOnce(&World)) -> (&'static str, [u64; 4]) {
    let mut all = json!({"open": {"wait_duration": "10s", "jitter": 0}});
    for (field, value) in fields.as_object().unwrap() {
        all[field] = value.clone();
    }
    let world = World::with(&all);
    world.await_trials();
    let before = world.outcomes();
    answer(&world);
    let after = world.outcomes();
    (world.state(), [0, 1, 2, 3].map(|n| after[n] - before[n]))
}

/// Row 22: the whole 5xx class, but for what a client can ask for: a method or a version that the
/// service does not know.
#[test]
fn every_5xx_is_a_failure_but_those_that_clients_choose() {
    for status in 200..600 {
        let expected = match status {
            501 | 505 => "ignored",
            500.. => "failure",
            _ => "success",
        };
        let outcome = outcome(&json!({}), |call| drop(call.respond(status)));
        assert_eq!(outcome, expected, "{status}");
    }
}

#[test]
fn the_definition_of_a_failure_can_be_configured() {
    let fields = json!({"classify": {"failure_status": ["429", "500-502"]}});
    for (status, expected) in [
        (429, "failure"),
        (499, "success"),
        (500, "failure"),
        (502, "failure"),
        (503, "success"),
        (200, "success"),
    ] {
        assert_eq!(outcome(&fields, |call| drop(call.respond(status))), expected, "{status}");
    }
}

#[test]
fn an_unknown_method_or_version_counts_where_it_is_listed() {
    for covering in ["501", "5xx", "500-505"] {
        let fields = json!({"classify": {"failure_status": [covering]}});
        let outcome = outcome(&fields, |call| drop(call.respond(501)));
        assert_eq!(outcome, "failure", "{covering}");
    }
    for classify in [
        json!({"failure_status": ["503"]}),
        json!({"failure_status": []}),
        json!({"ignore_status": ["404"]}),
        json!({"failure_status": ["501", "505"], "ignore_status": ["501", "505"]}),
    ] {
        for status in [501, 505] {
            let fields = json!({"classify": classify});
            let outcome = outcome(&fields, |call| drop(call.respond(status)));
            assert_eq!(outcome, "ignored", "{status} {fields}");
        }
    }
    let world = World::with(&json!({}));
    world.fail(2);
    world.call().respond(501);
    assert_eq!(world.status().failures, 2, "it does not end a run of failures");
}

/// RFC 9110, section 15.
#[test]
fn a_status_that_is_none_is_a_failure() {
    for status in [None, Some(0), Some(99), Some(600), Some(999), Some(u16::MAX)] {
        for failures in [json!({}), json!({"failure_status": ["503"]})] {
            let fields = json!({"classify": failures});
            let invalid = |mut call: Call| {
                call.came_by("via_upstream", &[]);
                call.head(status, false);
            };
            assert_eq!(outcome(&fields, invalid), "failure", "{status:?} {fields}");
        }
    }
    for text in ["999999", "20", "2000", "+200", "2 0", "abc", ""] {
        let invalid = |call: Call| {
            let mut call = call.response_header(":status", text);
            call.came_by("via_upstream", &[]);
            call.head(None, false);
        };
        assert_eq!(outcome(&json!({}), invalid), "failure", "{text}");
    }
}

#[test]
fn with_no_failure_status_only_faults_are_failures() {
    let fields = json!({"classify": {"failure_status": []}});
    assert_eq!(outcome(&fields, |call| drop(call.respond(503))), "success");
    let unreachable =
        |call: Call| drop(call.respond_by_proxy(503, "no_healthy_upstream", &[flag::UH]));
    assert_eq!(outcome(&fields, unreachable), "failure");
}

/// Row 15.
#[test]
fn ignore_beats_failure() {
    let fields = json!({"classify": {"failure_status": ["5xx"], "ignore_status": ["501", "404"]}});
    for (status, expected) in [(501, "ignored"), (404, "ignored"), (500, "failure")] {
        assert_eq!(outcome(&fields, |call| drop(call.respond(status))), expected, "{status}");
    }
    let world = World::with(&fields);
    world.fail(2);
    world.call().respond(404);
    assert_eq!(world.status().failures, 2, "an ignored answer does not end a run of failures");
}

/// Row 22.
#[test]
fn the_proxys_replies_for_a_failing_service_are_failures() {
    for (status, details, flags) in [
        (503, "no_healthy_upstream", &[flag::UH][..]),
        (503, "upstream_reset_before_response_started{connection_failure}", &[flag::UF]),
        (503, "upstream_reset_before_response_started{remote_connection_failure}", &[flag::UF]),
        (503, "upstream_reset_before_response_started{connection_termination}", &[flag::UC]),
        (503, "upstream_reset_before_response_started{remote_reset}", &[flag::UR]),
        (503, "upstream_reset_before_response_started{connection_failure}", &[flag::UF, flag::URX]),
        (503, "upstream_reset_before_response_started{local_reset}", &[flag::LR]),
        (504, "response_timeout", &[flag::UT]),
        (504, "upstream_per_try_timeout", &[flag::UT, flag::URX]),
        (504, "upstream_per_try_idle_timeout", &[flag::UT]),
        (504, "upstream_max_stream_duration_reached", &[flag::UMSDR]),
        (502, "upstream_reset_before_response_started{protocol_error}", &[flag::UPE]),
        (503, "dns_resolution_failure", &[flag::DF]),
        (503, "upstream_reset_before_response_started{connection_timeout}", &[flag::UF]),
        (503, "cluster_not_found", &[flag::NC]),
        (504, "stream_idle_timeout", &[flag::SI]),
        (504, "max_duration_timeout", &[flag::DT]),
    ] {
        let by_proxy = |call: Call| drop(call.respond_by_proxy(status, details, flags));
        assert_eq!(outcome(&json!({}), by_proxy), "failure", "{details}");
        if flags == [flag::UMSDR] || flags == [flag::DT] {
            continue;
        }
        // Local replies may be mapped to any status.
        let mapped = |call: Call| drop(call.respond_by_proxy(200, details, flags));
        assert_eq!(outcome(&json!({}), mapped), "failure", "{details}");
    }
}

#[test]
fn the_proxys_own_limits_count_as_configured() {
    for (details, flags) in [
        ("upstream_reset_before_response_started{overflow}", &[flag::UO][..]),
        ("overflow", &[flag::UO]),
        ("drop_overload", &[flag::DO]),
        ("unconditional_drop_overload", &[flag::DROP_ALL]),
        ("overload", &[flag::OM]),
        // An attempt failed before, and the retry was refused.
        ("upstream_reset_before_response_started{overflow}", &[flag::UF, flag::UO]),
    ] {
        for (overflow, expected) in [("ignore", "ignored"), ("failure", "failure")] {
            let fields = json!({"classify": {"overflow": overflow}});
            let refused = |call: Call| drop(call.respond_by_proxy(503, details, flags));
            assert_eq!(outcome(&fields, refused), expected, "{details} {flags:?}");
        }
        let refused = |call: Call| drop(call.respond_by_proxy(503, details, flags));
        assert_eq!(outcome(&json!({}), refused), "ignored", "the default");
    }
}

#[test]
fn replies_that_never_reached_the_service_say_nothing_of_it() {
    for (status, details, flags) in [
        (404, "route_not_found", &[flag::NR][..]),
        (429, "request_rate_limited", &[flag::RL]),
        (503, "request_rate_limited", &[flag::RL]),
        (403, "ext_authz_denied", &[flag::UAEX]),
        (500, "ext_authz_error", &[flag::UAEX]),
        (503, "fault_filter_abort", &[flag::FI]),
        (503, "fault_filter_delay", &[flag::DI]),
        (400, "strict_header_check_failed", &[flag::IH]),
        (503, "direct_response", &[]),
        (500, "lua_response", &[]),
        (413, "request_payload_too_large", &[]),
        (503, "maintenance_mode", &[]),
        (503, "", &[]),
    ] {
        let by_proxy = |call: Call| drop(call.respond_by_proxy(status, details, flags));
        assert_eq!(outcome(&json!({}), by_proxy), "ignored", "{details}");
    }
}

/// Row 11.
#[test]
fn a_client_that_leaves_or_breaks_the_protocol_says_nothing_of_the_service() {
    for (status, details, flags) in [
        (503, "downstream_remote_disconnect", flag::DC),
        (503, "downstream_local_disconnect(reset)", flag::DC),
        (503, "http2.remote_reset", flag::DR),
        (400, "http1.codec_error", flag::DPE),
    ] {
        let by_proxy = |call: Call| drop(call.respond_by_proxy(status, details, &[flags]));
        assert_eq!(outcome(&json!({}), by_proxy), "aborted", "{details}");
    }
}

/// The limit on a stream's duration says nothing of a service that was still answering well.
#[test]
fn a_good_answer_that_goes_on_for_longer_than_a_stream_may_is_ignored() {
    let too_long = |mut call: Call| {
        call.begin(200);
        call.came_by("upstream_max_stream_duration_reached", &[flag::UMSDR]);
    };
    assert_eq!(outcome(&json!({}), too_long), "ignored");
    assert_eq!(grpc_outcome(&json!({}), too_long), "ignored");
}

#[test]
fn an_answer_of_the_service_is_judged_by_its_status_whatever_flags_retries_left() {
    for (status, expected) in [(503, "failure"), (200, "success")] {
        let fields = json!({});
        let retried =
            |call: Call| drop(call.respond_by_proxy(status, "via_upstream", &[flag::URX]));
        assert_eq!(outcome(&fields, retried), expected);
    }
}

#[test]
fn a_proxy_that_does_not_know_the_origin_of_an_answer_is_judged_by_its_status() {
    for (status, expected) in [(503, "failure"), (200, "success"), (404, "success")] {
        assert_eq!(outcome(&json!({}), |call| drop(call.respond_untold(status))), expected);
    }
    let world = World::with(&json!({}));
    let mut call = world.call();
    call.came_by("lua_response", &[]);
    call.facts.flags = None;
    call.head(Some(503), true);
    drop(call);
    assert_eq!(
        world.only_outcome(),
        "ignored",
        "details without flags: a reply of the proxy's own"
    );
}

// === gRPC

/// Row 22: gRPC errors inside HTTP 200, in trailers and in headers.
#[test]
fn grpc_is_judged_by_its_own_status() {
    for (code, expected) in [
        (0, "success"),
        (1, "success"),
        (2, "failure"),
        (3, "success"),
        (4, "failure"),
        (5, "success"),
        (6, "success"),
        (7, "success"),
        (8, "success"),
        (9, "success"),
        (10, "success"),
        (11, "success"),
        (12, "success"),
        (13, "failure"),
        (14, "failure"),
        (15, "failure"),
        (16, "success"),
    ] {
        let code = code.to_string();
        let trailers = |call: Call| call.respond_grpc(Some(&code));
        assert_eq!(grpc_outcome(&json!({}), trailers), expected, "{code} in trailers");
        let head = |call: Call| call.respond_grpc_head(200, Some(&code));
        assert_eq!(grpc_outcome(&json!({}), head), expected, "{code} in the head");
    }
}

/// The end of the stream may come after the head, in an empty piece of body.
#[test]
fn a_grpc_status_in_the_head_counts_even_if_the_head_is_not_the_end() {
    for (code, expected) in [("0", "success"), ("14", "failure")] {
        let late_end = |call: Call| {
            let mut call = call.in_grpc().response_header("grpc-status", code);
            call.begin(200);
        };
        assert_eq!(grpc_outcome(&json!({}), late_end), expected, "{code}");
        let with_body = |call: Call| {
            let mut call = call.in_grpc().response_header("grpc-status", code);
            call.begin(200);
            // A proxy shows no headers any more when the body has come.
            call.facts.response_headers.clear();
            call.response_body(b"message", true);
            call.answer_end();
        };
        assert_eq!(grpc_outcome(&json!({}), with_body), expected, "{code}, then a body");
    }
}

#[test]
fn a_missing_or_impossible_grpc_status_is_unknown() {
    for code in [None, Some(""), Some("x"), Some("-1"), Some("999"), Some("1e1")] {
        assert_eq!(grpc_outcome(&json!({}), |call| call.respond_grpc(code)), "failure", "{code:?}");
        let head = |call: Call| call.respond_grpc_head(200, code);
        assert_eq!(grpc_outcome(&json!({}), head), "failure", "{code:?}");
    }
    let no_trailers = |call: Call| {
        let mut call = call.in_grpc();
        call.begin(200);
        call.over();
    };
    assert_eq!(grpc_outcome(&json!({}), no_trailers), "failure");
    let unknown_is_fine = json!({"failure_grpc_status": ["UNAVAILABLE"]});
    assert_eq!(grpc_outcome(&unknown_is_fine, no_trailers), "success");
}

#[test]
fn a_grpc_status_beyond_the_known_ones_is_no_failure() {
    assert_eq!(grpc_outcome(&json!({}), |call| call.respond_grpc(Some("17"))), "success");
    assert_eq!(grpc_outcome(&json!({}), |call| call.respond_grpc(Some("200"))), "success");
}

/// Row 15.
#[test]
fn ignore_beats_failure_in_grpc_too() {
    let classify = json!({
        "failure_grpc_status": ["UNAVAILABLE", "INTERNAL"], "ignore_grpc_status": ["INTERNAL"]
    });
    assert_eq!(grpc_outcome(&classify, |call| call.respond_grpc(Some("13"))), "ignored");
    assert_eq!(grpc_outcome(&classify, |call| call.respond_grpc(Some("14"))), "failure");
    assert_eq!(grpc_outcome(&classify, |call| call.respond_grpc(Some("2"))), "success");
}

/// Row 25: an answer that is no gRPC at all, such as a gateway's error page or a service's that speaks
/// plain HTTP, is judged by HTTP's rules, whatever the request says of itself.
#[test]
fn a_grpc_call_answered_in_plain_http_is_judged_by_the_rules_of_http() {
    for (status, expected) in [
        (200, "success"),
        (204, "success"),
        (400, "success"),
        (401, "success"),
        (404, "success"),
        (418, "success"),
        (429, "success"),
        (500, "failure"),
        (501, "ignored"),
        (503, "failure"),
        (504, "failure"),
    ] {
        for content_type in
            [None, Some("application/json"), Some("text/html"), Some("application/grpcx")]
        {
            let typed = |call: Call| match content_type {
                Some(it) => call.response_header("content-type", it),
                None => call,
            };
            let head = |call: Call| {
                let mut call = typed(call);
                call.came_by("via_upstream", &[]);
                call.head(Some(status), true);
            };
            assert_eq!(grpc_outcome(&json!({}), head), expected, "{status} {content_type:?}");
            let page = |call: Call| {
                let mut call = typed(call);
                call.begin(status);
                call.response_body(b"{}", true);
                call.answer_end();
            };
            assert_eq!(grpc_outcome(&json!({}), page), expected, "{status} {content_type:?}, body");
        }
    }
    let not_found = |call: Call| call.respond_grpc_head(404, Some("14"));
    assert_eq!(grpc_outcome(&json!({}), not_found), "failure", "gRPC's own status comes first");
}

#[test]
fn an_answer_that_does_not_say_what_it_is_is_grpc_if_it_has_a_status_of_grpcs() {
    for (code, expected) in [(Some("0"), "success"), (Some("14"), "failure"), (None, "success")] {
        let untold = |mut call: Call| {
            call.begin(200);
            call.trailers(code);
            call.answer_end();
        };
        assert_eq!(grpc_outcome(&json!({}), untold), expected, "{code:?}");
    }
}

#[test]
fn trailers_that_are_all_there_is_need_no_content_type() {
    for (code, expected) in [("0", "success"), ("14", "failure")] {
        let trailers_only = |call: Call| {
            let mut call = call.response_header("grpc-status", code);
            call.came_by("via_upstream", &[]);
            call.head(Some(200), true);
        };
        assert_eq!(grpc_outcome(&json!({}), trailers_only), expected, "{code}");
    }
    let stray = |call: Call| {
        let call = call.response_header("content-type", "application/json");
        let mut call = call.response_header("grpc-status", "14");
        call.begin(200);
        call.trailers(Some("14"));
        call.answer_end();
    };
    assert_eq!(grpc_outcome(&json!({}), stray), "success", "with a body it is no gRPC");
}

#[test]
fn an_answer_in_grpc_to_a_request_that_is_none_is_judged_by_the_rules_of_http() {
    let answered = |call: Call| call.respond_grpc(Some("14"));
    assert_eq!(outcome(&json!({}), answered), "success");
}

#[test]
fn a_status_of_grpc_web_counts_in_the_head() {
    for content_type in
        ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text"]
    {
        let outcome = |code: Option<&'static str>| {
            let world = World::with(&json!({}));
            let call = world.request(PAYMENT).method("POST").header("content-type", content_type);
            let call = call.with_whole_body().send().response_header("content-type", content_type);
            let mut call = match code {
                Some(code) => call.response_header("grpc-status", code),
                None => call,
            };
            call.begin(200);
            call.response_body(b"frames", true);
            call.answer_end();
            drop(call);
            world.only_outcome()
        };
        assert_eq!(outcome(Some("14")), "failure", "{content_type}");
        assert_eq!(outcome(Some("0")), "success", "{content_type}");
        // It is in the body, which is not looked at.
        assert_eq!(outcome(None), "success", "{content_type}");
    }
}

#[test]
fn the_proxys_reply_to_a_grpc_call_is_judged_by_where_it_is_from() {
    let unreachable = |mut call: Call| {
        call.came_by("no_healthy_upstream", &[flag::UH]);
        call.respond_grpc_head(200, Some("14"));
    };
    assert_eq!(grpc_outcome(&json!({}), unreachable), "failure");
    let limited = |mut call: Call| {
        call.came_by("request_rate_limited", &[flag::RL]);
        call.respond_grpc_head(200, Some("14"));
    };
    assert_eq!(grpc_outcome(&json!({}), limited), "ignored");
    let refused = |mut call: Call| {
        call.came_by("upstream_reset_before_response_started{overflow}", &[flag::UO]);
        call.respond_grpc_head(200, Some("14"));
    };
    assert_eq!(grpc_outcome(&json!({}), refused), "ignored");
}

#[test]
fn a_grpc_stream_cut_off_before_its_trailers_has_failed() {
    assert_eq!(grpc_outcome(&json!({}), Call::reset_mid_body), "failure");
}

#[test]
fn grpc_goes_by_its_content_type() {
    for (content_type, grpc) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc;charset=utf-8", true),
        ("Application/GRPC", true),
        ("application/grpcs", false),
        ("application/json", false),
    ] {
        let world = World::with(&json!({}));
        let call = world.request(PAYMENT).header("content-type", content_type).send();
        call.respond_grpc(Some("14"));
        let expected = if grpc { "failure" } else { "success" };
        assert_eq!(world.only_outcome(), expected, "{content_type}");
    }
}

// === Trials

/// Row 19: a service that turns a trial away has not shown that it can take traffic.
#[test]
fn a_trial_turned_away_is_no_success() {
    let ignored = ("HALF_OPEN", [0, 0, 1, 0]);
    let none = json!({});
    assert_eq!(trial(&none, |world| drop(world.call().respond(429))), ignored);
    let grpc = |world: &World| world.request(PAYMENT).grpc().send().respond_grpc(Some("8"));
    assert_eq!(trial(&none, grpc), ignored);
    let grpc =
        |world: &World| world.request(PAYMENT).grpc().send().respond_grpc_head(200, Some("8"));
    assert_eq!(trial(&none, grpc), ignored);
    let failing = json!({"classify": {"failure_status": ["429", "5xx"]}});
    let failed = ("OPEN", [0, 1, 0, 0]);
    assert_eq!(trial(&failing, |world| drop(world.call().respond(429))), failed);
}

#[test]
fn outside_of_trials_being_turned_away_is_the_clients_own_affair() {
    assert_eq!(outcome(&json!({}), |call| drop(call.respond(429))), "success");
    assert_eq!(grpc_outcome(&json!({}), |call| call.respond_grpc(Some("8"))), "success");
}

#[test]
fn a_trial_that_the_proxys_limits_refuse_decides_nothing() {
    let refused = |world: &World| {
        let details = "upstream_reset_before_response_started{overflow}";
        world.call().respond_by_proxy(503, details, &[flag::UO]);
    };
    assert_eq!(trial(&json!({}), refused), ("HALF_OPEN", [0, 0, 1, 0]));
    let strict = json!({"classify": {"overflow": "failure"}});
    assert_eq!(trial(&strict, refused), ("OPEN", [0, 1, 0, 0]));
}
