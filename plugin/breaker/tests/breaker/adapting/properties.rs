//! What holds in every story of a breaker with the rule.

use breaker::{CheckResult, Impact, Outcome, Reason, Settled, StateName};
use proptest::prelude::*;

use crate::operations::{
    Event, LONG_ENOUGH, Story, adaptive_policy, operations, operations_on_any_clock,
};

proptest! {
    #[test]
    fn each_transition_begins_a_period_and_says_what_the_rule_did_if_it_was_that(
        policy in adaptive_policy(),
        operations in operations_on_any_clock(),
    ) {
        let mut story = Story::new(policy);
        for operation in operations {
            let step = story.play(operation);
            let (before, after) = (step.status_before(), step.status());
            let Some(transition) = step.transition else {
                prop_assert_eq!(after.state, before.state);
                prop_assert!(after.generation.number() <= before.generation.number() + 1);
                continue;
            };
            prop_assert_eq!((transition.from, transition.to), (before.state, after.state));
            prop_assert_eq!(transition.generation, after.generation);
            prop_assert_eq!(transition.adaptive.is_some(), transition.reason == Reason::Adaptive);
            prop_assert_eq!(transition.is_none(), transition.from == transition.to);
        }
    }

    #[test]
    fn a_permit_of_an_older_period_changes_no_bit_of_the_record(
        policy in adaptive_policy(),
        operations in operations_on_any_clock(),
    ) {
        let mut story = Story::new(policy);
        for operation in operations {
            let step = story.play(operation);
            if let Event::Settled { permit, settled, impact, .. } = &step.event
                && permit.generation != step.generation_before()
            {
                prop_assert_eq!((*settled, *impact), (Settled::Late, Impact::None));
                let [before, after] = step.records();
                prop_assert_eq!(before, after);
            }
        }
    }

    #[test]
    fn an_open_breaker_admits_trials_alone_and_no_more_than_are_permitted(
        policy in adaptive_policy(),
        operations in operations(),
    ) {
        let mut story = Story::new(policy);
        for operation in operations {
            let step = story.play(operation);
            let (before, after) = (step.status_before(), step.status());
            if before.state == StateName::Open
                && let Event::Admitted { permit, .. } = &step.event
            {
                prop_assert!(permit.is_trial);
                let permitted = step.policy.half_open.permitted_calls.get();
                prop_assert!(after.trials_in_flight <= permitted);
            }
        }
    }

    #[test]
    fn a_service_that_is_well_again_gets_its_traffic_back(
        policy in adaptive_policy(),
        operations in operations_on_any_clock(),
    ) {
        let mut story = Story::new(policy);
        for operation in operations {
            story.play(operation);
        }
        let world = &mut story.world;
        let half = breaker::Timestamp::from_nanos(u64::MAX / 2);
        world.now = crate::world::at(world.now.monotonic.min(half));
        let is_back = |world: &crate::world::World| {
            world.state() == StateName::Closed && world.diverted() == 0
        };
        for number in 0_u32..2_000 {
            if is_back(world) {
                return Ok(());
            }
            if let Some(ticket) = world.try_check() {
                world.answer(ticket, CheckResult::Healthy);
            }
            world.random = number.wrapping_mul(0x9e37_79b9);
            if let Ok(permit) = world.try_request(true) {
                world.settle(permit, Outcome::Success);
            }
            world.advance_by(LONG_ENOUGH);
        }
        prop_assert!(false, "still {:?}", world.breaker());
    }
}
