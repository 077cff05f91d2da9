//! What it takes for normal.

use std::time::Duration;

use breaker::{AdaptiveChange, Percentage};

use super::service::Service;

#[test]
fn a_service_that_always_fails_a_little_never_trips() {
    for failing in [0, 1, 2, 5] {
        let mut service = Service { failing, ..Service::new() };
        service.run(1_200);
        assert_eq!(service.changes, [], "{failing} %");
    }
}

#[test]
fn the_share_that_was_seen_becomes_the_base() {
    let mut service = Service { failing: 2, ..Service::new() };
    service.run(600);
    let report = service.rule.report(&service.policy, service.at());
    assert!((1_700..=2_300).contains(&report.base), "{report}");
    assert!((report.base..=2_600).contains(&report.at_most), "{report}");
}

#[test]
fn no_more_than_what_is_tolerated_is_normal() {
    let mut service = Service { failing: 5, ..Service::new() };
    service.policy.tolerate = Percentage::from_thousandths(1_000);
    service.run(600);
    let report = service.rule.report(&service.policy, service.at());
    assert!(report.base > 4_000 && report.at_most <= 1_000, "{report}");
}

#[test]
fn an_outage_is_not_learned() {
    let mut service = Service::new();
    service.run(600);
    service.failing = 100;
    service.run(600);
    let report = service.rule.report(&service.policy, service.at());
    assert!(report.base < 100, "{report}");
    assert!(report.diverts == 100_000, "{report}");
}

#[test]
fn errors_that_stay_are_an_outage_for_ever() {
    let mut service = Service { failing: 1, ..Service::new() };
    service.run(600);
    service.failing = 10;
    service.run(1_800);
    let share = service.run(600).share();
    assert!((3..=12).contains(&share), "{share} % diverted");
}

#[test]
fn what_was_learned_gives_way_to_what_is_learned_later() {
    let mut service = Service { failing: 4, pace: 20, ..Service::new() };
    service.run(3_600);
    service.failing = 0;
    service.run(2 * 3_600);
    let later = service.rule.report(&service.policy, service.at()).base;
    service.run(2 * 3_600);
    let latest = service.rule.report(&service.policy, service.at()).base;
    assert!(later < 1_500 && latest < later / 4, "{later} {latest}");
}

#[test]
fn a_service_without_a_history_trips_as_well() {
    let mut service = Service { failing: 100, ..Service::new() };
    let (change, after) = service.until_change();
    assert!(matches!(change, AdaptiveChange::Limited(_)));
    assert!(after < Duration::from_millis(200), "{after:?}");
}

#[test]
fn the_rarer_false_trips_may_be_the_more_evidence_it_takes() {
    let trips_after = |false_trips: Duration| {
        let mut service = Service { failing: 1, ..Service::new() };
        service.policy.false_trips = false_trips;
        service.run(600);
        service.failing = 30;
        service.until_change().1
    };
    let (hour, year) = (Duration::from_secs(3_600), Duration::from_secs(8_760 * 3_600));
    assert!(trips_after(hour) < trips_after(year));
}

#[test]
fn failures_that_come_in_clumps_take_more_evidence() {
    let bar_after = |clump: u32| {
        let mut service = Service::new();
        let mut trips = 0;
        for number in 0..120_000 {
            // One in a hundred either way: each by itself, or six of six hundred at once.
            service.failing = if number % (100 * clump) < clump { 100 } else { 0 };
            service.call();
            if number == 60_000 {
                trips = service.trips();
            }
        }
        assert_eq!(service.trips(), trips, "they are known by now");
        service.rule.report(&service.policy, service.at()).bar
    };
    let (single, clumps) = (bar_after(1), bar_after(6));
    assert!(clumps > single * 2, "{clumps} {single}");
}
