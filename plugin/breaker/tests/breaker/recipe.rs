//! The trace of the recipe: threshold 3, no wait, a health check that closes.

use std::time::Duration;

use breaker::{DivertReason, StateName};

use crate::world::{World, health_check};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Downstream,
    Fallback,
}

#[test]
fn the_recipes_trace_goes_row_by_row() {
    use By::{Downstream, Fallback};
    use StateName::{Closed, Open};

    // downstream up, health check passes; answered by, state after, failures after
    let trace = [
        (true, true, Downstream, Closed, 0),
        (true, true, Downstream, Closed, 0),
        (false, true, Fallback, Closed, 1),
        (false, true, Fallback, Closed, 2),
        (true, true, Downstream, Closed, 0),
        (false, false, Fallback, Closed, 1),
        (false, false, Fallback, Closed, 2),
        (false, false, Fallback, Open, 3),
        (false, false, Fallback, Open, 3),
        (true, false, Fallback, Open, 3),
        (true, true, Downstream, Closed, 0),
        (true, true, Downstream, Closed, 0),
    ];
    let mut world = World::new(|policy| {
        policy.open.wait = Duration::ZERO;
        policy.health_check = Some(health_check());
    });
    for (row, (up, healthy, by, state, failures)) in (1..).zip(trace) {
        world.advance(5);
        if let Some(ticket) = world.try_check() {
            let result = match healthy {
                true => breaker::CheckResult::Healthy,
                false => breaker::CheckResult::Unhealthy,
            };
            world.answer(ticket, result);
        }
        let answered_by = match world.try_call() {
            Ok(permit) if up => {
                world.settle(permit, breaker::Outcome::Success);
                Downstream
            }
            Ok(permit) => {
                world.settle(permit, breaker::Outcome::FAILURE);
                Fallback
            }
            Err(reason) => {
                assert_eq!(reason, DivertReason::Open);
                Fallback
            }
        };
        let status = world.status();
        assert_eq!(
            (answered_by, status.state, status.failures),
            (by, state, failures),
            "row {row}"
        );
    }
}
