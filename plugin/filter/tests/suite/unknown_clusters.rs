//! Clusters that a configuration names and the proxy does not have: who is told, and what becomes of
//! calls and of the breaker.

use std::time::Duration;

use filter::{CalloutAnswer, ResponseVerdict, Substitute};
use serde_json::{Value, json};

use crate::world::{Call, PAYMENT, World, flag, service};

const SECOND: Duration = Duration::from_secs(1);
const UNKNOWN: &str = "cb_reason=.=unknown_cluster;.;edge_breaker_unprotected_total";
const MISROUTED: &str = "cb_reason=.=fallback_route;.;edge_breaker_unprotected_total";

fn config(fields: &Value) -> Value {
    json!({"services": [service(PAYMENT, fields)], "admin": {}})
}

fn diverting() -> World {
    let world = World::configured(
        2,
        &config(&json!({
            "fallback": {"cluster": "backup"}, "open": {"wait_duration": "30s", "jitter": 0}
        })),
    );
    world.trip();
    world
}

fn checked() -> World {
    let world = World::configured(
        2,
        &config(&json!({
            "open": {"max_wait_duration": "60s", "jitter": 0},
            "health_check": {"cluster": "payment-health", "path": "/", "interval": "5s"}
        })),
    );
    world.trip();
    world
}

/// What the client of a diverted call gets if it comes to this.
fn diverted(world: &World, cluster: Option<&str>, details: &str, flags: &[u8]) -> ResponseVerdict {
    let mut call: Call = world.call();
    assert!(call.is_diverted());
    call.facts.cluster = cluster.map(|it| it.as_bytes().to_vec());
    call.came_by(details, flags);
    call.head(Some(503), false)
}

fn shown(world: &World) -> Value {
    let path = format!("/circuit-breaker/services/{PAYMENT}");
    let reply = world.request("localhost").path(&path).send().reply();
    serde_json::from_slice::<Value>(&reply.body).unwrap()["unknown_clusters"].clone()
}

/// Has all checks that are due end so, for some time.
fn run(world: &World, time: Duration, answer: &CalloutAnswer) {
    for _ in 0..time.as_secs() {
        world.run(SECOND);
        while world.pending_checks() > 0 {
            world.finish_check(answer);
        }
    }
}

#[test]
fn a_diverted_call_that_was_sent_to_nobody_names_no_fallback() {
    for (cluster, details, flags) in [
        (Some("backup"), "cluster_not_found", flag::NC),
        (None, "cluster_not_found", flag::NC),
        (None, "route_not_found", flag::NR),
        (Some("backup"), "no_healthy_upstream", flag::UH),
        (Some("backup"), "upstream_reset_before_response_started{connection_timeout}", flag::UF),
    ] {
        let world = diverting();
        world.advance(10 * SECOND);
        let verdict = diverted(&world, cluster, details, &[flags]);
        let ResponseVerdict::Replace(Substitute { reply, .. }) = verdict else {
            panic!("{details}: the proxy's own answer has passed");
        };
        let header = |name: &str| {
            let found = reply.headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        assert_eq!((reply.status, header("retry-after").as_deref()), (503, Some("20")));
        assert_eq!(header("x-circuit-breaker-fallback"), None, "{details}");
        assert_eq!(world.outcomes(), [0, 3, 0, 0], "{details}");
    }
}

#[test]
fn an_answer_of_the_fallback_itself_passes() {
    let world = diverting();
    for (details, flags) in [
        ("via_upstream", &[][..]),
        ("direct_response", &[]),
        ("response_timeout", &[flag::UT]),
        ("upstream_reset_before_response_started{remote_reset}", &[flag::UR]),
    ] {
        let verdict = diverted(&world, Some("backup"), details, flags);
        assert!(matches!(verdict, ResponseVerdict::Continue(told) if told.fallback.is_some()));
    }
    assert_eq!(world.metric(UNKNOWN) + world.metric(MISROUTED), 0);
}

#[test]
fn an_unknown_fallback_is_counted_each_time_and_logged_once_a_minute() {
    let world = diverting();
    let diverted = || diverted(&world, Some("backup"), "cluster_not_found", &[flag::NC]);
    for _ in 0..10 {
        diverted();
        world.run(SECOND);
    }
    assert_eq!(world.metric(UNKNOWN), 10);
    let said = world.logged("event=unknown_cluster");
    assert_eq!(said.len(), 1, "{said:?}");
    for part in ["service=payment-service", "field=fallback.cluster", "cluster=backup", "remedy="] {
        assert!(said[0].contains(part), "{said:?}");
    }
    assert_eq!(world.metric(MISROUTED), 0);
}

#[test]
fn a_diverted_call_without_any_route_is_a_misrouted_one() {
    let world = diverting();
    diverted(&world, None, "route_not_found", &[flag::NR]);
    assert_eq!((world.metric(MISROUTED), world.metric(UNKNOWN)), (1, 0));
    assert_eq!(world.logged("event=misrouted").len(), 1);
    diverted(&world, Some("payment"), "cluster_not_found", &[flag::NC]);
    assert_eq!((world.metric(MISROUTED), world.metric(UNKNOWN)), (2, 0));
}

#[test]
fn the_admin_api_of_any_worker_shows_an_unknown_cluster() {
    let world = diverting();
    assert_eq!(shown(&world), json!([]));
    world.advance(10 * SECOND);
    diverted(&world, Some("backup"), "cluster_not_found", &[flag::NC]);
    let path = format!("/circuit-breaker/services/{PAYMENT}");
    let reply = world.request("localhost").path(&path).on(1).send().reply();
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let noticed = json!([{"name": "backup", "noticed_at": "2024-05-01T12:00:10.000Z"}]);
    assert_eq!(body["unknown_clusters"], noticed);
}

#[test]
fn a_damaged_note_shows_nothing_and_is_replaced() {
    let world = diverting();
    for note in [&b""[..], b"\x02newernew", b"\x01", b"\x01short"] {
        world.store().put("edge-breaker/v1/clusters/unknown/backup", note.to_vec());
        assert_eq!(shown(&world), json!([]), "{note:?}");
    }
    diverted(&world, Some("backup"), "cluster_not_found", &[flag::NC]);
    assert_eq!(shown(&world)[0]["name"], "backup");
}

#[test]
fn a_note_of_a_newer_version_is_left_alone_until_nobody_writes_it() {
    let fields = json!({
        "fallback": {"cluster": "backup"},
        "open": {"wait_duration": "5m", "max_wait_duration": "5m", "jitter": 0}
    });
    let world = World::configured(1, &config(&fields));
    world.trip();
    world.store().put("edge-breaker/v1/clusters/unknown/backup", b"\x02newernew".to_vec());
    diverted(&world, Some("backup"), "cluster_not_found", &[flag::NC]);
    assert_eq!(shown(&world), json!([]));
    world.advance(60 * SECOND);
    diverted(&world, Some("backup"), "cluster_not_found", &[flag::NC]);
    assert_eq!(shown(&world)[0]["name"], "backup");
}

/// A check that cannot be made says nothing of the service, and yet an open breaker returns.
#[test]
fn a_breaker_whose_check_has_no_cluster_lets_a_trial_through_after_the_longest_wait() {
    let world = checked();
    run(&world, 58 * SECOND, &CalloutAnswer::UnknownCluster);
    assert_eq!(world.state(), "OPEN");
    assert!(!world.call().is_admitted());
    assert_eq!(world.of("health_checks_total", &["result=unhealthy"]), 0);
    assert!((11..=13).contains(&world.metric(UNKNOWN)), "{}", world.metric(UNKNOWN));
    assert_eq!(world.logged("field=health_check.cluster cluster=payment-health").len(), 1);
    assert_eq!(shown(&world)[0]["name"], "payment-health");
    run(&world, 8 * SECOND, &CalloutAnswer::UnknownCluster);
    assert_eq!(world.state(), "HALF_OPEN");
    world.call().respond(503);
    assert_eq!(world.state(), "OPEN");
    run(&world, 50 * SECOND, &CalloutAnswer::UnknownCluster);
    assert_eq!(world.state(), "OPEN", "the wait begins anew");
    run(&world, 20 * SECOND, &CalloutAnswer::UnknownCluster);
    world.call().respond(200);
    assert_eq!(world.state(), "CLOSED");
}

#[test]
fn a_check_decides_as_soon_as_its_cluster_is_there() {
    let world = checked();
    run(&world, 20 * SECOND, &CalloutAnswer::UnknownCluster);
    run(&world, 300 * SECOND, &CalloutAnswer::Failed);
    assert_eq!(world.state(), "OPEN", "it fails, so no trial is let through");
}

#[test]
fn an_unknown_cluster_for_notifications_is_reported_too() {
    let mut config = config(&json!({}));
    config["notify"] = json!({"cluster": "ops"});
    let world = World::configured(1, &config);
    world.trip();
    world.tick_all();
    world.finish_check(&CalloutAnswer::UnknownCluster);
    let said = world.logged("event=unknown_cluster field=notify.cluster cluster=ops");
    assert_eq!((said.len(), world.metric(UNKNOWN)), (1, 1));
}
