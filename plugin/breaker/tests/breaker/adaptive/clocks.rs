//! A clock that is set back, and times that make no sense.

use std::time::Duration;

use super::service::Service;

/// A service that is down, and whose clock is set back by a day.
fn set_back() -> Service {
    let mut service = Service { now: Duration::from_secs(90_000), ..Service::watched(10) };
    service.run(600);
    service.failing = 100;
    service.run(60);
    service.now = Duration::from_secs(3_600);
    service
}

#[test]
fn trials_go_on_when_the_clock_was_set_back() {
    let mut service = set_back();
    let seen = service.run(60);
    assert!(seen.tried >= 5, "{seen:?}");
}

#[test]
fn a_service_returns_when_the_clock_was_set_back() {
    let mut service = set_back();
    service.failing = 0;
    service.run(60);
    assert_eq!(service.run(60).diverted, 0);
}

#[test]
fn an_outage_is_seen_when_the_clock_was_set_back() {
    let mut service = Service { now: Duration::from_secs(90_000), ..Service::watched(10) };
    service.run(600);
    service.now = Duration::from_secs(3_600);
    service.run(60);
    assert_eq!(service.changes, []);
    service.failing = 100;
    let (_, after) = service.until_change();
    assert!(after < Duration::from_secs(1), "{after:?}");
}
