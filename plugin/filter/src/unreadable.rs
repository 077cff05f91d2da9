//! Stored bytes that this module cannot read: when they are replaced.
//!
//! A value's first byte is its format. Of a format that this module knows, bytes that it cannot read
//! are damage, which nobody will make sense of: they are replaced at once. Those of a newer format
//! may be a newer module's, which is at work beside this one until the last stream of this one has
//! ended. They are left alone for as long as somebody writes them, which their version in the store
//! tells; once they have stood still for a while, that module is taken for gone, as one that was
//! rolled back is, and they are replaced as well.
//!
//! Each worker finds out by itself: what it remembers of a value is the version that it saw last, and
//! since when. Whoever replaces does so by compare-and-swap of just that version, so that a newer
//! module which comes back at that moment wins, or else finds a format that it can read.

use std::cell::Cell;
use std::fmt::Display;
use std::time::Duration;

use breaker::Timestamp;

use crate::effects::Effects;
use crate::host::{Host, Version};
use crate::telemetry::ModuleMetric;

/// How long bytes of a newer format have to stand still.
const GONE: Duration = Duration::from_secs(30);

/// What one worker remembers of a value that it could not read.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The version that it saw last, and since when.
    seen: Cell<Option<(Version, Timestamp)>>,
    /// When it last complained, and whether the value was to be replaced.
    said: Cell<Option<(Timestamp, bool)>>,
}

/// A value that cannot be read.
#[derive(Clone, Copy)]
pub(crate) struct Unreadable<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) version: Version,
    /// The newest format that this module knows for it.
    pub(crate) known: u8,
    /// Whose it is; `None`: all services'.
    pub(crate) service: Option<&'a str>,
    /// What is wrong, or else what it should be.
    pub(crate) problem: &'a dyn Display,
}

impl Watch {
    /// Whether a value is to be replaced now. It is counted in any case, and complained of once in a
    /// while.
    #[inline(never)]
    pub(crate) fn may_replace(
        &self,
        value: &Unreadable<'_>,
        host: &impl Host,
        effects: &mut Effects,
    ) -> bool {
        let now = host.now().monotonic;
        effects.count(ModuleMetric::UnreadableRecords);
        let replaced = !is_newer(value.bytes, value.known) || self.stands_still(value.version, now);
        if self.is_news(replaced, now) {
            let service = value.service.map(|name| format!("service={name} "));
            effects.warn(format!(
                "{}event=unreadable_record problem=\"{}\" action={}",
                service.unwrap_or_default(),
                value.problem,
                if replaced { "replaced" } else { "left_alone" },
            ));
        }
        replaced
    }

    /// Whether nobody has written a value since long ago, as far as this worker knows.
    fn stands_still(&self, version: Version, now: Timestamp) -> bool {
        let since = match self.seen.get() {
            // No later than now, even if the clock stepped back.
            Some((seen, since)) if seen == version => since.min(now),
            _ => now,
        };
        self.seen.set(Some((version, since)));
        now.since(since) >= GONE
    }

    /// Whether the same was not said already, or not for long.
    fn is_news(&self, replaced: bool, now: Timestamp) -> bool {
        let said = self.said.get().filter(|(_, said)| *said == replaced);
        let is_news = said.is_none_or(|(at, _)| now.since(at) >= GONE || now < at);
        if is_news {
            self.said.set(Some((now, replaced)));
        }
        is_news
    }
}

/// Whether bytes are of a format beyond the newest one that is known. Those without any are not.
fn is_newer(bytes: &[u8], known: u8) -> bool {
    bytes.first().is_some_and(|format| *format > known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    fn version(number: u32) -> Version {
        Version::MIN.saturating_add(number)
    }

    #[test]
    fn what_is_written_again_and_again_never_stands_still() {
        let watch = Watch::default();
        for round in 0..20 {
            let begun = u64::from(round) * 29_999;
            assert!(!watch.stands_still(version(round), at(begun)));
            assert!(!watch.stands_still(version(round), at(begun + 29_998)));
        }
    }

    #[test]
    fn what_nobody_writes_stands_still_after_thirty_seconds() {
        let watch = Watch::default();
        assert!(!watch.stands_still(version(7), at(1_000)));
        assert!(!watch.stands_still(version(7), at(30_999)));
        assert!(watch.stands_still(version(7), at(31_000)));
        assert!(watch.stands_still(version(7), at(90_000)), "until it is replaced");
        assert!(!watch.stands_still(version(8), at(90_000)));
    }

    #[test]
    fn a_clock_that_steps_back_begins_the_thirty_seconds_anew() {
        let watch = Watch::default();
        assert!(!watch.stands_still(version(1), at(1_000_000)));
        assert!(!watch.stands_still(version(1), at(5)));
        assert!(watch.stands_still(version(1), at(30_005)));
    }

    #[test]
    fn a_format_is_newer_by_its_first_byte_alone() {
        for (bytes, newer) in [
            (&b""[..], false),
            (&[0], false),
            (&[2, 9, 9], false),
            (&[3], true),
            (&[255; 400], true),
        ] {
            assert_eq!(is_newer(bytes, 2), newer, "{bytes:?}");
        }
    }

    #[test]
    fn the_same_is_said_once_in_thirty_seconds() {
        let watch = Watch::default();
        assert!(watch.is_news(false, at(0)));
        assert!(!watch.is_news(false, at(29_999)));
        assert!(watch.is_news(true, at(29_999)));
        assert!(!watch.is_news(true, at(59_998)));
        assert!(watch.is_news(true, at(59_999)));
    }
}
