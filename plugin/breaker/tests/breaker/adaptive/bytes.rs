//! What it knows, as bytes.

use std::time::Duration;

use breaker::{
    ADAPTIVE_LEN, Adaptive, AdaptiveCall, AdaptiveTally, DecodeError, Overdue, Timestamp,
};
use proptest::prelude::*;

use super::service::{Service, policy};

fn decode(bytes: &[u8]) -> Result<Adaptive, DecodeError> {
    Adaptive::decode(bytes)
}

#[test]
fn what_was_learned_is_read_as_it_was_written() {
    let mut service = Service { failing: 2, ..Service::watched(10) };
    for (failing, takes) in [(2, 20), (30, 20), (100, 20), (0, 20), (1, 500), (0, 20)] {
        service.failing = failing;
        service.takes = Duration::from_millis(takes);
        for _ in 0..3_000 {
            service.call();
            assert_eq!(decode(&service.rule.encode()).as_ref(), Ok(&service.rule));
        }
    }
    assert!(service.trips() >= 2, "{:?}", service.changes);
}

#[test]
fn a_rule_that_has_seen_nothing_is_mostly_zeros() {
    let bytes = Adaptive::new().encode();
    assert_eq!(bytes.len(), ADAPTIVE_LEN);
    let set: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    assert_eq!(set.len(), 4, "a rate, a call, a ramp's need and its ceiling: {set:?}");
}

#[test]
fn bytes_of_another_length_or_with_impossible_values_are_refused() {
    let bytes = Adaptive::new().encode();
    let short = DecodeError::Length { found: ADAPTIVE_LEN - 1, expected: ADAPTIVE_LEN };
    assert_eq!(decode(&bytes[1..]), Err(short));
    for at in [0, 1] {
        let mut bytes = bytes;
        bytes[at] = 0xFF;
        assert_eq!(decode(&bytes), Err(DecodeError::Value { field: "adaptive" }));
    }
}

/// Something that a worker can do.
#[derive(Clone, Debug)]
enum Step {
    Admit(u32),
    Settle { failed: bool, took: u64, told: u8 },
    Late { failed: bool, took: u64 },
    Overdue(bool),
    Merge(u32),
    Wait(u64),
    Back(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let took = || prop_oneof![0..100_000_000_u64, any::<u64>()];
    prop_oneof![
        any::<u32>().prop_map(Step::Admit),
        (any::<bool>(), took(), 0..3_u8).prop_map(|(failed, took, told)| Step::Settle {
            failed,
            took,
            told
        }),
        (any::<bool>(), took()).prop_map(|(failed, took)| Step::Late { failed, took }),
        any::<bool>().prop_map(Step::Overdue),
        (0..1_000_u32).prop_map(Step::Merge),
        (0..10_000_000_000_u64).prop_map(Step::Wait),
        any::<u64>().prop_map(Step::Back),
    ]
}

fn play(mut rule: Adaptive, steps: Vec<Step>, floor: Option<u64>, shed: bool) -> Adaptive {
    let floor = floor.map(Duration::from_nanos);
    let policy = breaker::AdaptivePolicy { latency_floor: floor, shed, ..policy() };
    let mut now = 1_000_000_000_u64;
    for step in steps {
        let at = Timestamp::from_nanos(now);
        let call = |failed, took, told| AdaptiveCall {
            failed,
            took: Duration::from_nanos(took),
            told: [None, Some(Overdue::Slow), Some(Overdue::Hung)][usize::from(told)],
        };
        match step {
            Step::Admit(random) => _ = rule.admit(&policy, at, random),
            Step::Settle { failed, took, told } => {
                rule.settle(&policy, &call(failed, took, told), at);
            }
            Step::Late { failed, took } => rule.settle_late(&call(failed, took, 0), at),
            Step::Overdue(hung) => {
                let it_is = if hung { Overdue::Hung } else { Overdue::Slow };
                rule.overdue(&policy, it_is, at);
            }
            Step::Merge(calls) => {
                let mut tally = AdaptiveTally::default();
                (0..calls).for_each(|took| {
                    tally.add(rule.usual(&policy), Duration::from_micros(took.into()), at)
                });
                rule.merge(&policy, &tally, at);
            }
            Step::Wait(time) => now = now.saturating_add(time),
            Step::Back(time) => now = time,
        }
        _ = rule.report(&policy, at).to_string();
        _ = rule.patience(&policy, Overdue::Hung);
    }
    rule
}

proptest! {
    #[test]
    fn whatever_happens_it_is_read_as_it_was_written(
        steps in prop::collection::vec(step(), 0..200),
        floor in prop::option::of(any::<u64>()),
        shed in any::<bool>(),
    ) {
        let rule = play(Adaptive::new(), steps, floor, shed);
        prop_assert_eq!(decode(&rule.encode()), Ok(rule));
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(any::<u8>(), ADAPTIVE_LEN),
        phase in 0..3_u8,
        flags in 0..4_u8,
        steps in prop::collection::vec(step(), 0..50),
        floor in prop::option::of(any::<u64>()),
        shed in any::<bool>(),
    ) {
        let mut bytes = bytes;
        bytes[0] = phase;
        bytes[1] = flags;
        if let Ok(rule) = decode(&bytes) {
            play(rule, steps, floor, shed);
        }
    }
}
