//! Health checks.

use std::time::Duration;

use host_test_component::types::{RequestVerdict, State};
use serde_json::{Value, json};

use crate::world::World;

fn checked() -> Value {
    json!({
        "health_check": {
            "cluster": "payment", "path": "/health", "interval": "5s", "timeout": "1s",
            "then": "close"
        }
    })
}

#[test]
fn a_health_check_that_passes_closes_the_breaker() {
    let mut world = World::new(3, &checked());
    assert!(world.tick_all().is_empty(), "a closed breaker needs none");
    world.trip();
    let mut checks = world.tick_all();
    assert_eq!(checks.len(), 1, "one for all workers");
    let (worker, check) = checks.remove(0);
    let path = check.callout.fields.iter().find(|field| field.name == ":path").unwrap();
    assert_eq!((check.callout.cluster.as_str(), &*path.value), ("payment", &b"/health"[..]));
    assert_eq!(check.callout.timeout, 1_000_000_000);
    world.workers[worker].reported(check.id, Some(200)).unwrap();
    assert_eq!(world.state(), State::Closed);
    let healthy = "cb_result=.=healthy;.;edge_breaker_health_checks_total";
    assert_eq!(world.metric(healthy), 1);
}

#[test]
fn a_health_check_that_fails_is_made_again() {
    for status in [Some(503), None] {
        let mut world = World::new(2, &checked());
        world.trip();
        let (worker, check) = world.tick_all().remove(0);
        world.workers[worker].reported(check.id, status).unwrap();
        assert_eq!(world.state(), State::Open);
        assert!(world.tick_all().is_empty(), "not at once");
        world.shared.advance(Duration::from_secs(6));
        assert_eq!(world.tick_all().len(), 1);
    }
}

#[test]
fn a_check_whose_worker_is_gone_is_made_by_another() {
    let mut world = World::new(2, &checked());
    world.trip();
    let (worker, _) = world.tick_all().remove(0);
    world.workers.remove(worker);
    world.shared.advance(Duration::from_secs(10));
    let (worker, check) = world.tick_all().remove(0);
    world.workers[worker].reported(check.id, Some(200)).unwrap();
    assert_eq!(world.state(), State::Closed);
}

#[test]
fn a_check_that_is_reported_late_or_twice_changes_nothing() {
    let mut world = World::new(2, &checked());
    world.trip();
    let (late_worker, late) = world.tick_all().remove(0);
    world.shared.advance(Duration::from_secs(10));
    let (worker, check) = world.tick_all().remove(0);
    world.workers[late_worker].reported(late.id, Some(200)).unwrap();
    assert_eq!(world.state(), State::Open, "another check has been begun");
    world.workers[worker].reported(check.id, Some(503)).unwrap();
    world.workers[worker].reported(check.id, Some(200)).unwrap();
    assert_eq!(world.state(), State::Open, "it has been reported");
}

#[test]
fn the_period_of_ticks_follows_the_shortest_wait() {
    let world = World::one(&checked());
    assert_eq!(world.configured.tick_period, 500_000_000);
    let mut fast = checked();
    fast["health_check"]["interval"] = json!("100ms");
    fast["health_check"]["timeout"] = json!("50ms");
    assert_eq!(World::one(&fast).configured.tick_period, 25_000_000);
}

#[test]
fn until_a_check_passes_calls_are_diverted() {
    let mut world = World::one(&checked());
    world.trip();
    world.shared.advance(Duration::from_secs(3600));
    assert!(matches!(world.request(0).verdict, RequestVerdict::Reply(_)));
}
