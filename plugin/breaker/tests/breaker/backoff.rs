//! How long the breaker stays open after so many trips in a row, and how that is spread.

use std::time::Duration;

use breaker::{Breaker, HealthCheckPolicy, OpenPolicy, Outcome, Rate};

use crate::world::{World, count, health_check};

const SECOND: Duration = Duration::from_secs(1);

/// Nothing is paused between two looks.
const NONE: Duration = Duration::ZERO;

fn policy(wait: u64, max: u64, jitter_percent: u8) -> OpenPolicy {
    OpenPolicy {
        wait: Duration::from_secs(wait),
        backoff_rate: Rate::from_thousandths(2_000),
        max_wait: Duration::from_secs(max),
        jitter_percent,
        honor_retry_after: true,
        on_retry_after: false,
    }
}

/// How long it stays open after the `trips`-th trip in a row, where a service is left alone for a
/// pause between two looks.
fn open_wait(
    open: &OpenPolicy,
    pause: Duration,
    trips: u32,
    retry_after: Option<Duration>,
    random: u32,
) -> Duration {
    let mut world = World::new(|policy| {
        policy.open = open.clone();
        policy.trip.consecutive_failures = Some(count(1));
        let check = HealthCheckPolicy { interval: pause, ..health_check() };
        policy.health_check = (!pause.is_zero()).then_some(check);
    });
    let mut record = world.record();
    record[32..36].copy_from_slice(&(trips - 1).to_le_bytes());
    world.put(&Breaker::decode(&record).expect("so many trips before"));
    world.random = random;
    let call = world.call();
    world.settle(call, Outcome::failure(retry_after));
    let status = world.status();
    status.retry_at.unwrap().since(status.opened_at.unwrap())
}

#[test]
fn each_trip_in_a_row_doubles_the_wait_up_to_its_maximum() {
    let policy = policy(10, 60, 0);
    let waits = [1, 2, 3, 4, 5, u32::MAX].map(|trips| open_wait(&policy, NONE, trips, None, 7));
    assert_eq!(waits, [10, 20, 40, 60, 60, 60].map(Duration::from_secs));
}

#[test]
fn a_wait_is_spread_to_both_sides() {
    let policy = policy(10, 60, 20);
    assert_eq!(open_wait(&policy, NONE, 1, None, 0), Duration::from_secs(8));
    assert_eq!(open_wait(&policy, NONE, 1, None, u32::MAX / 2 + 1), Duration::from_secs(10));
    let longest = open_wait(&policy, NONE, 1, None, u32::MAX);
    assert!(longest <= Duration::from_secs(12) && longest > Duration::from_millis(11_999));
}

#[test]
fn breakers_at_the_maximum_do_not_come_back_in_step() {
    let policy = policy(60, 60, 20);
    let shortest = open_wait(&policy, NONE, 9, None, 0);
    let longest = open_wait(&policy, NONE, 9, None, u32::MAX);
    assert!(longest <= Duration::from_secs(60), "{longest:?}");
    assert!(longest > Duration::from_secs(59), "{longest:?}");
    assert!(shortest < Duration::from_secs(41), "{shortest:?}");
}

#[test]
fn retry_after_lengthens_a_wait_within_its_maximum_and_never_shortens_it() {
    let policy = policy(10, 60, 0);
    let wait = |asked| open_wait(&policy, NONE, 1, Some(Duration::from_secs(asked)), 0);
    assert_eq!([wait(5), wait(30), wait(600)], [10, 30, 60].map(Duration::from_secs));
}

#[test]
fn retry_after_is_left_aside_when_it_is_not_honoured() {
    let mut policy = policy(10, 60, 0);
    policy.honor_retry_after = false;
    assert_eq!(open_wait(&policy, NONE, 1, Some(30 * SECOND), 0), 10 * SECOND);
}

#[test]
fn no_wait_stays_no_wait() {
    assert_eq!(open_wait(&policy(0, 60, 20), NONE, 40, None, u32::MAX), Duration::ZERO);
}

#[test]
fn from_the_second_trip_on_waits_grow_from_the_pause_if_it_is_longer() {
    let waits = |wait, pause| {
        let policy = policy(wait, 60, 0);
        [1, 2, 3, 4, 5, 9].map(|trips| open_wait(&policy, pause * SECOND, trips, None, 7).as_secs())
    };
    assert_eq!(waits(0, 1), [0, 2, 4, 8, 16, 60]);
    assert_eq!(waits(1, 3), [1, 6, 12, 24, 48, 60]);
    assert_eq!(waits(10, 5), [10, 20, 40, 60, 60, 60]);
}

#[test]
fn no_spread_brings_a_second_wait_below_the_pause() {
    for rate in [1_000, 1_100, 2_000] {
        let mut policy = policy(0, 60, 100);
        policy.backoff_rate = Rate::from_thousandths(rate);
        let waits = [2, 3, 9].map(|trips| open_wait(&policy, 5 * SECOND, trips, None, 0));
        assert_eq!(waits, [5 * SECOND; 3], "{rate}");
    }
}

#[test]
fn a_pause_makes_no_wait_longer_than_its_maximum() {
    let policy = policy(0, 3, 20);
    assert_eq!(open_wait(&policy, 5 * SECOND, 2, None, 0), 3 * SECOND);
}

#[test]
fn the_longest_of_everything_does_not_overflow() {
    let mut policy = policy(0, 0, 100);
    policy.wait = Duration::MAX;
    policy.max_wait = Duration::MAX;
    policy.backoff_rate = Rate::from_thousandths(u32::MAX);
    let _ = open_wait(&policy, NONE, u32::MAX, Some(Duration::MAX), u32::MAX);
}
