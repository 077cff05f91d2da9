//! Durations as people write them: `250ms`, `30s`, `1m30s`, `0.5s`.

use std::time::Duration;

/// The longest duration that a configuration may give.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The same where it may be far longer: a year.
pub(crate) const LONGEST_OF_ALL: Duration = Duration::from_secs(8_760 * 60 * 60);

/// Units from the longest, the order in which they follow each other, with their nanoseconds.
const UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("ms", 1_000_000),
    ("m", 60_000_000_000),
    ("us", 1_000),
    ("ns", 1),
    ("s", 1_000_000_000),
];

/// Reads one or more numbers with units, each unit shorter than the one before; `None`: it is no
/// duration, or one of more than 584 years.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut shortest = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let (unit, tail) = UNITS.iter().find_map(|(name, nanos)| {
            // `m` must not eat the `m` of `ms`: that one stands before it.
            tail.strip_prefix(name).map(|tail| (*nanos, tail))
        })?;
        if unit >= shortest {
            return None;
        }
        shortest = unit;
        total = total.checked_add(scaled(number, unit)?)?;
        rest = tail;
    }
    (shortest != u64::MAX).then_some(Duration::from_nanos(total))
}

/// A decimal number times a unit, in nanoseconds; what is less than one is cut off.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let malformed = whole.is_empty() || fraction.contains('.') || number.ends_with('.');
    if malformed || fraction.len() > 9 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let mut part = 0;
    let mut weight = unit;
    for digit in fraction.bytes() {
        weight /= 10;
        part += u64::from(digit.wrapping_sub(b'0')).saturating_mul(weight);
    }
    whole.checked_add(part)
}

/// A duration in quotes, as one would write it.
pub(crate) fn written(duration: Duration) -> String {
    format!("\"{}\"", text(duration))
}

/// A duration as one would write it.
#[must_use]
pub fn text(duration: Duration) -> String {
    const FROM_LONGEST: [(&str, u64); 6] = [
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let mut rest = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, nanos) in FROM_LONGEST {
        if rest >= nanos {
            text.push_str(&format!("{}{unit}", rest / nanos));
            rest %= nanos;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("0.5s", 500),
            ("0s", 0),
            ("1h2m3s4ms", 3_723_004),
            ("1.5m", 90_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("7us"), Some(Duration::from_micros(7)));
        assert_eq!(parse("7ns"), Some(Duration::from_nanos(7)));
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for text in ["0s", "250ms", "30s", "1m30s", "5m", "24h", "1h2m3s4ms5us6ns"] {
            assert_eq!(parse(text).map(written), Some(format!("\"{text}\"")));
        }
    }

    #[test]
    fn anything_else_is_no_duration() {
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "5S",
            "5x",
            "1s1m",
            "1s1s",
            "1..5s",
            ".5s",
            "5.s",
            "1e3s",
            "99999999999999999999s",
            "6000000h",
            "1.0000000000s",
            "\u{664}s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
