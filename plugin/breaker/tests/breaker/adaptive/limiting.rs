//! How much is diverted, and which calls pass.

use std::time::Duration;

use breaker::{AdaptiveAdmission, AdaptiveChange};

use super::service::Service;

/// A service that has been well for ten minutes, and fails this share from now on.
fn failing(percent: u32) -> Service {
    let mut service = Service { failing: 1, ..Service::new() };
    service.run(600);
    assert_eq!(service.changes, []);
    service.failing = percent;
    service
}

#[test]
fn a_partial_outage_diverts_one_call_for_each_bad_one_beyond_the_usual() {
    for (percent, diverted) in [(20, 18..=28), (30, 32..=45), (40, 55..=78)] {
        let mut service = failing(percent);
        let (change, after) = service.until_change();
        assert!(matches!(change, AdaptiveChange::Limited(_)));
        assert!(after < Duration::from_secs(5), "{percent} %: {after:?}");
        let share = service.run(60).share();
        assert!(diverted.contains(&share), "{percent} %: {share} %");
    }
}

#[test]
fn errors_that_stay_are_told_once_an_hour() {
    for percent in [20, 100] {
        let mut service = failing(percent);
        service.pace = 20;
        service.until_change();
        let limited = service.now;
        let mut told = Vec::new();
        while service.now < limited + Duration::from_secs(2 * 3_600 + 1_800) {
            let before = service.changes.len();
            service.call();
            let stays = |it: &AdaptiveChange| matches!(it, AdaptiveChange::Stays(_));
            if service.changes[before..].iter().any(stays) {
                told.push((service.now - limited).as_secs() / 60);
            }
        }
        assert_eq!(told, [60, 120], "{percent} %: {:?}", service.changes);
        let line = service.changes.iter().map(ToString::to_string).next_back().unwrap_or_default();
        assert!(line.ends_with("mend the service, or raise trip.adaptive.tolerate"), "{line}");
    }
}

#[test]
fn a_total_outage_diverts_all_but_trials() {
    let mut service = failing(100);
    service.until_change();
    let seen = service.run(60);
    assert_eq!(seen.passed, 0, "{seen:?}");
    assert!((20..=200).contains(&seen.tried), "{seen:?}");
}

#[test]
fn trials_become_the_more_seldom_the_longer_an_outage_lasts() {
    let mut service = failing(100);
    service.until_change();
    let trials: Vec<_> = (0..4).map(|_| service.run(300).tried).collect();
    assert!(trials.is_sorted_by(|earlier, later| earlier > later), "{trials:?}");
}

#[test]
fn no_gap_between_trials_is_longer_than_the_policy_allows() {
    let mut service = failing(100);
    service.policy.max_gap = Duration::from_millis(500);
    service.run(600);
    let seen = service.run(60);
    assert!(seen.tried >= 119, "{seen:?}");
}

#[test]
fn a_trial_is_one_call() {
    let mut service = failing(100);
    service.run(60);
    let trial = loop {
        let (at, policy) = (service.at(), service.policy);
        if service.rule.admit(&policy, at, u32::MAX) == AdaptiveAdmission::Tries {
            break at;
        }
        service.now += Duration::from_millis(10);
    };
    let again = service.rule.admit(&service.policy, trial, u32::MAX);
    assert_eq!(again, AdaptiveAdmission::Diverted);
}

#[test]
fn what_got_worse_is_asked_as_often_as_a_new_outage() {
    let mut service = failing(20);
    service.run(1_200);
    service.failing = 100;
    service.run(10);
    let seen = service.run(10);
    assert!(seen.tried >= 5 && seen.share() > 90, "{seen:?}");
}

#[test]
fn where_it_is_all_or_nothing_a_partial_outage_diverts_all_but_trials() {
    let mut service = failing(40);
    service.policy.shed = false;
    service.until_change();
    let (at, policy) = (service.at(), service.policy);
    assert_eq!(service.rule.report(&policy, at).diverts, 100_000);
    assert_eq!(service.run(5).passed, 0);
}
