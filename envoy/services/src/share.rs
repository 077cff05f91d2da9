//! A share of failures that is exact.

/// One, in the unit that shares are kept in: millionths.
const WHOLE: u32 = 1_000_000;

/// Which calls fail: an exact share of them, the same ones every time.
///
/// The recipe throws dice, so that its walkthrough goes another way on every run: with a failure
/// rate of 0.9, two retries and a threshold of 3, two runs in five end with the breaker closed.
/// Here what is left of the share after each call is carried over to the next, so that 0.9 means
/// nine of every ten, and the rarer of the two outcomes comes last in its turn: nine failures and
/// then a success. Millionths rather than floats, so that nothing is lost on the way.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    failing: u32,
    carried: u32,
}

impl Share {
    /// A share from 0 (none fail) to 1 (all fail). What lies outside is taken as the nearer end.
    pub(crate) fn new(rate: f64) -> Self {
        // A cast from a float saturates, and takes NaN as 0.
        let failing = (rate.clamp(0.0, 1.0) * f64::from(WHOLE)).round() as u32;
        Self { failing, carried: 0 }
    }

    pub(crate) fn rate(&self) -> f64 {
        f64::from(self.failing) / f64::from(WHOLE)
    }

    /// Whether at least half of all calls fail.
    pub(crate) const fn is_half_or_more(&self) -> bool {
        self.failing >= WHOLE / 2
    }

    /// Whether the next call fails.
    pub(crate) const fn next(&mut self) -> bool {
        let rarer = if self.is_half_or_more() { WHOLE - self.failing } else { self.failing };
        self.carried += rarer;
        let is_rarer = self.carried >= WHOLE;
        if is_rarer {
            self.carried -= WHOLE;
        }
        self.is_half_or_more() != is_rarer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(rate: f64, calls: usize) -> String {
        let mut share = Share::new(rate);
        (0..calls).map(|_| if share.next() { 'x' } else { '.' }).collect()
    }

    #[test]
    fn nine_of_every_ten_calls_fail_and_the_tenth_succeeds() {
        assert_eq!(pattern(0.9, 20), "xxxxxxxxx.xxxxxxxxx.");
    }

    #[test]
    fn one_of_every_ten_calls_fails_and_it_is_the_tenth() {
        assert_eq!(pattern(0.1, 20), ".........x.........x");
    }

    #[test]
    fn half_of_the_calls_fail_in_turn() {
        assert_eq!(pattern(0.5, 6), "x.x.x.");
    }

    #[test]
    fn the_ends_of_the_scale_are_exact() {
        assert_eq!(pattern(0.0, 5), ".....");
        assert_eq!(pattern(1.0, 5), "xxxxx");
    }

    #[test]
    fn any_share_is_exact_over_many_calls() {
        for percent in 0..=100 {
            let rate = f64::from(percent) / 100.0;
            let failures = pattern(rate, 10_000).matches('x').count();
            assert_eq!(failures, percent as usize * 100, "at {rate}");
        }
    }

    #[test]
    fn what_is_no_share_is_taken_as_the_nearer_end() {
        assert_eq!(pattern(-1.0, 3), "...");
        assert_eq!(pattern(7.5, 3), "xxx");
        assert_eq!(pattern(f64::NAN, 3), "...");
    }
}
