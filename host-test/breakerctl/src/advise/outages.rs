//! What was wrong, as one sees it when it is over.
//!
//! Each call adds to a sum that never falls below zero: a bad one as much as nine good ones take
//! off. So it rises where more than a tenth of the calls are bad. From where it left zero to its
//! highest point is an outage, if that is more than chance would lead to.

use std::ops::Range;

use serde::Serialize;

use super::calls::Sample;

/// What a bad call adds, where a good one takes off one.
const BAD: f64 = 9.0;
/// With 5 % of bad calls, each this much makes a sum rarer by the factor e.
const RARER: f64 = 7.3;
/// How often chance may lead to an outage in a log.
const BY_CHANCE: f64 = 1e-3;

/// A time in which more than a tenth of the calls were bad.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Outage {
    /// Which calls are of it.
    #[serde(skip)]
    pub(super) range: Range<usize>,
    /// Seconds since the first call.
    pub(super) from: f64,
    pub(super) until: f64,
    pub(super) calls: usize,
    pub(super) bad: usize,
}

/// How a service was, apart from its outages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Usual {
    pub(super) calls: usize,
    pub(super) bad: usize,
    /// Calls a second.
    pub(super) rate: f64,
}

impl Usual {
    /// The share of bad calls, as far up as so few calls leave open.
    pub(super) fn share(self) -> f64 {
        let bad = self.bad as f64;
        ((bad + 2.0 * (bad + 1.0).sqrt() + 2.0) / (self.calls as f64 + 100.0)).min(0.5)
    }
}

/// The outages of a log, and what is left without them.
pub(super) fn outages(calls: &[Sample]) -> (Vec<Outage>, Usual) {
    let bar = RARER * (calls.len() as f64 / BY_CHANCE).ln();
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut sum = 0.0_f64;
    let mut highest = 0.0_f64;
    let mut current = 0..0;
    for (index, call) in calls.iter().enumerate() {
        if sum == 0.0 {
            current = index..index;
            highest = 0.0;
        }
        sum = (sum + if call.bad { BAD } else { -1.0 }).max(0.0);
        if sum > highest {
            highest = sum;
            current.end = index + 1;
        }
        let is_over = sum == 0.0 || highest - sum >= bar || index + 1 == calls.len();
        if is_over && highest >= bar {
            found.push(current.clone());
            sum = 0.0;
            highest = 0.0;
        }
    }
    let seconds = |at: u64| at as f64 / 1e9;
    let outage = |range: &Range<usize>| {
        let of_it = &calls[range.clone()];
        let (first, last) = (of_it[0], of_it[of_it.len() - 1]);
        Outage {
            range: range.clone(),
            from: seconds(first.at),
            until: seconds(last.at),
            calls: of_it.len(),
            bad: of_it.iter().filter(|call| call.bad).count(),
        }
    };
    let outages: Vec<_> = found.iter().map(outage).collect();
    let sum = |of: fn(&Outage) -> usize| outages.iter().map(of).sum::<usize>();
    let span = calls.last().map_or(0.0, |call| seconds(call.at));
    let apart = span - outages.iter().map(|it| it.until - it.from).sum::<f64>();
    let usual = Usual {
        calls: calls.len() - sum(|it| it.calls),
        bad: calls.iter().filter(|call| call.bad).count() - sum(|it| it.bad),
        rate: 0.0,
    };
    let rate = match usual.calls {
        0 => calls.len() as f64 / span.max(1e-3),
        calls => calls as f64 / apart.max(1e-3),
    };
    (outages, Usual { rate, ..usual })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One call a second, of which those in the range fail as the pattern says.
    fn calls(bad: impl Fn(u64) -> bool) -> Vec<Sample> {
        let call =
            |at: u64| Sample { at: at * 1_000_000_000, took: 0, failed: bad(at), bad: bad(at) };
        (0..2000).map(call).collect()
    }

    #[test]
    fn an_outage_is_found_from_its_first_bad_call_to_its_last() {
        let (found, usual) = outages(&calls(|at| (500..560).contains(&at)));
        let outage = Outage { range: 500..560, from: 500.0, until: 559.0, calls: 60, bad: 60 };
        assert_eq!(found, [outage]);
        assert_eq!((usual.calls, usual.bad), (1940, 0));
        assert!((usual.rate - 1.0).abs() < 0.01, "{usual:?}");
    }

    #[test]
    fn two_outages_are_two_and_one_at_the_end_counts() {
        let (found, _) = outages(&calls(|at| (500..560).contains(&at) || at >= 1950));
        let spans: Vec<_> = found.iter().map(|it| (it.from, it.calls)).collect();
        assert_eq!(spans, [(500.0, 60), (1950.0, 50)]);
    }

    #[test]
    fn errors_that_are_usual_are_none() {
        let (found, usual) = outages(&calls(|at| at % 20 == 0));
        assert_eq!((found, usual.bad), (Vec::new(), 100));
    }

    #[test]
    fn a_partial_outage_is_one() {
        let (found, _) = outages(&calls(|at| (500..900).contains(&at) && at % 4 == 0));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].from, found[0].bad), (500.0, 100));
    }
}
