//! What is taken as it is written, and hardly meant so.

use crate::matching::Match;
use crate::wire::{Share, Trip};

/// Something that works, and not as its author will have thought.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Doubt {
    /// The JSON path.
    pub path: String,
    /// What stands there, as JSON.
    pub value: String,
    /// What it does, and what to do about it.
    pub remedy: String,
}

/// Rates of less than a percent: others write the half of all calls as 0.5.
pub(super) fn of_rates(trip: &Trip, path: &str) -> Vec<Doubt> {
    let rates = [
        ("failure_rate_threshold", trip.failure_rate_threshold),
        ("slow_call_rate_threshold", trip.slow_call_rate_threshold),
    ];
    let low = rates.into_iter().filter_map(|(field, share)| {
        let Share(thousandths) = share?;
        (thousandths < 1_000).then(|| low_rate(format!("{path}.{field}"), thousandths))
    });
    low.collect()
}

fn low_rate(path: String, thousandths: u32) -> Doubt {
    let percent = f64::from(thousandths) / 1_000.0;
    let told = match thousandths {
        500 => "half a percent".to_owned(),
        _ => format!("{percent} percent"),
    };
    let calls = 100_000_u32.checked_div(thousandths).unwrap_or(u32::MAX);
    let meant = f64::from(thousandths) / 10.0;
    let remedy =
        format!("that is {told}, 1 call of {calls}: if {meant} percent are meant, give {meant}");
    Doubt { path, value: percent.to_string(), remedy }
}

/// How many entries of matches are compared, at most, to find one that comes too late.
const MOST_COMPARED: usize = 1 << 21;

/// Those that no request can reach, since one before them matches all that they could: of what has a
/// match and a name, in its order. `may_be_late`: it is not there to be reached.
pub(super) fn of_order<'a>(
    each: impl Iterator<Item = (&'a Match, &'a str)> + Clone,
    path: impl Fn(usize) -> String,
    may_be_late: impl Fn(&Match) -> bool,
) -> Vec<Doubt> {
    let mut left = MOST_COMPARED;
    let mut found = Vec::new();
    for (number, (late, name)) in each.clone().enumerate() {
        if may_be_late(late) {
            continue;
        }
        let mut before = each.clone().enumerate().take(number);
        let first = before.find(|(_, (early, _))| {
            left = left.saturating_sub(early.compared(late));
            left > 0 && early.includes(late)
        });
        if let Some((earlier, (_, other))) = first {
            let place = path(earlier);
            let remedy = format!(
                "never reached: all that it matches belongs to {other}, {place}, which comes before \
                 it: put it before that one, or leave it out"
            );
            let (path, value) = (format!("{}.name", path(number)), format!("{name:?}"));
            found.push(Doubt { path, value, remedy });
        }
    }
    found
}
