//! Records that read as one, whoever wrote them: from another configuration, from before the clock
//! stepped back, or from nobody. Whatever they say, a service that is well gets its traffic back in the
//! time that its own policy gives.

use std::ops::Range;
use std::time::Duration;

use breaker::{
    Admission, Breaker, CheckResult, Mode, Outcome, Policy, RECORD_LEN, StateName, Timestamp,
};
use proptest::prelude::*;

use crate::operations::policy;
use crate::world::{START, World, count, health_check, retry, seconds_of};

const STATE: usize = 1;
const GENERATION: Range<usize> = 8..16;
const TRIPS: Range<usize> = 32..36;
const OPENED_AT: Range<usize> = 40..48;
const RETRY_AT: Range<usize> = 48..56;
const CHECK_DUE: Range<usize> = 56..64;
const CHECK_LEASED_UNTIL: Range<usize> = 64..72;
const CHECK_ATTEMPTS: Range<usize> = 76..80;
const CHECK_SETTINGS: Range<usize> = 84..88;
const WINDOW: Range<usize> = 88..96;
const LAST: Range<usize> = 112..RECORD_LEN;

/// The number of the policy's own check, where it has one.
const OWN: u32 = 7;

/// How often somebody calls, and each thread looks whether a check is due.
const STEP: Duration = Duration::from_millis(500);

/// The longest that a breaker may be open or half-open while every call and every check is well.
fn longest(policy: &Policy) -> Duration {
    let mut longest = policy.open.max_wait + policy.half_open.max_wait + 2 * STEP;
    if let Some(check) = &policy.health_check {
        // A lease that was lost, and, where others' settings are in force, the time until these are
        // taken for gone; then one check after the other.
        longest += check.timeout + check.interval / 2;
        longest += seconds_of(30) + check.interval;
        longest += check.interval * check.healthy_threshold.get();
        if let Some(retry) = &check.retry {
            let rate = f64::from(retry.backoff_rate.thousandths()) / 1_000.0;
            longest += retry.interval.mul_f64(rate.powi(retry.num_retries as i32));
        }
    }
    longest
}

/// Every call succeeds, and every check passes: how long it was not closed in one stretch, at most, and
/// how often it opened, over so long a time.
fn recover(world: &mut World, time: Duration) -> (Duration, usize) {
    let (mut worst, mut since) = (Duration::ZERO, None);
    let begun = world.now.monotonic;
    let mut trips = 0;
    while world.now.monotonic.since(begun) < time {
        if let Some(ticket) = world.try_check() {
            world.answer(ticket, CheckResult::Healthy);
        }
        match world.ask() {
            Admission::Admitted(permit) | Admission::Shadowed(_, permit) => {
                world.settle(permit, Outcome::Success);
            }
            Admission::Diverted(_) | Admission::Bypassed => {}
        }
        since = match (world.state(), since) {
            (StateName::Closed, _) => None,
            (_, None) => Some(world.now.monotonic),
            (_, since) => since,
        };
        worst = worst.max(since.map_or(Duration::ZERO, |at| world.now.monotonic.since(at)));
        world.advance_by(STEP);
    }
    trips += world.transitions.iter().filter(|it| it.to == StateName::Open).count();
    (worst, trips)
}

/// A time of the monotonic clock that anybody may have written.
fn time() -> impl Strategy<Value = u64> {
    let now = START.monotonic.as_nanos();
    prop_oneof![
        any::<u64>(),
        (now - 600_000_000_000)..(now + 600_000_000_000),
        now..(now + 4_000_000_000_000_000),
        prop::sample::select(vec![0, 1, now, now + 1, u64::MAX / 2, u64::MAX - 1, u64::MAX]),
    ]
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), 0..5_u32, Just(u32::MAX)]
}

/// Bytes that read as a record in a mode in which the breaker decides.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let head = (0..3_u8, 1..9_u8, prop::sample::select(vec![0_u8, 1, 4]));
    let times = prop::collection::vec(time(), 4);
    let numbers = prop::collection::vec(number(), 6);
    let settings = prop_oneof![Just(0), Just(OWN), any::<u32>()];
    let window = prop_oneof![
        3 => Just(0_u64),
        2 => 1..100_000_000_000_u64,
        1 => 1..u64::MAX >> 1,
        2 => (1..=1_024_u64).prop_map(|size| size | 1 << 63),
    ];
    let last = prop_oneof![
        prop::collection::vec(time(), 32)
            .prop_map(|times| times.iter().flat_map(|time| time.to_le_bytes()).collect()),
        prop::collection::vec(any::<u8>(), 256),
        Just(vec![0; 256]),
    ];
    (head, 1..u64::MAX >> 1, times, numbers, settings, window, last).prop_map(
        |((state, reason, mode), generation, times, numbers, settings, window, last)| {
            let mut bytes = vec![0; RECORD_LEN];
            bytes[..4].copy_from_slice(&[2, state, reason, mode]);
            let mut put = |range: Range<usize>, value: &[u8]| {
                bytes[range].copy_from_slice(value);
            };
            put(GENERATION, &generation.to_le_bytes());
            let ranges = [OPENED_AT, RETRY_AT, CHECK_DUE, CHECK_LEASED_UNTIL];
            for (range, time) in ranges.into_iter().zip(times) {
                put(range, &time.to_le_bytes());
            }
            let ranges = [4..8, TRIPS, 36..40, 72..76, CHECK_ATTEMPTS, 80..84];
            for (range, number) in ranges.into_iter().zip(numbers) {
                put(range, &number.to_le_bytes());
            }
            put(CHECK_SETTINGS, &settings.to_le_bytes());
            put(WINDOW, &window.to_le_bytes());
            put(LAST, &last);
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_record_holds_a_breaker_open_or_half_open_for_longer_than_its_policy_does(
        policy in policy(),
        bytes in record(),
    ) {
        let Ok(breaker) = Breaker::decode(&bytes) else {
            return Ok(());
        };
        let mut policy = policy;
        if let Some(check) = &mut policy.health_check {
            check.settings = OWN;
        }
        let longest = longest(&policy);
        let mut world = World::new(|default| *default = policy);
        world.put(&breaker);
        // A rate may trip once by what a window says that nobody filled.
        let (worst, trips) = recover(&mut world, 3 * longest + seconds_of(60));
        prop_assert!(worst <= longest, "{:?}, not {:?}: {:?}", worst, longest, breaker);
        prop_assert!(trips <= 1, "{} trips", trips);
        prop_assert_eq!(world.state(), StateName::Closed);
        // And all of its traffic.
        world.advance_by(world.policy.half_open.ramp);
        world.random = u32::MAX;
        prop_assert!(!matches!(world.ask(), Admission::Diverted(_)));
    }
}

/// Open by the rules of somebody else's check, or half-open, with this in that field.
fn world_with(
    settings: u32,
    adapt: impl FnOnce(&mut Policy),
    fields: &[(Range<usize>, u64)],
) -> World {
    let mut world = World::after_the_wait(|policy| {
        policy.health_check = Some(breaker::HealthCheckPolicy { settings: OWN, ..health_check() });
        adapt(policy);
    });
    let mut bytes = world.record();
    bytes[CHECK_SETTINGS].copy_from_slice(&settings.to_le_bytes());
    for (range, value) in fields {
        let len = range.len();
        bytes[range.clone()].copy_from_slice(&value.to_le_bytes()[..len]);
    }
    world.put(&Breaker::decode(&bytes).unwrap());
    world
}

/// It was open for ever.
#[test]
fn a_check_of_other_settings_that_is_due_at_the_end_of_time_is_taken_over() {
    for field in [CHECK_DUE, CHECK_LEASED_UNTIL] {
        for far in [u64::MAX, u64::MAX / 2, START.monotonic.as_nanos() + 1_000_000_000_000_000] {
            let mut world = world_with(9, |_| {}, &[(field.clone(), far)]);
            let (waited, ticket) = world.until_check(seconds_of(1_000));
            assert!(waited <= seconds_of(300 + 30 + 5), "{waited:?}");
            world.answer(ticket, CheckResult::Healthy);
            assert_eq!(world.state(), StateName::Closed);
        }
    }
}

/// Whoever makes it makes it, for as long as it may take by its own settings.
#[test]
fn a_check_of_other_settings_keeps_a_lease_that_an_open_breaker_may_wait_for() {
    let lease = START.monotonic.after(seconds_of(30 + 90));
    let mut world = world_with(9, |_| {}, &[(CHECK_LEASED_UNTIL, lease.as_nanos())]);
    assert_eq!(world.try_check(), None);
    let kept = &world.record()[CHECK_LEASED_UNTIL];
    assert_eq!(kept, lease.as_nanos().to_le_bytes());
}

#[test]
fn a_check_that_is_nobodys_is_made_at_once() {
    let mut world = world_with(0, |_| {}, &[]);
    world.check_passes();
    assert_eq!(world.state(), StateName::Closed);
}

/// The wait before an attempt grows with those that failed; it is no longer than the longest.
#[test]
fn more_failed_attempts_than_there_may_be_make_no_wait_longer() {
    for attempts in [4, 60, u64::from(u32::MAX)] {
        let retrying = |policy: &mut Policy| {
            let check = policy.health_check.as_mut().unwrap();
            check.retry = Some(retry());
            policy.open.max_wait = seconds_of(30);
        };
        let fields = [(CHECK_ATTEMPTS, attempts), (CHECK_DUE, u64::MAX)];
        let mut world = world_with(OWN, retrying, &fields);
        let (waited, _) = world.until_check(seconds_of(60));
        assert!(waited <= seconds_of(30), "{waited:?}");
    }
}

#[test]
fn a_trial_slot_is_held_for_no_longer_than_a_trial_may_take() {
    for deadline in [u64::MAX, u64::MAX / 2, START.monotonic.as_nanos() + 3_600_000_000_000] {
        let mut world = World::after_the_wait(|policy| policy.half_open.permitted_calls = count(2));
        let _vanished = world.trial();
        let mut bytes = world.record();
        for place in bytes[LAST].chunks_mut(8) {
            place.copy_from_slice(&deadline.to_le_bytes());
        }
        world.put(&Breaker::decode(&bytes).unwrap());
        assert!(world.try_call().is_err());
        world.advance(29);
        assert!(world.try_call().is_err());
        world.advance(1);
        world.succeed();
        assert_eq!(world.state(), StateName::Closed);
    }
}

/// What an operator has set holds until an operator sets something else.
#[test]
fn a_mode_is_no_wait() {
    let mut world = World::new(|policy| policy.mode = Mode::ForcedOpen);
    world.advance(1_000_000);
    assert!(matches!(world.ask(), Admission::Diverted(_)));
}

/// A look at a breaker that nobody calls cuts its waits short, too, once it is stored.
#[test]
fn a_look_is_enough_to_cut_a_wait_short() {
    let far = [(RETRY_AT, u64::MAX), (CHECK_DUE, u64::MAX)];
    let mut world = world_with(OWN, |policy| policy.health_check = None, &far);
    let (policy, now) = (world.policy.clone(), world.now.monotonic);
    let mut breaker = world.breaker();
    assert_eq!(breaker.encode()[STATE], 1);
    breaker.bound(&policy, now);
    world.put(&breaker);
    world.advance(300);
    let _trial = world.trial();
    assert_eq!(world.state(), StateName::HalfOpen);
    assert!(world.now.monotonic < Timestamp::from_nanos(u64::MAX / 2));
}
