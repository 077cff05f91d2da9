//! The two clocks.

use std::time::Duration;

use breaker::{Now, Timestamp, UnixTime};

#[test]
fn a_clock_at_the_end_of_time_saturates() {
    let end = Timestamp::from_nanos(u64::MAX);
    assert_eq!(end.after(Duration::MAX), end);
    assert_eq!(Timestamp::default().since(end), Duration::ZERO);
}

#[test]
fn a_monotonic_time_is_shown_on_the_wall_clock_of_now() {
    let now = Now { monotonic: Timestamp::from_nanos(1_000), wall: UnixTime::from_nanos(50_000) };
    assert_eq!(now.wall_time_of(Timestamp::from_nanos(400)), UnixTime::from_nanos(49_400));
    assert_eq!(now.wall_time_of(Timestamp::from_nanos(1_500)), UnixTime::from_nanos(50_500));
}
