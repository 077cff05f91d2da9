//! The ramp after closing: calls are diverted while the service gets its traffic back.

use std::time::Duration;

use serde_json::json;

use crate::world::World;

/// Closed a moment ago, with a ramp of ten seconds.
fn just_closed() -> World {
    let world = World::with(&json!({
        "open": {"wait_duration": "10s", "jitter": 0},
        "half_open": {"ramp_duration": "10s"},
        "fallback": {"cluster": "payment-fallback"}
    }));
    world.await_trials();
    world.call().respond(200);
    assert_eq!(world.state(), "CLOSED");
    world
}

#[test]
fn the_share_of_diverted_calls_falls_over_the_ramp() {
    let world = just_closed();
    let mut shares = Vec::new();
    for _ in 0..5 {
        let before = world.of("not_permitted_total", &["reason=ramp"]);
        for _ in 0..500 {
            world.call().respond(200);
            world.advance(Duration::from_millis(4));
        }
        shares.push(world.of("not_permitted_total", &["reason=ramp"]) - before);
    }
    for (share, expected) in shares.iter().zip([450, 350, 250, 150, 50]) {
        assert!(share.abs_diff(expected) < 50, "{shares:?}");
    }
    let before = world.admitted();
    (0..100).for_each(|_| drop(world.call().respond(200)));
    assert_eq!(world.admitted() - before, 100);
}

#[test]
fn a_call_on_the_ramp_is_diverted_with_its_reason() {
    let world = just_closed();
    let call = world.call();
    assert!(call.is_diverted());
    let told = |name: &str| call.diversion().iter().find(|(n, _)| *n == name).unwrap().1.clone();
    assert_eq!(told("x-circuit-breaker-state"), "CLOSED");
    assert_eq!(told("x-circuit-breaker-reason"), "ramp");
}

/// A pinned budget: on the ramp a call costs a read, and the end of the ramp a write.
#[test]
fn after_the_ramp_the_closed_path_is_as_cheap_as_before() {
    let world = just_closed();
    world.advance(Duration::from_secs(5));
    assert_eq!(world.asked(|| drop(world.call())).get("swap"), None);
    world.advance(Duration::from_secs(5));
    world.call().respond(200);
    world.call().respond(200);
    let asked = world.asked(|| drop(world.call().respond(200)));
    assert_eq!(asked, [("adjust", 1), ("gauge", 2)].into());
}
