//! The invariants hold, whatever the schedule.

use std::time::Instant;

use simulated_world::{Rules, Setup, simulate};

use crate::MODULE;

/// Requests for each policy. The number and the rate are printed.
const REQUESTS: u64 = 40_000;

#[test]
fn the_invariants_hold_whatever_the_schedule() {
    let (begun, mut requests) = (Instant::now(), 0);
    for (seed, rules) in (1..).zip(Rules::samples()) {
        let setup = Setup { seed, rules, requests: REQUESTS, ..Setup::default() };
        match simulate(&MODULE, setup) {
            Ok(report) => {
                println!("seed {seed}  {report}");
                assert!(report.generation > 20, "nothing happened: {report}");
                requests += report.requests;
            }
            Err(violation) => panic!("{violation}"),
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{requests} requests in {seconds:.1} s");
}
