//! Calls that are overdue while they are under way.

use std::time::Duration;

use breaker::{AdaptiveAdmission, AdaptiveChange, Overdue};

use super::service::Service;

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(15);

/// A service whose latency is known, and which has been well for ten minutes.
fn known() -> Service {
    let mut service = Service::watched(10);
    service.run(600);
    assert_eq!(service.changes, []);
    service
}

/// Tells of calls that are this, until the rule does something.
fn until_change(service: &mut Service, it_is: Overdue) -> u32 {
    let before = service.changes.len();
    for number in 1..100 {
        service.now += 10 * MS;
        service.overdue(it_is);
        if service.changes.len() > before {
            return number;
        }
    }
    panic!("nothing happens")
}

#[test]
fn calls_that_hang_trip_before_any_of_them_ends() {
    let mut service = known();
    let calls = until_change(&mut service, Overdue::Hung);
    assert!(calls < 12, "{calls}");
    assert!(matches!(service.changes[..], [AdaptiveChange::Limited(it)] if !it.by_latency));
    assert_eq!(service.rule.report(&service.policy, service.at()).diverts, 100_000);
}

#[test]
fn calls_that_are_only_slow_by_now_divert_half() {
    let mut service = known();
    until_change(&mut service, Overdue::Slow);
    assert!(matches!(service.changes[..], [AdaptiveChange::Limited(it)] if it.by_latency));
    assert_eq!(service.rule.report(&service.policy, service.at()).diverts, 50_000);
}

#[test]
fn a_call_that_was_told_of_is_not_counted_again_when_it_ends() {
    let mut service = known();
    service.overdue(Overdue::Slow);
    let told = service.rule.report(&service.policy, service.at());
    assert!(told.by_latency && told.evidence > 0, "{told}");
    service.end(false, 200 * MS, Some(Overdue::Slow));
    let ended = service.rule.report(&service.policy, service.at());
    assert_eq!((ended.evidence, ended.calls), (told.evidence, told.calls));
    service.overdue(Overdue::Hung);
    let told = service.rule.report(&service.policy, service.at());
    service.end(true, LONG, Some(Overdue::Hung));
    let ended = service.rule.report(&service.policy, service.at());
    assert_eq!(ended, told);
}

#[test]
fn a_hung_call_that_ends_well_takes_back_that_it_failed() {
    let mut service = known();
    service.overdue(Overdue::Hung);
    let hung = service.rule.report(&service.policy, service.at());
    assert!(!hung.by_latency && hung.evidence > 0, "{hung}");
    service.end(false, 400 * MS, Some(Overdue::Hung));
    let ended = service.rule.report(&service.policy, service.at());
    assert_eq!(ended.evidence, 0, "{ended}");
}

#[test]
fn while_limited_a_call_hangs_later_if_those_that_end_well_take_longer() {
    let mut service = known();
    let before = service.rule.patience(&service.policy, Overdue::Hung).expect("it is known");
    service.takes = 300 * MS;
    service.run(60);
    assert_eq!(service.trips(), 1);
    let limited = service.rule.patience(&service.policy, Overdue::Hung).expect("it is known");
    assert!(limited > 550 * MS && limited > before * 2, "{limited:?} after {before:?}");
}

/// A service that became ten times as slow: its calls hang by what was normal, and end well.
#[test]
fn a_service_whose_hung_calls_end_well_is_slow_and_not_failed() {
    let mut service = known();
    until_change(&mut service, Overdue::Hung);
    assert_eq!(service.rule.report(&service.policy, service.at()).diverts, 100_000);
    for _ in 0..6_000 {
        service.now += 10 * MS;
        let (at, random) = (service.at(), service.random());
        if service.rule.admit(&service.policy, at, random) != AdaptiveAdmission::Diverted {
            service.overdue(Overdue::Hung);
            service.end(false, 200 * MS, Some(Overdue::Hung));
        }
    }
    let report = service.rule.report(&service.policy, service.at());
    assert!(report.by_latency && report.diverts <= 50_000, "{report}");
}
