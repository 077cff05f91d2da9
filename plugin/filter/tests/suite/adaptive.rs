//! The adaptive rule through records, tallies and ticks of several workers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{PAYMENT, World};

const WORKERS: usize = 4;
const HOUR: u64 = 3_600;
/// Calls a second.
const RATE: u64 = 20;

fn adaptive() -> Value {
    json!({"trip": {"adaptive": {}}, "fallback": {"cluster": "payment-fallback"}})
}

/// Numbers below a thousand that look like chance: the same ones on every run.
fn chance() -> impl FnMut() -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) % 1_000
    }
}

#[test]
fn an_hour_of_five_percent_of_errors_is_no_episode() {
    let world = World::with_workers(WORKERS, &adaptive());
    let (mut chance, mut failed) = (chance(), 0);
    for second in 0..HOUR {
        for call in 0..RATE {
            let worker = chance() as usize % WORKERS;
            let fails = chance() < 50;
            failed += u64::from(fails);
            let admitted = world.request(PAYMENT).on(worker).send();
            assert!(!admitted.is_diverted(), "call {call} of second {second}");
            admitted.respond(if fails { 500 } else { 200 });
            world.advance(Duration::from_secs(1) / RATE as u32);
            if call % (RATE / 2) == 0 {
                world.tick_all();
            }
        }
    }
    assert!((3_400..3_800).contains(&failed), "{failed} of {} failed", HOUR * RATE);
    assert_eq!(world.state(), "CLOSED");
}

#[test]
fn an_outage_that_stays_is_said_once_an_hour_and_is_no_transition() {
    let world = World::with(&adaptive());
    let said = || world.logged("so for an hour").len();
    for _ in 0..2 * HOUR + HOUR / 2 {
        world.call().respond(500);
        world.run(Duration::from_secs(1));
    }
    assert_eq!(said(), 2, "{:?}", world.logged("event="));
    assert!(world.logged("so for an hour")[0].contains(" event=limited "));
    assert_eq!(world.state(), "OPEN");
    assert_eq!(world.of("transitions_total", &["to=open", "reason=adaptive"]), 1);
}
