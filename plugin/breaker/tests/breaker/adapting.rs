//! What the adaptive rule makes of a breaker. How it decides has tests of its own.

mod properties;

use std::time::Duration;

use breaker::{
    AdaptiveChange, AdaptivePolicy, Admission, Breaker, Command, DivertReason, Ended, Impact,
    LONGEST_RECORD, Mode, Outcome, Percentage, Permit, Policy, RECORD_LEN, Reason, StateName,
    Tally, Transition, TripPolicy,
};

use crate::world::{World, count, health_check, seconds_of};

const MS: Duration = Duration::from_millis(1);

/// With the defaults; latency is not watched.
fn rule(policy: &Policy) -> AdaptivePolicy {
    AdaptivePolicy {
        tolerate: Percentage::from_thousandths(5_000),
        false_trips: seconds_of(720 * 3600),
        shed: true,
        latency_floor: None,
        max_gap: policy.open.max_wait,
    }
}

fn only_the_rule(policy: &mut Policy) {
    policy.trip = TripPolicy { adaptive: Some(rule(policy)), ..TripPolicy::default() };
}

/// What became of some calls.
#[derive(Debug, Default)]
struct Seen {
    admitted: u32,
    tried: u32,
    diverted: u32,
}

impl World {
    /// A hundred calls a second, so many of a hundred of which fail, one after another.
    fn calls(&mut self, number: u32, failing: u32) -> Seen {
        let mut seen = Seen::default();
        for call in 0..number {
            self.advance_by(10 * MS);
            self.random = call.wrapping_mul(0x9e37_79b9);
            match self.try_call() {
                Ok(permit) => {
                    seen.admitted += 1;
                    seen.tried += u32::from(permit.is_trial());
                    let failed = call.wrapping_mul(37) % 100 < failing;
                    self.settle(permit, if failed { Outcome::FAILURE } else { Outcome::Success });
                }
                Err(reason) => {
                    assert_eq!(reason, DivertReason::Adaptive);
                    seen.diverted += 1;
                }
            }
        }
        seen
    }

    /// One that has been well, and fails this share from now on until the rule does something.
    fn failing(adapt: impl FnOnce(&mut Policy), percent: u32) -> Self {
        let mut world = Self::new(adapt);
        world.calls(3_000, 0);
        assert_eq!(world.transitions, []);
        for _ in 0..50 {
            world.calls(10, percent);
            if !world.transitions.is_empty() {
                return world;
            }
        }
        panic!("nothing happens");
    }

    /// One whose calls have all failed.
    fn failed(adapt: impl FnOnce(&mut Policy)) -> Self {
        let world = Self::failing(adapt, 100);
        assert_eq!(world.state(), StateName::Open);
        world
    }

    fn retry_at(&self) -> Duration {
        self.status().retry_at.expect("a time").since(self.now.monotonic)
    }

    /// What there was, without the figures.
    fn story(&self) -> Vec<(StateName, StateName, Reason)> {
        self.transitions.iter().map(|it| (it.from, it.to, it.reason)).collect()
    }
}

const OPENED: (StateName, StateName, Reason) =
    (StateName::Closed, StateName::Open, Reason::Adaptive);
const CLOSED: (StateName, StateName, Reason) =
    (StateName::Open, StateName::Closed, Reason::Adaptive);
const WITHIN: (StateName, StateName, Reason) =
    (StateName::Closed, StateName::Closed, Reason::Adaptive);

#[test]
fn a_total_outage_opens_the_breaker_and_says_by_what() {
    let world = World::failed(only_the_rule);
    assert_eq!(world.story(), [OPENED]);
    let Some(AdaptiveChange::Limited(report)) = world.transitions[0].adaptive else {
        panic!("{:?}", world.transitions)
    };
    assert!(report.diverts == 100_000 && report.evidence >= report.bar, "{report}");
    assert_eq!(world.status().trip_reason, Some(Reason::Adaptive));
}

#[test]
fn while_it_is_open_nothing_but_trials_passes() {
    let mut world = World::failed(only_the_rule);
    let seen = world.calls(3_000, 100);
    assert_eq!(seen.admitted, seen.tried, "{seen:?}");
    assert!((10..100).contains(&seen.tried), "{seen:?}");
    assert_eq!(world.story(), [OPENED]);
}

#[test]
fn trials_under_way_are_as_many_as_are_permitted() {
    let mut world = World::failed(|policy| {
        only_the_rule(policy);
        policy.half_open.permitted_calls = count(2);
    });
    world.advance(20);
    let _first = world.trial();
    world.advance(20);
    let second = world.trial();
    for _ in 0..9 {
        world.advance(1);
        world.is_diverted(DivertReason::Adaptive);
    }
    assert_eq!(world.status().trials_in_flight, 2);
    world.settle(second, Outcome::FAILURE);
    world.advance(20);
    let _third = world.trial();
}

#[test]
fn a_trial_that_is_lost_gives_its_slot_back_in_time() {
    let mut world = World::failed(only_the_rule);
    world.advance(20);
    let lost = world.trial();
    world.advance(20);
    world.is_diverted(DivertReason::Adaptive);
    world.advance(11);
    let _next = world.trial();
    world.is_late(lost);
}

#[test]
fn a_service_that_is_well_again_gets_its_traffic_back_without_half_open() {
    let mut world = World::failed(only_the_rule);
    world.calls(1_000, 100);
    world.calls(1_000, 0);
    assert_eq!(world.story(), [OPENED, CLOSED, WITHIN]);
    assert_eq!(world.transitions[1].adaptive, Some(AdaptiveChange::Returning));
    assert_eq!(world.transitions[2].adaptive, Some(AdaptiveChange::Closed));
    assert_eq!(world.calls(1_000, 0).diverted, 0);
}

#[test]
fn a_partial_outage_diverts_a_share_of_the_calls_of_a_closed_breaker() {
    let mut world = World::failing(only_the_rule, 30);
    assert_eq!(world.story(), [WITHIN]);
    assert!(matches!(world.transitions[0].adaptive, Some(AdaptiveChange::Limited(_))));
    let seen = world.calls(1_000, 30);
    assert!((250..500).contains(&seen.diverted) && seen.tried == 0, "{seen:?}");
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn a_partial_outage_that_becomes_total_opens_the_breaker_and_one_that_abates_closes_it() {
    let mut world = World::failing(only_the_rule, 30);
    world.calls(500, 100);
    assert_eq!(world.story(), [WITHIN, OPENED]);
    for _ in 0..300 {
        if world.state() == StateName::Open {
            world.calls(100, 20);
        }
    }
    assert_eq!(world.story(), [WITHIN, OPENED, CLOSED]);
    let abated = world.transitions[2].adaptive;
    assert!(matches!(abated, Some(AdaptiveChange::Limited(it)) if it.diverts < 90_000));
}

#[test]
fn each_change_of_the_rule_begins_a_period_but_the_last() {
    let mut world = World::failing(only_the_rule, 30);
    world.random = 0;
    let before = world.call();
    assert_eq!(before.generation().number(), 2);
    world.calls(1_000, 0);
    assert_eq!(world.story(), [WITHIN, WITHIN]);
    assert_eq!(world.status().generation.number(), 3, "the traffic has come back since");
    world.is_late(before);
}

#[test]
fn a_fixed_rule_that_trips_while_calls_are_diverted_opens_by_its_own_reason_and_wait() {
    let mut world = World::failing(only_the_rule, 30);
    world.policy.trip.consecutive_failures = Some(count(3));
    while world.state() == StateName::Closed {
        world.random = 0;
        world.fail();
    }
    assert_eq!(world.status().trip_reason, Some(Reason::ConsecutiveFailures));
    assert_eq!(world.retry_at(), seconds_of(30));
    assert_eq!(world.diverted(), 0);
    world.advance(30);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
    assert_eq!(world.calls(100, 0).diverted, 0);
}

#[test]
fn a_policy_that_has_the_rule_no_more_diverts_no_share_and_what_was_learned_is_kept() {
    let mut world = World::failing(only_the_rule, 30);
    let base = |world: &World| {
        let report = world.breaker().adaptive_report(&world.policy, world.now.monotonic);
        report.map(|report| report.base)
    };
    let learned = base(&world);
    let rule = world.policy.trip.adaptive.take();
    assert_eq!((world.diverted(), world.calls(100, 0).diverted), (0, 0));
    assert!(world.breaker().knows_adaptive(&world.policy));
    world.policy.trip.adaptive = rule;
    assert_eq!(base(&world), learned);
    assert_ne!(world.diverted(), 0);
}

#[test]
fn a_trips_retry_after_puts_the_trials_off() {
    let asked = Outcome::failure(Some(seconds_of(120)));
    for (honored, least) in [(true, 119), (false, 0)] {
        let mut world = World::new(|policy| {
            only_the_rule(policy);
            policy.open.honor_retry_after = honored;
        });
        world.calls(3_000, 0);
        while world.state() == StateName::Closed {
            let permit = world.call();
            world.settle(permit, asked);
        }
        assert!(world.retry_at() >= seconds_of(least), "{:?}", world.retry_at());
        assert_eq!(world.retry_at() > seconds_of(10), honored);
    }
}

#[test]
fn a_trial_that_is_turned_away_puts_the_next_one_off() {
    let mut world = World::failed(only_the_rule);
    world.advance(20);
    let trial = world.trial();
    world.settle(trial, Outcome::Declined { retry_after: Some(seconds_of(60)) });
    assert_eq!(world.retry_at(), seconds_of(60));
    assert_eq!(world.state(), StateName::Open);
}

#[test]
fn no_trial_is_put_off_for_longer_than_the_longest_wait() {
    let mut world = World::failed(only_the_rule);
    world.advance(20);
    let trial = world.trial();
    world.settle(trial, Outcome::Declined { retry_after: Some(seconds_of(9_000)) });
    assert_eq!(world.retry_at(), seconds_of(300));
}

#[test]
fn a_health_check_that_fails_puts_trials_off_and_one_that_passes_has_one_made() {
    let mut world = World::failed(|policy| {
        only_the_rule(policy);
        policy.health_check = Some(health_check());
        policy.open.wait = Duration::ZERO;
    });
    assert_eq!(world.check_fails(), None);
    assert_eq!(world.retry_at(), seconds_of(300));
    world.advance(5);
    world.is_diverted(DivertReason::Adaptive);
    assert_eq!(world.check_passes(), None);
    assert_eq!(world.state(), StateName::Open);
    let _trial = world.trial();
}

#[test]
fn an_operator_who_closes_it_has_the_outage_forgotten_and_keeps_what_is_normal() {
    let mut world = World::failed(only_the_rule);
    let base = |world: &World| {
        let report = world.breaker().adaptive_report(&world.policy, world.now.monotonic);
        report.expect("a rule").at_most
    };
    let known = base(&world);
    assert!(world.command(Command::Close).is_some());
    assert_eq!((world.state(), base(&world)), (StateName::Closed, known));
    assert_eq!(world.calls(100, 0).diverted, 0);
    assert!(world.command(Command::Reset).is_some());
    assert!(base(&world) > known, "nothing is known");
}

#[test]
fn another_configuration_keeps_what_was_learned_and_the_outage() {
    let mut world = World::failed(only_the_rule);
    let before = world.breaker();
    let adaptive = world.policy.trip.adaptive.as_mut().expect("the rule");
    adaptive.tolerate = Percentage::from_thousandths(10_000);
    world.sync(0);
    assert_eq!(world.breaker(), before);
}

#[test]
fn a_breaker_whose_rule_was_taken_out_of_the_configuration_returns_by_a_trial() {
    let mut world = World::failed(only_the_rule);
    world.policy.trip =
        TripPolicy { consecutive_failures: Some(count(3)), ..TripPolicy::default() };
    world.advance(30);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
    only_the_rule(&mut world.policy);
    assert_eq!(world.calls(100, 0).diverted, 0);
}

#[test]
fn for_metrics_only_the_rule_decides_and_every_call_passes() {
    let mut world = World::failed(only_the_rule);
    world.policy.mode = Mode::MetricsOnly;
    let admission = world.ask();
    assert!(matches!(admission, Admission::Shadowed(DivertReason::Adaptive, _)), "{admission:?}");
}

#[test]
fn only_a_breaker_with_the_rule_has_it_in_its_record() {
    let mut world = World::new(|_| {});
    world.fail();
    assert_eq!((world.record().len(), world.record()[0]), (RECORD_LEN, 2));
    only_the_rule(&mut world.policy);
    world.fail();
    assert_eq!((world.record().len(), world.record()[0]), (LONGEST_RECORD, 3));
    let mut plain = world.record();
    plain.truncate(RECORD_LEN);
    plain[0] = 2;
    let without = Breaker::decode(&plain).expect("the version before");
    assert_eq!((&*without.encode(), without.state()), (&*plain, StateName::Closed));
}

#[test]
fn good_calls_may_be_kept_while_nothing_is_wrong_and_for_a_tenth_of_a_second_while_a_share_is_diverted()
 {
    let impact = |world: &World, permit: Permit, tally: &Tally, ended: Ended| {
        let call = permit.end(ended);
        world.breaker().impact(&world.policy, &call, tally, || world.now.monotonic)
    };
    let well = Ended::from(Outcome::Success);
    let mut world = World::new(only_the_rule);
    world.calls(3_000, 0);
    let permit = world.call();
    assert_eq!(impact(&world, permit, &Tally::default(), well), Impact::TallyOnly);

    let mut world = World::failing(only_the_rule, 30);
    world.random = 0;
    let mut tally = world.breaker().next_tally(&Tally::default());
    world.fail();
    let permit = world.call();
    assert_eq!(impact(&world, permit, &tally, well), Impact::Write, "a failure is forgotten by it");
    world.succeed();
    tally = world.breaker().next_tally(&tally);
    let usual = world.breaker().usual(&world.policy);
    for (after, expected) in [(0, Impact::TallyOnly), (99, Impact::TallyOnly), (1, Impact::Write)] {
        world.advance_by(after * MS);
        let permit = world.call();
        tally.add(&permit, Duration::ZERO, usual, world.now.monotonic);
        assert_eq!(impact(&world, permit, &tally, well), expected, "{after}");
    }
}

#[test]
fn a_call_that_is_slow_by_what_was_learned_is_told_at_once() {
    let mut world = World::new(|policy| {
        only_the_rule(policy);
        policy.trip.adaptive.as_mut().expect("it").latency_floor = Some(100 * MS);
    });
    world.sync(0);
    let ended = |took| Ended { took, ..Outcome::Success.into() };
    for number in 0..2_100 {
        world.advance_by(10 * MS);
        let (permit, tally) = (world.call(), Tally::default());
        let call = permit.end(ended(20 * MS));
        let impact = world.breaker().impact(&world.policy, &call, &tally, || world.now.monotonic);
        let expected = if number < 2_000 { Impact::Write } else { Impact::TallyOnly };
        assert_eq!(impact, expected, "{number}: latency is found call by call");
        world.settle_again(&call);
    }
    let call = world.call().end(ended(500 * MS));
    let impact =
        world.breaker().impact(&world.policy, &call, &Tally::default(), || world.now.monotonic);
    assert_eq!(impact, Impact::Write);
}

/// Two workers, whose good calls come by their tallies.
#[test]
fn good_calls_of_other_workers_let_the_traffic_come_back() {
    let mut world = World::failing(only_the_rule, 30);
    world.random = 0;
    world.succeed();
    let mut tallies = [(); 2].map(|()| world.breaker().next_tally(&Tally::default()));
    let mut ended = 0;
    while world.story() != [WITHIN, WITHIN] {
        for tally in &mut tallies {
            let usual = world.breaker().usual(&world.policy);
            for _ in 0..10 {
                world.random = 0;
                let permit = world.call();
                tally.add(&permit, Duration::ZERO, usual, world.now.monotonic);
            }
            *tally = world.merge(tally);
        }
        world.advance_by(100 * MS);
        ended += 20;
        assert!(ended < 1_000, "{:?}", world.story());
    }
    let [_, Transition { adaptive, .. }] = world.transitions[..] else { panic!() };
    assert_eq!(adaptive, Some(AdaptiveChange::Closed));
}
