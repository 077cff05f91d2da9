//! Points in time, as traces have them.

use anyhow::{Context as _, bail, ensure};

/// Larger ones are no seconds since 1970 of anybody's log, but milliseconds.
const MOST_SECONDS: f64 = 1e11;

/// Seconds, since 1970 or since anything else: a number of this unit, or a date with a time.
///
/// # Errors
///
/// If it is neither.
pub(super) fn point(text: &str, unit: f64) -> anyhow::Result<f64> {
    if let Ok(number) = text.parse::<f64>() {
        ensure!(number.is_finite(), "{text:?} is no time");
        let seconds = number * unit;
        ensure!(
            seconds.abs() < MOST_SECONDS,
            "{text:?} are no seconds: call the column time_ms if they are milliseconds"
        );
        return Ok(seconds);
    }
    let date = || format!("{text:?} is not a number, nor a time such as 2026-01-02T03:04:05.678Z");
    let (local, ahead) = without_offset(text).with_context(date)?;
    let time = humantime::parse_rfc3339_weak(&local).with_context(date)?;
    let since = time.duration_since(std::time::UNIX_EPOCH).with_context(date)?;
    Ok(since.as_secs_f64() - ahead)
}

/// How long something took, in seconds.
///
/// # Errors
///
/// If it is no number.
pub(super) fn span(text: &str, unit: f64) -> anyhow::Result<std::time::Duration> {
    let number: f64 = text.parse().with_context(|| format!("{text:?} is not a number"))?;
    ensure!(number.is_finite() && number.abs() < 1e13, "{text:?} is no time");
    std::time::Duration::try_from_secs_f64(number * unit).context("a duration cannot be negative")
}

/// A time without its offset, and by how many seconds that is ahead.
fn without_offset(text: &str) -> anyhow::Result<(String, f64)> {
    let (date, time) = text.split_at_checked(10).context("too short")?;
    let Some(at) = time.find(['+', '-']) else {
        return Ok((text.to_owned(), 0.0));
    };
    let (time, offset) = time.split_at(at);
    let digits: String = offset.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = match digits.len() {
        2 => (digits.parse::<f64>()?, 0.0),
        4 => (digits[..2].parse()?, digits[2..].parse()?),
        _ => bail!("no offset"),
    };
    let sign = if offset.starts_with('-') { -1.0 } else { 1.0 };
    Ok((format!("{date}{time}"), sign * (hours * 3600.0 + minutes * 60.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_with_its_offset_from_utc() {
        let at = |text| point(text, 1.0).unwrap();
        assert_eq!(at("1970-01-01T00:01:00.5Z"), 60.5);
        assert_eq!(at("1970-01-01 00:01:00"), 60.0);
        assert_eq!(at("1970-01-01T02:01:00+02:00"), 60.0);
        assert_eq!(at("1970-01-01T01:01:00.250+0100"), 60.25);
        assert_eq!(at("1970-01-01T00:01:00-01"), 3660.0);
        assert_eq!(point("1500", 1e-3).unwrap(), 1.5);
        for text in ["", "x", "nan", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00+1", "01:02:03"] {
            assert!(point(text, 1.0).is_err(), "{text}");
        }
        assert!(point("1700000000000", 1.0).unwrap_err().to_string().contains("time_ms"));
    }
}
