//! What it says of its decisions.

use breaker::{AdaptiveChange, AdaptiveReport};

use super::service::Service;

#[test]
fn a_decision_is_said_in_one_line() {
    let report = AdaptiveReport {
        by_latency: false,
        base: 1_900,
        at_most: 1_994,
        now: 22_727,
        calls: 66,
        recovering: false,
        evidence: 296,
        bar: 296,
        diverts: 26_849,
    };
    let line =
        "base 1.9 % (at most 2.0), now 22.7 % of 66, evidence 29.6 of 29.6 bits, diverts 27 %";
    assert_eq!(report.to_string(), line);
    let slow = AdaptiveReport { by_latency: true, recovering: true, ..report };
    let line = "slow: base 1.9 % (at most 2.0), now 22.7 % of 66, recovery 29.6 of 29.6 bits, \
                diverts 27 %";
    assert_eq!(slow.to_string(), line);
}

#[test]
fn a_trip_comes_with_what_led_to_it() {
    let mut service = Service { failing: 2, ..Service::new() };
    service.run(600);
    service.failing = 25;
    let (AdaptiveChange::Limited(report), _) = service.until_change() else {
        panic!("it is not limited");
    };
    assert!(report.evidence >= report.bar && report.bar > 250, "{report}");
    assert!((1_500..3_000).contains(&report.base), "{report}");
    assert!((10_000..60_000).contains(&report.now), "{report}");
    assert!((5_000..70_000).contains(&report.diverts) && !report.recovering, "{report}");
}

#[test]
fn a_healthy_service_has_no_evidence_against_it() {
    let mut service = Service::new();
    service.run(60);
    let report = service.rule.report(&service.policy, service.at());
    assert_eq!((report.evidence, report.now, report.diverts), (0, 0, 0), "{report}");
}
