//! How the traffic comes back.

use std::time::Duration;

use breaker::{AdaptiveAdmission, AdaptiveCall, AdaptiveChange};

use super::service::Service;

/// A service that was down for so long, and is well again.
fn well_after(seconds: u32) -> Service {
    let mut service = Service::new();
    service.run(600);
    service.failing = 100;
    service.run(seconds);
    assert_eq!(service.trips(), 1);
    service.failing = 0;
    service
}

#[test]
fn evidence_that_it_is_well_brings_the_traffic_back() {
    let mut service = well_after(60);
    let (change, after) = service.until_change();
    assert_eq!(change, AdaptiveChange::Returning);
    assert!(after < Duration::from_secs(3), "{after:?}");
    let (change, after) = service.until_change();
    assert_eq!(change, AdaptiveChange::Closed);
    assert!(after < Duration::from_secs(1), "{after:?}");
    assert_eq!(service.run(60).diverted, 0);
}

#[test]
fn one_good_trial_proves_nothing() {
    let mut service = well_after(60);
    while service.call() == AdaptiveAdmission::Diverted {}
    service.failing = 100;
    let seen = service.run(60);
    assert_eq!(seen.passed, 0, "{seen:?}");
}

#[test]
fn what_was_down_for_long_comes_back_more_slowly() {
    let returns_in = |seconds| {
        let mut service = well_after(seconds);
        assert_eq!(service.until_change().0, AdaptiveChange::Returning);
        let (change, after) = service.until_change();
        assert_eq!(change, AdaptiveChange::Closed);
        after
    };
    assert!(returns_in(10) * 2 < returns_in(600));
}

#[test]
fn a_relapse_takes_less_evidence() {
    let mut service = well_after(60);
    service.until_change();
    service.until_change();
    let watched = service.rule.report(&service.policy, service.at()).bar;
    service.run(70);
    let usual = service.rule.report(&service.policy, service.at()).bar;
    assert!(watched < usual * 2 / 3, "{watched} {usual}");
}

#[test]
fn a_service_that_broke_under_its_load_is_given_less_of_it_next_time() {
    let mut service = Service { pace: 500, ..Service::new() };
    service.run(60);
    service.failing = 100;
    service.run(60);
    for _ in 0..4 {
        service.failing = 0;
        while service.until_change().0 != AdaptiveChange::Closed {}
        service.failing = 100;
        while service.until_change().0 == AdaptiveChange::Closed {}
    }
    service.failing = 0;
    while service.until_change().0 != AdaptiveChange::Returning {}
    let share = service.run(1).share();
    assert!((5..70).contains(&share), "{share} % diverted in the first second");
}

#[test]
fn a_call_of_an_earlier_period_moves_nothing_back() {
    let mut service = well_after(60);
    let before = service.rule.clone();
    let call = AdaptiveCall { failed: true, took: Duration::from_secs(1), told: None };
    service.rule.settle_late(&call, service.at());
    assert_eq!(service.rule, before);
}
