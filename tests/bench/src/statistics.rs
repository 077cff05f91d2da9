//! Medians and how sure they are.

use serde::{Deserialize, Serialize};

/// How often the rounds are drawn anew for an interval.
const RESAMPLES: usize = 2000;

/// A number and the interval that holds it in 95 of 100 cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    /// A number that leaves no doubt, such as a count.
    pub(crate) const fn exact(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// The median of some measurements, between the smallest and the largest of them. `None`: there
    /// are none.
    pub(crate) fn of_few(values: &[f64]) -> Option<Self> {
        let at = |share| quantile(values, share);
        (!values.is_empty()).then(|| Self { value: at(0.5), low: at(0.0), high: at(1.0) })
    }

    /// Whether the interval reaches no further from the number than this share of it.
    pub(crate) fn is_within(self, share: f64) -> bool {
        let reach = (self.high - self.value).max(self.value - self.low);
        reach <= share * self.value.abs()
    }

    /// The estimate, unless it is no number, as where nothing was measured.
    pub(crate) fn finite(self) -> Option<Self> {
        [self.value, self.low, self.high].iter().all(|it| it.is_finite()).then_some(self)
    }
}

/// The value below which this share of the values lies, between neighbours in proportion.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let below = sorted[at.floor() as usize];
    let above = sorted[at.ceil() as usize];
    below + (above - below) * at.fract()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// A round of one of the starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) start: usize,
    pub(crate) index: usize,
}

/// What `of` computes from the rounds, and how sure it is. The rounds are given by start.
///
/// The interval comes from drawing anew, with replacement, first starts and then rounds of each
/// (a bootstrap in two levels): the rounds of one start have its bias in common, so that more of
/// them do not make up for few starts.
pub(crate) fn estimate(starts: &[Vec<Round>], of: impl Fn(&[Round]) -> f64) -> Estimate {
    // The same rounds give the same interval.
    let mut random = fastrand::Rng::with_seed(1);
    let value = of(&starts.concat());
    let drawn: Vec<f64> = (0..RESAMPLES).map(|_| of(&draw(starts, &mut random))).collect();
    Estimate { value, low: quantile(&drawn, 0.025), high: quantile(&drawn, 0.975) }
}

fn draw(starts: &[Vec<Round>], random: &mut fastrand::Rng) -> Vec<Round> {
    let mut drawn = Vec::new();
    for _ in starts {
        let rounds = random.choice(starts).map_or(&[][..], Vec::as_slice);
        drawn.extend((0..rounds.len()).filter_map(|_| random.choice(rounds)));
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_between_neighbours() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(quantile(&[0.0, 10.0, 20.0], 0.25), 5.0);
        assert_eq!(quantile(&[0.0, 10.0, 20.0], 1.0), 20.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn an_interval_is_measured_by_its_longer_side() {
        let estimate = Estimate { value: 100.0, low: 95.0, high: 112.0 };
        assert!(estimate.is_within(0.12));
        assert!(!estimate.is_within(0.10));
        let below_zero = Estimate { value: -100.0, low: -105.0, high: -95.0 };
        assert!(below_zero.is_within(0.05));
    }

    #[test]
    fn what_is_no_number_is_no_estimate() {
        assert_eq!(Estimate { high: f64::NAN, ..Estimate::exact(1.0) }.finite(), None);
        assert_eq!(Estimate::exact(1.0).finite(), Some(Estimate::exact(1.0)));
    }

    /// Two starts of 20 rounds, of which every value is its start's bias.
    fn biased(bias: [f64; 2]) -> Estimate {
        let rounds = |start| (0..20).map(|index| Round { start, index }).collect();
        estimate(&[rounds(0), rounds(1)], |rounds| {
            median(&rounds.iter().map(|round| bias[round.start]).collect::<Vec<_>>())
        })
    }

    #[test]
    fn equal_rounds_leave_no_doubt() {
        assert_eq!(biased([7.0, 7.0]), Estimate { value: 7.0, low: 7.0, high: 7.0 });
    }

    #[test]
    fn rounds_do_not_make_up_for_starts_that_differ() {
        assert_eq!(biased([7.0, 9.0]), Estimate { value: 8.0, low: 7.0, high: 9.0 });
    }
}
