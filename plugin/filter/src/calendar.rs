//! The calendar: times as RFC 3339 writes them, and dates as HTTP has them (RFC 9110, 5.6.7).
//!
//! By code of its own: libraries for it panic on times that no clock shows, and what a panic would say
//! takes more of the module than the calendar.

use std::time::Duration;

use breaker::UnixTime;

const DAY: u64 = 24 * 60 * 60;

/// A day, by its year, its month, and its number in it.
type Date = (u64, u64, u64);

const WEEKDAYS: [&[u8]; 7] =
    [b"Monday", b"Tuesday", b"Wednesday", b"Thursday", b"Friday", b"Saturday", b"Sunday"];

const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// What follows the day of the week, each of another length: as dates are written, and as they once were.
const FORMS: [(&[u8], bool); 3] = [
    (b", DD NNN YYYY hh:mm:ss GMT", false),
    (b", DD-NNN-YY hh:mm:ss GMT", true),
    (b" NNN _D hh:mm:ss YYYY", false),
];

/// A time, in UTC, to the millisecond.
pub(crate) fn rfc3339(time: UnixTime) -> String {
    let seconds = time.as_nanos() / 1_000_000_000;
    let millis = time.as_nanos() / 1_000_000 % 1_000;
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// What a date of HTTP says, since 1970. `None`: it is none.
pub(crate) fn http_date(text: &[u8]) -> Option<Duration> {
    let name = text.iter().position(|byte| !byte.is_ascii_alphabetic())?;
    let (name, text) = text.split_at_checked(name)?;
    let (form, in_full) = FORMS.into_iter().find(|(form, _)| form.len() == text.len())?;
    let weekday = WEEKDAYS.iter().position(|weekday| {
        name == if in_full { *weekday } else { weekday.get(..3).unwrap_or_default() }
    })?;
    let (mut year, mut day, mut hour, mut minute, mut second) = (0, 0, 0, 0, 0);
    for (byte, meant) in text.iter().zip(form) {
        let number = match meant {
            b'Y' => &mut year,
            b'_' if *byte == b' ' => continue,
            b'D' | b'_' => &mut day,
            b'h' => &mut hour,
            b'm' => &mut minute,
            b's' => &mut second,
            b'N' => continue,
            meant if meant == byte => continue,
            _ => return None,
        };
        *number = *number * 10 + u64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    let month = text.get(form.iter().position(|byte| *byte == b'N')?..)?.get(..3)?;
    let month = MONTHS.chunks(3).zip(1..).find(|(name, _)| *name == month)?.1;
    let year = match year {
        0..70 if in_full => year + 2_000,
        70..100 if in_full => year + 1_900,
        1970.. => year,
        _ => return None,
    };
    let days = days((year, month, day))?;
    let is_right = hour < 24 && minute < 60 && second < 60 && (days + 3) % 7 == weekday as u64;
    is_right.then(|| Duration::from_secs(days * DAY + hour * 3_600 + minute * 60 + second))
}

/// The day that is so many days after 1 January 1970.
const fn date(days: u64) -> Date {
    // In ages of 400 years that begin in March, so that a leap day is the last of a year.
    let days = days + 719_468;
    let (age, of_age) = (days / 146_097, days % 146_097);
    let years = (of_age - of_age / 1_460 + of_age / 36_524 - of_age / 146_096) / 365;
    let of_year = of_age - (365 * years + years / 4 - years / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = age * 400 + years;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// How many days a day of 1970 or later is after the first of them. `None`: there is no such day.
fn days(of: Date) -> Option<u64> {
    let (year, month, day) = of;
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day.checked_sub(1)?;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + of_year - 719_468;
    (date(days) == of).then_some(days)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use std::time::{SystemTime, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    /// As the library has it.
    fn of_library(text: &str) -> Option<Duration> {
        let date = httpdate::parse_http_date(text).ok()?;
        SystemTime::duration_since(&date, UNIX_EPOCH).ok()
    }

    proptest! {
        #[test]
        fn any_time_is_written_as_the_library_writes_it(nanos: u64) {
            let time = UNIX_EPOCH + Duration::from_nanos(nanos);
            let written = humantime::format_rfc3339_millis(time).to_string();
            prop_assert_eq!(rfc3339(UnixTime::from_nanos(nanos)), written);
        }

        #[test]
        fn any_date_in_any_form_is_read_as_the_library_reads_it(
            seconds in 0..253_402_300_800_u64,
            (place, byte) in (0..40_usize, any::<u8>()),
        ) {
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            prop_assert_eq!(http_date(date.as_bytes()), Some(Duration::from_secs(seconds)));
            let [weekday, day, month, year, time, _] =
                date.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let weekday = weekday.trim_end_matches(',');
            let in_full = WEEKDAYS.iter().find(|it| it.starts_with(weekday.as_bytes())).unwrap();
            let in_full = std::str::from_utf8(in_full).unwrap();
            let of_day = day.strip_prefix('0').map_or_else(|| day.to_owned(), |day| format!(" {day}"));
            for text in [
                date.clone(),
                format!("{in_full}, {day}-{month}-{} {time} GMT", &year[2..]),
                format!("{weekday} {month} {of_day} {time} {year}"),
                format!("{weekday} {month} {day} {time} {year}"),
            ] {
                prop_assert_eq!(http_date(text.as_bytes()), of_library(&text), "{}", text);
                let mut other = text.into_bytes();
                // The library takes anything for one of the spaces.
                if let Some(known) = other.get_mut(place).filter(|known| **known != b' ') {
                    *known = byte & 0x7f;
                }
                if let Ok(text) = String::from_utf8(other) && text == text.trim() {
                    prop_assert_eq!(http_date(text.as_bytes()), of_library(&text), "{}", text);
                }
            }
        }
    }
}
