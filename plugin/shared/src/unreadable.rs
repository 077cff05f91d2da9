//! Stored bytes that this module cannot read: when they are replaced.
//!
//! A value's first byte is its format. Bytes of a known format that cannot be read are damage, and
//! are replaced at once. Bytes of a newer format may be a newer module's, which is at work beside
//! this one until the last stream of this one has ended. They are left alone for as long as somebody
//! writes them, which their version in the store tells. Once they were not written for
//! [`GONE`], that module is taken for gone, as one that was rolled back is, and they are replaced
//! as well.
//!
//! Each worker finds out by itself. Whoever replaces does so by compare-and-swap of the version that
//! was not read, so that a newer module which comes back at that moment wins.

use std::cell::Cell;
use std::time::Duration;

use breaker::Timestamp;

use crate::port::Version;

/// How long bytes of a newer format are left alone after they were last written.
pub const GONE: Duration = Duration::from_secs(30);

/// What one worker remembers of a value that it could not read.
#[derive(Debug, Default)]
pub struct Watch {
    /// The version that it saw last, and since when.
    seen: Cell<Option<(Version, Timestamp)>>,
    /// When it last warned, and whether the value was to be replaced.
    warned: Cell<Option<(Timestamp, bool)>>,
}

/// A value that cannot be read, and what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable<'a> {
    /// The service that it belongs to; `None`: it belongs to all.
    pub service: Option<&'a str>,
    /// What is wrong, or else what it should be.
    pub problem: &'a str,
    /// Whether it is replaced. If not, it is left alone for now.
    pub replaced: bool,
    /// Whether to warn of it: once in [`GONE`] by each worker.
    pub warn: bool,
}

/// Takes note of values that cannot be read. Each look at one is reported.
pub trait Report {
    /// A value cannot be read.
    fn unreadable(&mut self, value: Unreadable<'_>);
}

impl Watch {
    /// Whether a value is replaced now, and whether to warn of it. `newer`: its format is beyond the
    /// newest one that is known.
    pub(crate) fn look(&self, newer: bool, version: Version, now: Timestamp) -> (bool, bool) {
        let replaced = !newer || self.stands_still(version, now);
        (replaced, self.is_news(replaced, now))
    }

    /// Whether nobody has written a value for long, as far as this worker knows.
    fn stands_still(&self, version: Version, now: Timestamp) -> bool {
        let since = match self.seen.get() {
            // No later than now, even if the clock stepped back.
            Some((seen, since)) if seen == version => since.min(now),
            _ => now,
        };
        self.seen.set(Some((version, since)));
        now.since(since) >= GONE
    }

    /// Whether the same warning was not given yet, or not for long.
    fn is_news(&self, replaced: bool, now: Timestamp) -> bool {
        let warned = self.warned.get().filter(|(_, warned)| *warned == replaced);
        let is_news = warned.is_none_or(|(at, _)| now.since(at) >= GONE || now < at);
        if is_news {
            self.warned.set(Some((now, replaced)));
        }
        is_news
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that panics has failed, as it should")]
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
    fn the_same_warning_is_given_once_in_thirty_seconds() {
        let watch = Watch::default();
        assert!(watch.is_news(false, at(0)));
        assert!(!watch.is_news(false, at(29_999)));
        assert!(watch.is_news(true, at(29_999)));
        assert!(!watch.is_news(true, at(59_998)));
        assert!(watch.is_news(true, at(59_999)));
    }
}
