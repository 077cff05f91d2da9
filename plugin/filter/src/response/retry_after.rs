//! How long a failing service asks to be left alone: by `Retry-After` (RFC 9110, 10.2.3), by
//! `retry-after-ms`, which says the same more exactly, or by gRPC's pushback (proposal A6), which only an
//! answer to a gRPC call can have.

use std::time::Duration;

use breaker::UnixTime;

use crate::calendar::http_date;
use crate::host::Host;

/// The longest that is taken at its word; the open wait has its own maximum.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What the answer at hand asks for, if it does.
pub(crate) fn asked(grpc: bool, host: &dyn Host) -> Option<Duration> {
    let pushback = || {
        const MILLIS: &str = "grpc-retry-pushback-ms";
        let value = host.response_trailer(MILLIS).or_else(|| host.response_header(MILLIS))?;
        // Below zero it says not to try again, and no more.
        text(&value)?.parse().ok().map(Duration::from_millis)
    };
    let millis = || millis(text(&host.response_header("retry-after-ms")?)?);
    let asked = grpc.then(pushback).flatten().or_else(millis).or_else(|| {
        let value = host.response_header("retry-after")?;
        retry_after(text(&value)?, host.now().wall)
    });
    asked.map(|asked| asked.min(LONGEST))
}

/// A number of milliseconds, of which whole ones are taken.
fn millis(text: &str) -> Option<Duration> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    whole.parse().ok().map(Duration::from_millis)
}

/// A number of seconds, or a date.
fn retry_after(text: &str, now: UnixTime) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(http_date(text.as_bytes())?.saturating_sub(Duration::from_nanos(now.as_nanos())))
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().map(str::trim)
}
