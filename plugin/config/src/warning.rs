//! What is taken as it is written, and hardly meant so.

use crate::error::ConfigError;
use crate::matching::Match;
use crate::reader::Reader;

/// Something that works, and not as its author will have thought.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Warning {
    /// The JSON path.
    pub path: String,
    /// What stands there, as JSON.
    pub value: String,
    /// What it does, and what to do about it.
    pub remedy: String,
}

/// How many entries of matches are compared, at most, to find one that comes too late.
const MOST_COMPARED: usize = 1 << 21;

/// Warnings, each once: services have those of the defaults in common.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    pub(crate) found: Vec<Warning>,
}

impl Warnings {
    fn add(&mut self, warning: Warning) {
        if !self.found.contains(&warning) {
            self.found.push(warning);
        }
    }

    /// Rates of less than a percent: others write the half of all calls as 0.5.
    pub(crate) fn of_rates(&mut self, trip: &Reader<'_>) -> Result<(), ConfigError> {
        for field in ["failure_rate_threshold", "slow_call_rate_threshold"] {
            if let Some(thousandths @ 1..1_000) = trip.get::<Option<u32>>(field)? {
                self.add(low_rate(trip.path_of(field), thousandths));
            }
        }
        Ok(())
    }

    /// A failure rate that trips on what the adaptive rule is to tolerate.
    pub(crate) fn of_tolerance(&mut self, trip: &Reader<'_>) -> Result<(), ConfigError> {
        let adaptive = trip.inner("adaptive");
        let rate = trip.get::<Option<u32>>("failure_rate_threshold")?;
        if let Some(adaptive) = adaptive.whole()
            && let tolerate = adaptive.get::<u32>("tolerate")?
            && let Some(rate) = rate.filter(|rate| *rate < tolerate)
        {
            let remedy = format!(
                "trip.failure_rate_threshold opens the breaker at {} percent, which the adaptive \
                 rule takes for no outage: leave one of them out, or tolerate less",
                decimal(rate, 1_000)
            );
            let (path, value) = (adaptive.path_of("tolerate"), decimal(tolerate, 1_000));
            self.add(Warning { path, value, remedy });
        }
        Ok(())
    }

    /// Those that no request can reach, since one before them matches all that they could: of what has a
    /// match and a name, in its order, in the list at this path. `shown`: where the admin API answers,
    /// by which some are there to be shown, not to be reached.
    pub(crate) fn of_order(&mut self, each: &[(&Match, &str)], list: &str, shown: Option<&str>) {
        let mut left = MOST_COMPARED;
        for (number, (late, name)) in each.iter().enumerate() {
            if shown.is_some_and(|path_prefix| late.is_shown_by(path_prefix)) {
                continue;
            }
            let mut before = each.iter().enumerate().take(number);
            let first = before.find(|(_, (early, _))| {
                left = left.saturating_sub(early.compared(late));
                left > 0 && early.includes(late)
            });
            if let Some((earlier, (_, other))) = first {
                let remedy = format!(
                    "never reached: all that it matches belongs to {other}, {list}[{earlier}], which \
                     comes before it: put it before that one, or leave it out"
                );
                let (path, value) = (format!("{list}[{number}].name"), format!("{name:?}"));
                self.add(Warning { path, value, remedy });
            }
        }
    }
}

fn low_rate(path: String, thousandths: u32) -> Warning {
    let percent = decimal(thousandths, 1_000);
    let share = match thousandths {
        500 => "half a percent".to_owned(),
        _ => format!("{percent} percent"),
    };
    let calls = 100_000_u32.checked_div(thousandths).unwrap_or(u32::MAX);
    let meant = decimal(thousandths, 10);
    let remedy =
        format!("that is {share}, 1 call of {calls}: if {meant} percent are meant, give {meant}");
    Warning { path, value: percent, remedy }
}

/// A number of parts of a whole as a decimal: of tenths, hundredths or thousandths.
fn decimal(parts: u32, whole: u32) -> String {
    let (mut left, mut unit) = (parts % whole, whole);
    let mut text = (parts / whole).to_string();
    if left > 0 {
        text.push('.');
    }
    while left > 0 {
        unit /= 10;
        let digit = left.checked_div(unit).unwrap_or_default();
        text.extend(char::from_digit(digit, 10));
        left -= digit * unit;
    }
    text
}
