//! `make soak`, for as short as it can be.

use std::process::Command;

#[test]
#[ignore = "make test-deep: builds the engine once more"]
fn the_soak_simulates_as_many_requests_as_asked_for() {
    let soak = |limit: &str| {
        let mut make = Command::new("make");
        make.args(["--no-print-directory", "soak", limit])
            .current_dir(artifacts::root())
            .output()
            .expect("make")
    };
    let soaked = soak("SOAK=1");
    let said = String::from_utf8_lossy(&soaked.stdout).into_owned();
    assert!(soaked.status.success(), "{soaked:?}");
    let last = said.lines().last().unwrap_or_default();
    let (requests, _) = last.split_once(" requests in ").unwrap_or_else(|| panic!("{said}"));
    assert!(requests.parse::<u64>().is_ok_and(|requests| requests > 0), "{said}");

    let refused = soak("SOAK=5min");
    assert!(!refused.status.success(), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("a duration such as 30s, 10m, 2h"), "{said}");
}
