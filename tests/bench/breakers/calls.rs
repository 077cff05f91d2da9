//! What the breaker itself costs a call: nanoseconds, beside the microseconds of a proxy's filter.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;

use breaker::{
    Admission, Breaker, HalfOpenPolicy, Impact, Mode, Now, OpenPolicy, Outcome, Policy, Rate,
    Settled, Tally, Timestamp, TripPolicy, UnixTime,
};
use criterion::{Criterion, criterion_group, criterion_main};

const MINUTE: Duration = Duration::from_secs(60);

fn policy() -> Policy {
    Policy {
        mode: Mode::Enabled,
        trip: TripPolicy { consecutive_failures: NonZeroU32::new(3), ..TripPolicy::default() },
        open: OpenPolicy {
            wait: MINUTE,
            backoff_rate: Rate::from_thousandths(2_000),
            max_wait: MINUTE,
            jitter_percent: 20,
            honor_retry_after: true,
            on_retry_after: false,
        },
        half_open: HalfOpenPolicy {
            permitted_calls: NonZeroU32::MIN,
            success_threshold: NonZeroU32::MIN,
            failure_threshold: NonZeroU32::MIN,
            max_wait: MINUTE,
            ramp: Duration::ZERO,
        },
        health_check: None,
    }
}

fn now() -> Now {
    let nanos = 1_700_000_000_000_000_000;
    Now { monotonic: Timestamp::from_nanos(nanos), wall: UnixTime::from_nanos(nanos) }
}

/// One call, from admission to its outcome. `None`: it was diverted.
fn call(breaker: &mut Breaker, policy: &Policy, outcome: Outcome) -> Option<Settled> {
    let now = black_box(now());
    match breaker.admit(policy, true, now.monotonic, 0).0 {
        Admission::Admitted(permit) => Some(breaker.settle(policy, &permit.end(outcome), now, 1)),
        _ => None,
    }
}

/// The same where a success changes nothing, which needs no clock and no writing.
fn clean_call(breaker: &Breaker, policy: &Policy, tally: &Tally) -> Option<Impact> {
    let Admission::Admitted(permit) = breaker.admit_closed(policy)? else {
        return None;
    };
    Some(breaker.impact(
        policy,
        &permit.end(black_box(Outcome::Success)),
        tally,
        Timestamp::default,
    ))
}

fn open_breaker(policy: &Policy) -> Breaker {
    let mut breaker = Breaker::new();
    while call(&mut breaker, policy, Outcome::FAILURE).is_some() {}
    breaker
}

fn calls(criterion: &mut Criterion) {
    let policy = black_box(policy());

    let breaker = black_box(Breaker::new());
    let tally = Tally::new(&policy);
    assert_eq!(clean_call(&breaker, &policy, &tally), Some(Impact::None));
    criterion.bench_function("closed, without a failure", |bench| {
        bench.iter(|| clean_call(black_box(&breaker), &policy, &tally));
    });

    let mut breaker = Breaker::new();
    criterion.bench_function("closed, success", |bench| {
        bench.iter(|| call(black_box(&mut breaker), &policy, black_box(Outcome::Success)));
    });
    criterion.bench_function("closed, failure and success", |bench| {
        bench.iter(|| {
            let failure = call(black_box(&mut breaker), &policy, black_box(Outcome::FAILURE));
            (failure, call(&mut breaker, &policy, black_box(Outcome::Success)))
        });
    });

    let mut breaker = open_breaker(&policy);
    criterion.bench_function("open, diverted", |bench| {
        bench.iter(|| call(black_box(&mut breaker), &policy, Outcome::Success));
    });
}

fn record(criterion: &mut Criterion) {
    for (state, breaker) in [("closed", Breaker::new()), ("open", open_breaker(&policy()))] {
        let bytes = breaker.encode();
        assert_eq!(Breaker::decode(&bytes).as_ref(), Ok(&breaker));
        criterion.bench_function(&format!("record, {state}: read"), |bench| {
            bench.iter(|| Breaker::decode(black_box(&bytes)));
        });
        criterion.bench_function(&format!("record, {state}: write"), |bench| {
            bench.iter(|| black_box(&breaker).encode());
        });
    }
}

criterion_group!(benches, calls, record);
criterion_main!(benches);
