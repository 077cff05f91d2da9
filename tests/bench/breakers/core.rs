//! What a decision takes in a process: this breaker's, through what the workers of a proxy share,
//! and those of other crates, by policy, for a call that succeeds, one that is turned away, and
//! ones that fail now and then.
//!
//! All of them read the clock where they need the time. Each breaker is shared by all threads; what
//! a thread has for itself is its handle.

#[path = "core/ours.rs"]
mod ours;
#[path = "core/peers.rs"]
mod peers;
#[path = "core/threads.rs"]
mod threads;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

use crate::threads::measured;

/// Failures in a row that open, and the share of failures that does.
pub(crate) const FAILURES: u32 = 3;
pub(crate) const PERCENT: u32 = 90;
/// How many calls are looked at, and the calls of which time. (One that keeps a record of each call
/// would fill the memory with a longer time.)
pub(crate) const CALLS: usize = 100;
pub(crate) const TIME: Duration = Duration::from_secs(1);
/// How long an open breaker stays so.
pub(crate) const WAIT: Duration = Duration::from_secs(3600);

/// What opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// [`FAILURES`] in a row.
    Consecutive,
    /// [`PERCENT`] of the last [`CALLS`].
    Calls,
    /// The same of those of the last [`TIME`].
    Time,
}

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    Good,
    Diverted,
    Failing,
}

/// A breaker that all threads share.
pub(crate) trait Shared: Sync {
    /// What one thread has of it: makes a call that ends well or not. `false`: it was not made.
    fn handle(&self) -> Box<dyn FnMut(bool) -> bool + '_>;
}

/// A breaker, if it has the policy.
type Make = fn(Policy) -> Option<Box<dyn Shared>>;

const BREAKERS: [(&str, Make); 6] = [
    ("ours", ours::make),
    ("failsafe", peers::failsafe),
    ("recloser", peers::recloser),
    ("tower-resilience-circuitbreaker", peers::tower_resilience),
    ("reliakit-circuit, with a lock and a clock", peers::reliakit_shared),
    ("reliakit-circuit alone: one thread, and no time passes", peers::reliakit_alone),
];

fn core(criterion: &mut Criterion) {
    for (policy, policy_name) in
        [(Policy::Consecutive, "consecutive"), (Policy::Calls, "calls"), (Policy::Time, "time")]
    {
        for (path, path_name) in
            [(Path::Good, "good"), (Path::Diverted, "diverted"), (Path::Failing, "failing")]
        {
            for threads in [1, 4] {
                let mut group =
                    criterion.benchmark_group(format!("{policy_name} {path_name} {threads}"));
                for (name, make) in BREAKERS {
                    let Some(breaker) = make(policy) else { continue };
                    // It has no lock.
                    if threads > 1 && name.contains("alone") {
                        continue;
                    }
                    prepare(path, &*breaker);
                    group.bench_function(name, |bench| {
                        bench.iter_custom(|calls| {
                            measured(threads, calls, &*breaker, |call| {
                                // Every second one fails, which is too few to open.
                                let ends_well = path != Path::Failing || call % 2 == 0;
                                (ends_well, path != Path::Diverted)
                            })
                        });
                    });
                }
            }
        }
    }
}

/// Opens it, where that is what is measured.
fn prepare(path: Path, breaker: &dyn Shared) {
    if path == Path::Diverted {
        let mut call = breaker.handle();
        let opened = (0..10 * CALLS).any(|_| !call(false));
        assert!(opened, "it does not open");
    }
}

criterion_group!(benches, core);
criterion_main!(benches);
