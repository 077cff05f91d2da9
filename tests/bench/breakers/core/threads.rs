//! Calls on several threads.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::Shared;

/// How long so many calls take, all threads together. `call` says of each how it ends, and whether it
/// has to be made.
pub(crate) fn measured(
    threads: u64,
    calls: u64,
    breaker: &dyn Shared,
    call: impl Fn(u64) -> (bool, bool) + Sync,
) -> Duration {
    let run = |calls: u64| {
        let mut make = breaker.handle();
        let begun = Instant::now();
        let mut right = true;
        for number in 0..calls {
            let (ends_well, is_made) = call(number);
            right &= make(black_box(ends_well)) == is_made;
        }
        let took = begun.elapsed();
        assert!(right, "a call was turned away, or was not");
        took
    };
    if threads == 1 {
        return run(calls);
    }
    let each = calls.div_ceil(threads);
    let (together, run) = (Barrier::new(threads as usize), &run);
    let took = thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    together.wait();
                    run(each)
                })
            })
            .collect();
        all.into_iter().filter_map(|one| one.join().ok()).max()
    });
    // As many calls as were asked for, in the share of the time that they took.
    took.expect("a thread has panicked").mul_f64(calls as f64 / (each * threads) as f64)
}
