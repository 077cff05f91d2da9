//! What a breaker does on the word of other processes.

use std::time::Duration;

use breaker::{
    AdaptivePolicy, Breaker, Command, DivertReason, LONGEST_RECORD, Percentage, RECORD_LEN, Reason,
    StateName, Transition, TripPolicy,
};

use crate::world::{World, count, health_check, retry, seconds_of};

impl World {
    /// Others say that the service is down.
    fn fleet_opens(&mut self) -> Option<Transition> {
        let mut breaker = self.breaker();
        let transition = breaker.open_by_fleet(&self.policy, self.now, self.random);
        self.put(&breaker);
        transition
    }

    /// Another has found it to be well.
    fn fleet_passes(&mut self) -> Option<Transition> {
        let mut breaker = self.breaker();
        let transition = breaker.half_open_by_fleet(&self.policy, self.now.monotonic);
        self.put(&breaker);
        transition
    }
}

#[test]
fn a_closed_breaker_opens_on_others_word_and_says_so() {
    let mut world = World::new(|_| {});
    let transition = world.fleet_opens().expect("it opens");
    assert_eq!((transition.to, transition.reason), (StateName::Open, Reason::Fleet));
    assert_eq!(transition.failures, 0);
    world.is_diverted(DivertReason::Fleet);
    assert_eq!(world.status().trip_reason, Some(Reason::Fleet));
    assert!(world.fleet_opens().is_none(), "it is open already");
}

#[test]
fn one_that_others_opened_returns_by_its_own_wait() {
    let mut world = World::new(|policy| policy.open.wait = seconds_of(30));
    world.fleet_opens();
    world.advance(31);
    let trial = world.trial();
    assert_eq!(world.state(), StateName::HalfOpen);
    world.settle(trial, breaker::Outcome::Success);
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn another_that_found_the_service_well_makes_an_open_breaker_half_open_whatever_its_wait_is() {
    let mut world = World::open(|policy| policy.open.wait = seconds_of(300));
    let transition = world.fleet_passes().expect("it leaves the open state");
    assert_eq!((transition.to, transition.reason), (StateName::HalfOpen, Reason::Fleet));
    assert!(world.fleet_passes().is_none(), "only an open breaker does");
    let trial = world.trial();
    world.settle(trial, breaker::Outcome::FAILURE);
    assert_eq!(world.status().trip_reason, Some(Reason::TrialFailed), "by its own account");
}

#[test]
fn an_operator_is_not_overruled_by_others() {
    for command in [Command::Disable, Command::MetricsOnly, Command::ForceOpen] {
        let mut world = World::new(|_| {});
        world.command(command);
        assert!(world.fleet_opens().is_none(), "{command:?}");
        let mut world = World::open(|_| {});
        world.command(command);
        assert!(world.fleet_passes().is_none(), "{command:?}");
    }
}

#[test]
fn a_breaker_that_diverts_by_the_adaptive_rule_does_not_listen() {
    let rule = AdaptivePolicy {
        tolerate: Percentage::from_thousandths(5_000),
        false_trips: seconds_of(720 * 3600),
        shed: true,
        latency_floor: None,
        max_gap: seconds_of(300),
    };
    let mut world = World::new(|policy| {
        policy.trip = TripPolicy { adaptive: Some(rule), ..TripPolicy::default() };
    });
    let mut calls = 0_u32;
    while world.diverted() == 0 {
        calls += 1;
        assert!(calls < 10_000, "it never diverts");
        world.advance_by(Duration::from_millis(10));
        world.random = calls.wrapping_mul(0x9e37_79b9);
        let outcome =
            if calls < 1_000 { breaker::Outcome::Success } else { breaker::Outcome::FAILURE };
        if let Ok(permit) = world.try_call() {
            world.settle(permit, outcome);
        }
    }
    assert!(world.fleet_opens().is_none() && world.fleet_passes().is_none());
}

#[test]
fn a_check_that_is_tried_again_has_not_failed_yet() {
    let mut world = World::open(|policy| {
        policy.health_check = Some(breaker::HealthCheckPolicy {
            retry: Some(breaker::RetryPolicy { num_retries: 1, ..retry() }),
            healthy_threshold: count(1),
            ..health_check()
        });
    });
    let (_, ticket) = world.until_check(seconds_of(60));
    world.answer(ticket, breaker::CheckResult::Unhealthy);
    assert!(world.breaker().is_check_retried());
    let (_, ticket) = world.until_check(seconds_of(60));
    world.answer(ticket, breaker::CheckResult::Unhealthy);
    assert!(!world.breaker().is_check_retried());
}

#[test]
fn a_record_that_others_opened_is_one_that_an_older_module_leaves_alone() {
    let mut world = World::new(|_| {});
    assert_eq!(world.record().len(), RECORD_LEN);
    world.fleet_opens();
    let record = world.record();
    assert_eq!(record.len(), LONGEST_RECORD);
    let read = Breaker::decode(&record).expect("it is readable");
    assert_eq!(read.status(world.policy.mode).trip_reason, Some(Reason::Fleet));
    world.command(Command::Close);
    assert_eq!(world.record().len(), RECORD_LEN);
}
