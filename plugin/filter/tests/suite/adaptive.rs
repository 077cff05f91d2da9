//! The adaptive rule through records, tallies and ticks of several workers.

use std::time::Duration;

use serde_json::json;

use crate::world::{PAYMENT, World};

const WORKERS: usize = 4;
const HOUR: u64 = 3_600;
/// Calls a second.
const RATE: u64 = 20;

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
    let world = World::with_workers(WORKERS, &json!({"trip": {"adaptive": {}}}));
    let (mut chance, mut failed) = (chance(), 0);
    for second in 0..HOUR {
        for call in 0..RATE {
            let worker = chance() as usize % WORKERS;
            let fails = chance() < 50;
            failed += u64::from(fails);
            let call_at = world.request(PAYMENT).on(worker).send();
            assert!(!call_at.is_diverted(), "call {call} of second {second}");
            call_at.respond(if fails { 500 } else { 200 });
            world.advance(Duration::from_secs(1) / RATE as u32);
            if call % (RATE / 2) == 0 {
                world.tick_all();
            }
        }
    }
    assert!((3_400..3_800).contains(&failed), "{failed} of {} failed", HOUR * RATE);
    assert_eq!(world.state(), "CLOSED");
}
