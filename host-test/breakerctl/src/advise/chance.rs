//! How often a rule opens by chance, if bad calls are as many as usual and independent of each
//! other.

use super::candidates::Trip;
use super::outages::Usual;

/// Seconds until chance alone opens it, on average.
pub(super) fn seconds(trip: &Trip, usual: Usual) -> f64 {
    let (share, rate) = (usual.share(), usual.rate.max(1e-9));
    let row = trip.in_a_row.map_or(0.0, |row| row_a_call(share, row));
    let of_latest = trip.rate.as_ref().map_or(0.0, |it| {
        let latest = (rate * it.window.as_secs_f64()).max(f64::from(it.least));
        rate_a_call(share, f64::from(it.percent) / 100.0, latest)
    });
    1.0 / ((row + of_latest) * rate)
}

/// How often a call makes a row of bad ones complete.
fn row_a_call(share: f64, row: u32) -> f64 {
    let full = share.powi(i32::try_from(row).unwrap_or(i32::MAX));
    full * (1.0 - share) / (1.0 - full)
}

/// How often a call that is bad makes so many of the latest ones bad, at most.
fn rate_a_call(share: f64, threshold: f64, latest: f64) -> f64 {
    let calls = latest.clamp(1.0, 1e6) as u32;
    let needed = (threshold * f64::from(calls)).ceil() as u32;
    share * at_least(needed.saturating_sub(1), calls - 1, share)
}

/// The probability of at least so many of so many.
fn at_least(bad: u32, calls: u32, share: f64) -> f64 {
    if bad > calls {
        return 0.0;
    }
    // Each probability by the one before, from that of `bad` on; their logarithms do not vanish.
    let choose: f64 = (0..bad).map(|it| f64::from(calls - it).ln() - f64::from(it + 1).ln()).sum();
    let odds = share / (1.0 - share);
    let mut term =
        (choose + f64::from(bad) * share.ln() + f64::from(calls - bad) * (1.0 - share).ln()).exp();
    let mut sum = 0.0;
    for count in bad..=calls {
        sum += term;
        term *= f64::from(calls - count) / f64::from(count + 1) * odds;
        if term < sum * 1e-6 {
            break;
        }
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_heads_in_a_row_take_fourteen_throws() {
        assert!((1.0 / row_a_call(0.5, 3) - 14.0).abs() < 1e-9);
    }

    #[test]
    fn the_probability_of_at_least_so_many_is_that_of_the_binomial_distribution() {
        assert!((at_least(2, 3, 0.5) - 0.5).abs() < 1e-9);
        assert!((at_least(0, 10, 0.3) - 1.0).abs() < 1e-4);
        assert!((at_least(10, 20, 0.05) / 1.1338e-8 - 1.0).abs() < 1e-3);
        assert_eq!(at_least(4, 3, 0.5), 0.0);
    }
}
