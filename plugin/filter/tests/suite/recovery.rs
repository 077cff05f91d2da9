//! How long a service that is well again stays half-open, while clients begin requests that they
//! never end: many such clients beside a few honest ones, under many seeds.

use std::time::Duration;

use serde_json::json;

use crate::world::{Call, PAYMENT, World};

const MILLISECOND: Duration = Duration::from_millis(1);

/// What honest clients send.
#[derive(Clone, Copy, Debug)]
enum Honest {
    /// Requests that are complete with their head.
    Gets,
    /// Requests whose bodies come within milliseconds.
    Posts,
}

/// Requests a second of clients that stall, and leave after three seconds; and of honest ones.
const STALLED: u32 = 30;
const HONEST: u32 = 4;
const PATIENCE: u32 = 3_000;

/// Numbers by chance, the same ones for each seed.
struct Chance(u64);

impl Chance {
    /// Whether something happens in this millisecond that happens so many times a second.
    fn happens(&mut self, times_a_second: u32) -> bool {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % 1_000 < u64::from(times_a_second)
    }
}

/// How long it takes from the first request after the wait until the breaker closes.
fn time_to_close(honest: Honest, seed: u64) -> Duration {
    let world = World::with(&json!({
        "open": {"wait_duration": "1s", "jitter": 0},
        "half_open": {"permitted_calls": 1}
    }));
    world.await_trials();
    let mut chance = Chance((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut stalled: Vec<(u32, Call)> = Vec::new();
    let mut bodies: Vec<Call> = Vec::new();
    for millis in 0..300_000 {
        for (_, call) in stalled.extract_if(.., |(until, _)| *until <= millis) {
            call.abort();
        }
        let mut answered = !bodies.is_empty();
        for mut call in bodies.drain(..) {
            assert_eq!(call.complete(), None);
            call.respond(200);
        }
        let upload = || world.request(PAYMENT).method("POST").with_body().send();
        if chance.happens(STALLED) {
            stalled.push((millis + PATIENCE, upload()));
        }
        if chance.happens(HONEST) {
            match honest {
                Honest::Gets => {
                    world.call().respond(200);
                    answered = true;
                }
                Honest::Posts => bodies.push(upload()),
            }
        }
        if answered && world.state() == "CLOSED" {
            return millis * MILLISECOND;
        }
        world.advance(MILLISECOND);
    }
    panic!("it does not close with the seed {seed}");
}

/// Of a hundred seeds: the median, and the longest but for one in ten.
fn times_to_close(honest: Honest) -> [Duration; 2] {
    let mut times: Vec<_> = (0..100).map(|seed| time_to_close(honest, seed)).collect();
    times.sort();
    let [median, most] = [times[50], times[90]];
    println!("{honest:?}: {median:?} in the median, one in ten longer than {most:?}");
    [median, most]
}

#[test]
fn stalled_uploads_keep_a_breaker_from_closing_for_little_more_than_a_second() {
    let [median, most] = times_to_close(Honest::Gets);
    assert!(median < Duration::from_millis(1_300) && most < Duration::from_secs(2));
}

#[test]
fn a_service_that_gets_nothing_but_uploads_closes_beside_stalled_ones() {
    let [median, most] = times_to_close(Honest::Posts);
    assert!(median < Duration::from_secs(8) && most < Duration::from_secs(30));
}

/// How long it takes beside clients that ask for what is not there, as fast as others stall.
fn time_to_close_beside_the_lost(seed: u64) -> Duration {
    let world = World::with(&json!({
        "open": {"wait_duration": "1s", "jitter": 0},
        "half_open": {"permitted_calls": 1},
        "classify": {"ignore_status": ["404"]}
    }));
    world.await_trials();
    let mut chance = Chance((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for millis in 0..300_000 {
        if chance.happens(STALLED) {
            world.call().response_header("retry-after", "30").respond(404);
        }
        if chance.happens(HONEST) {
            world.call().respond(200);
        }
        if world.state() == "CLOSED" {
            return millis * MILLISECOND;
        }
        world.advance(MILLISECOND);
    }
    panic!("it does not close with the seed {seed}");
}

/// It is the client that chooses what it asks for, and so whether the answer is one that is ignored.
#[test]
fn clients_whose_answers_are_ignored_keep_no_breaker_from_closing() {
    let mut times: Vec<_> = (0..100).map(time_to_close_beside_the_lost).collect();
    times.sort();
    assert!(times[90] < Duration::from_secs(1), "{:?}", times[90]);
}
