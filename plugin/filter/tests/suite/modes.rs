//! Modes: configured, and set by an operator through the admin API.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{PAYMENT, World, recipe, service};

fn config(fields: &Value) -> Value {
    json!({
        "services": [service(PAYMENT, fields), service("inventory-service", &json!({}))],
        "admin": {},
        "expose_state": "always"
    })
}

fn in_mode(mode: &str) -> World {
    let mut fields = recipe();
    fields["mode"] = json!(mode);
    World::configured(1, &config(&fields))
}

fn post(world: &World, command: &str) -> (u16, Value) {
    let path = format!("/circuit-breaker/services/{PAYMENT}/{command}");
    let request = world.request("localhost").method("POST").path(&path);
    let reply = request.header("content-type", "application/json").send().reply();
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

/// The state and the mode that a command leaves behind.
fn steer(world: &World, command: &str) -> (String, String) {
    let (status, record) = post(world, command);
    assert_eq!(status, 200, "{record}");
    assert_eq!(record["service_name"], PAYMENT);
    let text = |field: &str| record[field].as_str().unwrap().to_owned();
    (text("state"), text("mode"))
}

fn is(state: &str, mode: &str) -> (String, String) {
    (state.to_owned(), mode.to_owned())
}

#[test]
fn a_disabled_service_is_left_alone() {
    let world = in_mode("disabled");
    for _ in 0..5 {
        let call = world.call();
        assert!(call.is_left_alone());
        call.respond(500);
    }
    assert_eq!(world.outcomes(), [0, 0, 0, 0]);
    world.tick_all();
    assert_eq!(world.of("state", &[]), 4);
}

#[test]
fn a_disabled_service_costs_no_look_at_its_record() {
    let world = in_mode("disabled");
    world.call().respond(200);
    let asked = world.asked(|| drop(world.call().respond(200)));
    assert_eq!(asked.get("load"), None, "{asked:?}");
}

#[test]
fn a_service_that_is_forced_open_has_every_call_diverted() {
    let world = in_mode("forced_open");
    let call = world.call();
    assert!(call.is_diverted());
    let header =
        |name: &str| call.diversion().iter().find(|it| it.0 == name).map(|it| it.1.as_str());
    assert_eq!(header("x-circuit-breaker-state"), Some("FORCED_OPEN"));
    assert_eq!(header("x-circuit-breaker-reason"), Some("forced_open"));
    assert_eq!(world.of("not_permitted_total", &["reason=forced_open"]), 1);
    world.run(Duration::from_secs(60));
    assert_eq!(world.pending_checks(), 0);
    assert_eq!(world.of("state", &[]), 3);
}

#[test]
fn without_a_fallback_a_forced_open_service_answers_503_with_the_reason() {
    let world = World::with(&json!({"mode": "forced_open"}));
    let reply = world.call().reply();
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        (reply.status, &body["fallback_reason"]),
        (503, &json!("Circuit breaker is forced open"))
    );
}

#[test]
fn for_metrics_only_a_trip_is_reported_and_nothing_is_diverted() {
    let world = in_mode("metrics_only");
    for _ in 0..5 {
        let answer = world.call().respond(503);
        assert_eq!(answer.status, 503, "the failure passes through, without a fallback");
        assert_eq!(answer.told(), (Some("METRICS_ONLY"), None));
    }
    assert_eq!(world.admitted(), 5);
    assert_eq!(world.calls("failure"), 5, "each call is counted by what became of it");
    assert_eq!(world.of("transitions_total", &["to=open", "reason=consecutive_failures"]), 1);
    assert_eq!(world.of("not_permitted_total", &["reason=open"]), 2, "it would have been diverted");
    assert_eq!(world.of("fallback_total", &["kind=cluster"]), 0);
    assert_eq!(world.of("state", &[]), 5);
    let [line] = &world.logged("event=transition")[..] else { panic!("one trip") };
    assert!(line.ends_with("mode=metrics_only"), "{line}");
}

#[test]
fn an_operator_forces_a_service_open_and_closes_it_again() {
    let world = in_mode("enabled");
    assert_eq!(steer(&world, "force-open"), is("FORCED_OPEN", "forced_open"));
    assert!(world.call().is_diverted());
    assert_eq!(steer(&world, "close"), is("CLOSED", "enabled"));
    assert!(world.call().is_admitted());
    assert_eq!(world.of("transitions_total", &["to=forced_open", "reason=operator"]), 1);
    assert_eq!(world.of("transitions_total", &["to=closed", "reason=operator"]), 1);
    let said = ["force-open", "close"].map(|it| world.logged(&format!("command={it}")).len());
    assert_eq!(said, [1, 1]);
}

#[test]
fn all_workers_heed_an_operator_with_their_next_request() {
    let world = World::configured(4, &config(&recipe()));
    let request = |worker| world.request(PAYMENT).on(worker).send();
    (0..4).for_each(|worker| drop(request(worker).respond(200)));
    steer(&world, "force-open");
    assert!((0..4).all(|worker| request(worker).is_diverted()));
    steer(&world, "disable");
    assert!((0..4).all(|worker| request(worker).is_left_alone()));
    steer(&world, "enable");
    assert!((0..4).all(|worker| request(worker).is_admitted()));
}

#[test]
fn an_open_service_is_closed_by_hand() {
    let world = in_mode("enabled");
    world.trip();
    assert_eq!(steer(&world, "close"), is("CLOSED", "enabled"));
    assert_eq!(world.status().failures, 0);
    assert!(world.call().is_admitted());
}

#[test]
fn a_mode_of_an_operator_survives_a_reload_until_it_is_reset() {
    let world = in_mode("enabled");
    steer(&world, "metrics-only");
    let mut other = recipe();
    other["trip"] = json!({"consecutive_failures": 9});
    other["mode"] = json!("forced_open");
    world.configure(1, &config(&other));
    assert!(world.call().is_admitted());
    assert_eq!(steer(&world, "reset"), is("FORCED_OPEN", "forced_open"));
    assert!(world.call().is_diverted());
}

#[test]
fn a_reset_service_has_seen_nothing() {
    let world = in_mode("enabled");
    world.trip();
    assert_eq!(steer(&world, "reset"), is("CLOSED", "enabled"));
    world.fail(2);
    assert_eq!(world.state(), "CLOSED");
}

#[test]
fn one_service_is_steered_and_no_other() {
    let world = in_mode("enabled");
    steer(&world, "force-open");
    assert!(world.request("inventory-service").send().is_admitted());
}

#[test]
fn a_command_needs_the_method_the_name_and_the_token() {
    let world = in_mode("enabled");
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let path = format!("/circuit-breaker/services/{PAYMENT}/force-open");
        let reply = world.request("localhost").method(method).path(&path).send().reply();
        assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")), "{method}");
    }
    assert_eq!(post(&world, "explode").0, 404);
    let unknown = "/circuit-breaker/services/nobody/force-open";
    let request = world.request("localhost").method("POST").path(unknown);
    let reply = request.header("content-type", "application/json; charset=utf-8").send().reply();
    assert_eq!(reply.status, 404);
    assert!(world.call().is_admitted());

    let mut guarded = config(&recipe());
    guarded["admin"]["token"] = json!("s3cret");
    let world = World::configured(1, &guarded);
    assert_eq!(post(&world, "force-open").0, 401);
    assert!(world.call().is_admitted());
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let world = in_mode("enabled");
    let path = format!("/circuit-breaker/services/{PAYMENT}/force-open");
    let status = |origin: &str| {
        let request = world.request("127.0.0.1:9902").method("POST").path(&path);
        let request = request.header("content-type", "application/json");
        request.header("origin", origin).send().reply().status
    };
    for other in
        ["http://evil.example", "null", "", "http://127.0.0.1:9902.evil", "http:/127.0.0.1:9902"]
    {
        assert_eq!(status(other), 403, "{other}");
    }
    assert!(world.call().is_admitted());
    assert_eq!(status("http://127.0.0.1:9902"), 200);
}

/// A page of another site can send these without asking, from any browser.
#[test]
fn a_command_that_any_page_can_send_is_refused_unless_it_has_the_token() {
    let world = in_mode("enabled");
    let path = format!("/circuit-breaker/services/{PAYMENT}/force-open");
    let refused = |content_type: Option<&str>| {
        let mut request = world.request("localhost").method("POST").path(&path);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let reply = request.send().reply();
        (reply.status, String::from_utf8(reply.body).unwrap())
    };
    for form in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("")] {
        let (status, body) = refused(form);
        assert_eq!(status, 415, "{form:?}");
        assert!(body.contains("content-type: application/json"), "{body}");
    }
    assert!(world.call().is_admitted());

    let mut guarded = config(&recipe());
    guarded["admin"]["token"] = json!("s3cret");
    let world = World::configured(1, &guarded);
    let request = world.request("localhost").method("POST").path(&path);
    assert_eq!(request.header("authorization", "Bearer s3cret").send().reply().status, 200);
}

#[test]
fn a_command_that_cannot_be_written_is_answered_by_an_error_and_changes_nothing() {
    let world = in_mode("enabled");
    world.store().writes_fail.set(true);
    let (status, body) = post(&world, "force-open");
    assert_eq!(status, 503);
    assert!(body["error"].as_str().unwrap().contains("try again"), "{body}");
    assert!(world.call().is_admitted());
    assert!(world.logged("event=steered").is_empty());
}

#[test]
fn an_unknown_mode_is_refused_with_those_that_are_known() {
    let config = json!({"services": [{"name": PAYMENT, "mode": "open"}]}).to_string();
    let refusal = filter::Config::parse(config.as_bytes()).unwrap_err().to_string();
    let known = "`enabled`, `disabled`, `forced_open`, `metrics_only`";
    assert!(refusal.starts_with("services[0].mode: unknown variant `open`"), "{refusal}");
    assert!(refusal.contains(known), "{refusal}");
}

#[test]
fn a_mode_may_come_from_the_defaults() {
    let world = World::configured(
        1,
        &json!({"defaults": {"mode": "disabled"}, "services": [service(PAYMENT, &json!({}))]}),
    );
    assert!(world.call().is_left_alone());
}
