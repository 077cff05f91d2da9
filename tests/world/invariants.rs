//! The invariants hold, whatever the schedule.

use std::sync::Mutex;
use std::time::Instant;

use world::{Rules, Setup, simulate};

use crate::MODULE;

/// Requests in all. The number, the rate and the time are printed.
const REQUESTS: u64 = 1_000_000;
/// Worlds at once: each is one worker at a time, and so one core.
const AT_ONCE: usize = 2;

#[test]
#[ignore = "make test-deep: a million requests"]
fn the_invariants_hold_whatever_the_schedule() {
    let policies = Rules::samples();
    let each = REQUESTS.div_ceil(policies.len() as u64);
    let setups = (1..).zip(policies);
    let setups: Vec<Setup> = setups
        .map(|(seed, rules)| Setup { seed, rules, requests: each, ..Setup::default() })
        .collect();
    let (begun, left, done) = (Instant::now(), Mutex::new(setups), Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        for _ in 0..AT_ONCE {
            threads.spawn(|| {
                while let Some(setup) = { left.lock().unwrap().pop() } {
                    let outcome = simulate(&MODULE, setup);
                    done.lock().unwrap().push((setup.seed, outcome));
                }
            });
        }
    });
    let mut requests = 0;
    for (seed, outcome) in done.into_inner().unwrap() {
        let report = outcome.unwrap_or_else(|violation| panic!("{violation}"));
        println!("seed {seed}  {report}");
        assert!(report.transitions > 100, "nothing happened: {report}");
        requests += report.requests;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{requests} requests in {seconds:.1} s, {:.0} a second", requests as f64 / seconds);
    assert!(requests >= REQUESTS);
}

#[test]
fn the_adaptive_rule_counts_each_call_once_and_tries_a_service_when_it_is_time() {
    let rules = Rules::samples().into_iter().find(|rules| rules.adaptive).unwrap();
    let setup = Setup { seed: 5, rules, requests: 12_000, ..Setup::default() };
    let report = simulate(&MODULE, setup).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.transitions > 10 && report.trials > 10, "nothing happened: {report}");
}
