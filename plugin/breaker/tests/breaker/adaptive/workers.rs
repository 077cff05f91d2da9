//! Workers that keep good calls to themselves for a while.

use std::time::Duration;

use breaker::{Adaptive, AdaptiveCall, AdaptiveTally, Overdue, Timestamp};

use super::service::{Service, policy};

const MS: Duration = Duration::from_millis(1);

fn good(took: Duration) -> AdaptiveCall {
    AdaptiveCall { failed: false, took, told: None }
}

#[test]
fn a_good_call_of_a_healthy_service_may_wait_and_any_other_may_not() {
    let mut service = Service::watched(10);
    let may_wait = |service: &Service, call| service.rule.may_wait(&service.policy, &call);
    assert_eq!(may_wait(&service, good(20 * MS)), None, "its latency is not known yet");
    service.run(600);
    assert_eq!(may_wait(&service, good(20 * MS)), Some(500 * MS));
    assert_eq!(may_wait(&service, good(200 * MS)), None, "it is slow");
    let failed = AdaptiveCall { failed: true, ..good(20 * MS) };
    assert_eq!(may_wait(&service, failed), None);
    let told = AdaptiveCall { told: Some(Overdue::Slow), ..good(20 * MS) };
    assert_eq!(may_wait(&service, told), None);
}

#[test]
fn a_good_call_waits_for_less_while_a_share_is_diverted_and_not_at_all_while_all_are() {
    let mut service = Service::new();
    service.run(600);
    service.failing = 20;
    service.run(30);
    assert_eq!(service.rule.may_wait(&service.policy, &good(20 * MS)), Some(100 * MS));
    service.failing = 100;
    service.run(60);
    assert_eq!(service.rule.may_wait(&service.policy, &good(20 * MS)), None);
}

#[test]
fn tallies_leave_the_rule_as_their_calls_would() {
    let mut each = Adaptive::new();
    let mut merged = Adaptive::new();
    let at = |number: u64| Timestamp::from_nanos(1_000_000_000 + number * 10_000_000);
    for number in 0..6_000 {
        each.settle(&policy(), &good(20 * MS), at(number));
        if number % 50 == 49 {
            let mut tally = AdaptiveTally::default();
            (0..50).for_each(|_| tally.add(merged.usual(&policy()), 20 * MS, at(number)));
            merged.merge(&policy(), &tally, at(number));
        }
    }
    let reports = [each, merged].map(|it| it.report(&policy(), at(6_000)));
    assert_eq!(reports[0], reports[1]);
}

#[test]
fn an_empty_tally_changes_nothing() {
    let mut rule = Adaptive::new();
    assert!(AdaptiveTally::default().is_empty());
    assert_eq!(rule.merge(&policy(), &AdaptiveTally::default(), Timestamp::from_nanos(1)), None);
    assert_eq!(rule, Adaptive::new());
}

#[test]
fn latency_that_workers_saw_is_followed() {
    let mut service = Service::watched(10);
    service.run(600);
    for _ in 0..400 {
        let mut tally = AdaptiveTally::default();
        (0..250)
            .for_each(|_| tally.add(service.rule.usual(&service.policy), 30 * MS, service.at()));
        service.now += Duration::from_secs(11);
        let at = service.at();
        assert_eq!(service.rule.merge(&service.policy, &tally, at), None);
    }
    let slow = service.rule.patience(&service.policy, Overdue::Slow).expect("it is known");
    assert!((55 * MS..75 * MS).contains(&slow), "{slow:?}");
}
