//! What it takes for slow, and what it does about that.

use std::time::Duration;

use breaker::{AdaptiveChange, Overdue};

use super::service::Service;

const MS: Duration = Duration::from_millis(1);

/// A service that has answered in 20 ms for ten minutes.
fn known(floor: u64) -> Service {
    let mut service = Service::watched(floor);
    service.run(600);
    assert_eq!(service.changes, []);
    service
}

#[test]
fn twice_the_latency_that_was_learned_is_slow() {
    let service = known(1);
    let slow = service.rule.patience(&service.policy, Overdue::Slow).expect("it is known");
    assert!((35 * MS..50 * MS).contains(&slow), "{slow:?}");
    let hung = service.rule.patience(&service.policy, Overdue::Hung).expect("it is known");
    assert_eq!(hung, slow * 4);
}

#[test]
fn nothing_below_the_floor_is_slow() {
    let mut service = known(1_000);
    let slow = service.rule.patience(&service.policy, Overdue::Slow);
    assert_eq!(slow, Some(Duration::from_secs(1)));
    service.takes = 900 * MS;
    service.run(600);
    assert_eq!(service.changes, []);
}

#[test]
fn no_call_is_slow_before_latency_is_known_or_where_it_is_not_watched() {
    let mut service = Service::watched(1);
    service.run(10);
    assert_eq!(service.rule.patience(&service.policy, Overdue::Slow), None);
    let mut service = Service::new();
    service.run(600);
    assert_eq!(service.rule.patience(&service.policy, Overdue::Slow), None);
    service.takes = 9_000 * MS;
    service.run(600);
    assert_eq!(service.changes, []);
}

#[test]
fn latency_that_grows_slowly_is_followed() {
    let mut service = known(1);
    for step in 0..50 {
        service.takes = 20 * MS + step * MS;
        service.run(60);
    }
    assert_eq!(service.changes, []);
    let slow = service.rule.patience(&service.policy, Overdue::Slow).expect("it is known");
    assert!(slow > 100 * MS, "{slow:?}");
}

#[test]
fn latency_alone_never_diverts_more_than_half() {
    let mut service = known(10);
    service.takes = 500 * MS;
    let (change, after) = service.until_change();
    assert!(matches!(change, AdaptiveChange::Limited(report) if report.by_latency));
    assert!(after < Duration::from_secs(1), "{after:?}");
    for _ in 0..9 {
        let share = service.run(60).share();
        assert!((40..=53).contains(&share), "{share} %");
    }
}

#[test]
fn where_it_is_all_or_nothing_latency_alone_diverts_nothing() {
    let mut service = known(10);
    service.policy.shed = false;
    service.takes = 500 * MS;
    assert_eq!(service.run(600).diverted, 0);
}

#[test]
fn a_latency_that_stays_is_normal_after_ten_minutes() {
    let mut service = known(10);
    service.takes = 100 * MS;
    service.until_change();
    let (change, after) = service.until_change();
    assert_eq!(change, AdaptiveChange::Learned);
    assert!((600..=605).contains(&after.as_secs()), "{after:?}");
    assert_eq!(service.until_change().0, AdaptiveChange::Closed);
    let before = service.changes.len();
    assert_eq!(service.run(1_800).diverted, 0);
    assert_eq!(service.changes.len(), before);
}

#[test]
fn a_service_that_is_slow_now_and_then_is_not_taken_for_one_that_stays_so() {
    let mut service = known(10);
    for _ in 0..5 {
        service.takes = 500 * MS;
        service.run(300);
        service.takes = 20 * MS;
        service.run(300);
    }
    assert!(!service.changes.contains(&AdaptiveChange::Learned), "{:?}", service.changes);
    assert!(service.trips() >= 5);
}

#[test]
fn a_slow_service_that_begins_to_fail_is_cut_off() {
    let mut service = known(10);
    service.takes = 500 * MS;
    service.run(60);
    service.failing = 100;
    service.run(10);
    let share = service.run(10).share();
    assert!(share > 90, "{share} %");
}

#[test]
fn a_quick_answer_ends_a_limit_by_latency() {
    let mut service = known(10);
    service.takes = 500 * MS;
    service.run(60);
    service.takes = 20 * MS;
    let (change, after) = service.until_change();
    assert_eq!(change, AdaptiveChange::Returning);
    assert!(after < Duration::from_secs(2), "{after:?}");
}
