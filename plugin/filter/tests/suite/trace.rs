//! The recipe's trace: twelve requests, row by row, as its state machine answers them.

use std::cell::Cell;
use std::time::Duration;

use crate::world::{By, PAYMENT, World, recipe};

/// What the route's retry policy makes of a failing call: one attempt and two more.
const ATTEMPTS: u32 = 3;

struct Row {
    up: bool,
    healthy: bool,
    by_service: bool,
    downstream_calls: u32,
    state: &'static str,
    failures: u32,
}

const fn row(
    up: &'static str,
    health: &'static str,
    by: &'static str,
    downstream_calls: u32,
    state: &'static str,
    failures: u32,
) -> Row {
    // The first letters differ: `up`/`down`, `healthy`/`sick`, `downstream`/`fallback`.
    Row {
        up: up.as_bytes()[0] == b'u',
        healthy: health.as_bytes()[0] == b'h',
        by_service: by.as_bytes()[0] == b'd',
        downstream_calls,
        state,
        failures,
    }
}

#[rustfmt::skip]
const TRACE: [Row; 12] = [
    row("up",   "healthy", "downstream", 1, "CLOSED", 0),
    row("up",   "healthy", "downstream", 1, "CLOSED", 0),
    row("down", "healthy", "fallback",   3, "CLOSED", 1),
    row("down", "healthy", "fallback",   3, "CLOSED", 2),
    row("up",   "healthy", "downstream", 1, "CLOSED", 0),
    row("down", "sick",    "fallback",   3, "CLOSED", 1),
    row("down", "sick",    "fallback",   3, "CLOSED", 2),
    row("down", "sick",    "fallback",   3, "OPEN",   3),
    row("down", "sick",    "fallback",   0, "OPEN",   3),
    row("up",   "sick",    "fallback",   0, "OPEN",   3),
    row("up",   "healthy", "downstream", 1, "CLOSED", 0),
    row("up",   "healthy", "downstream", 1, "CLOSED", 0),
];

fn play(workers: usize) {
    let world = World::with_workers(workers, &recipe());
    let healthy = Cell::new(true);
    for (number, row) in (1..).zip(&TRACE) {
        healthy.set(row.healthy);
        // Long enough between two requests for a check with all its retries.
        for _ in 0..250 {
            world.run(Duration::from_millis(100));
            assert!(world.pending_checks() <= 1, "row {number}: one check at a time");
            if world.pending_checks() == 1 {
                world.answer_check(if healthy.get() { 200 } else { 500 });
            }
        }
        let call = world.request(PAYMENT).on((number - 1) % workers).send();
        let calls = match (call.is_admitted(), row.up) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => ATTEMPTS,
        };
        let answer = call.respond(if row.up { 200 } else { 503 });
        assert_eq!(answer.status, 200, "row {number}: the client always gets an answer");
        assert_eq!(answer.by == By::Service, row.by_service, "row {number}: {:?}", answer.by);
        assert_eq!(calls, row.downstream_calls, "row {number}");
        assert_eq!(world.state(), row.state, "row {number}");
        assert_eq!(world.status().failures, row.failures, "row {number}");
    }
    assert_eq!(world.transitions(), 2, "opened once and closed once");
    assert_eq!(world.of("transitions_total", &["to=open", "reason=consecutive_failures"]), 1);
    assert_eq!(world.of("transitions_total", &["to=closed", "reason=health_check"]), 1);
}

#[test]
fn one_worker_answers_as_the_recipe_does() {
    play(1);
}

#[test]
fn four_workers_answer_as_the_recipe_does() {
    play(4);
}
