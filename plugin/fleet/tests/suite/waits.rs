//! Waits that let a few speak first.

use std::time::Duration;

use fleet::spread;
use proptest::prelude::*;

const WHOLE: Duration = Duration::from_secs(1);

/// How many of so many that begin to wait together are done by then.
fn done(of: u32, by: Duration) -> usize {
    let step = u32::MAX / of;
    (0..of).filter(|it| spread(WHOLE, it * step + step / 2) <= by).count()
}

proptest! {
    #[test]
    fn no_wait_is_longer_than_the_longest(longest: u64, random: u32) {
        let longest = Duration::from_nanos(longest);
        prop_assert!(spread(longest, random) <= longest);
    }

    #[test]
    fn who_draws_a_larger_number_waits_no_shorter(one: u32, other: u32) {
        let (less, more) = (one.min(other), one.max(other));
        prop_assert!(spread(WHOLE, less) <= spread(WHOLE, more));
    }
}

#[test]
fn the_number_of_those_that_are_done_doubles_every_twelfth_of_the_time() {
    for twelfths in 4..12 {
        let now = done(4_096 * 16, WHOLE * twelfths / 12);
        let before = done(4_096 * 16, WHOLE * (twelfths - 1) / 12);
        assert!((19..=21).contains(&(now * 10 / before)), "{before}, then {now}");
    }
    assert_eq!(done(4_096, WHOLE), 4_096);
}

#[test]
fn of_a_thousand_few_speak_before_the_fourth_has_been_heard() {
    let fourth = (0..1_000).map(Duration::from_millis).find(|by| done(1_000, *by) >= 4).unwrap();
    assert!(done(1_000, fourth + Duration::from_millis(50)) <= 8);
}
