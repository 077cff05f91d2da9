//! The invariants bite: what a store or a record must not do is found.

use world::{Defect, Rules, Setup, simulate};

use crate::MODULE;

/// Within so many requests.
const REQUESTS: u64 = 100_000;

#[test]
fn every_defect_is_found() {
    for defect in Defect::ALL {
        // That of a health check's lease shows only where there are health checks.
        let rules = Rules::samples()[if defect == Defect::EndlessLease { 3 } else { 1 }];
        let setup =
            Setup { seed: 5, rules, requests: REQUESTS, defect: Some(defect), ..Setup::default() };
        match simulate(&MODULE, setup) {
            Ok(report) => panic!("{defect:?} was not found: {report}"),
            Err(found) => {
                println!("{defect:?}: after {} requests: {}", found.requests, found.problem);
                assert!(found.requests <= REQUESTS);
                assert!(found.to_string().contains("seed: 5"), "no seed to replay: {found}");
            }
        }
    }
}

#[test]
fn a_violation_replays() {
    let defect = Some(Defect::ForgottenWrite);
    let setup = Setup { seed: 3, requests: REQUESTS, defect, ..Setup::default() };
    let first = simulate(&MODULE, setup).unwrap_err();
    let second = simulate(&MODULE, setup).unwrap_err();
    assert_eq!(first, second);
}
