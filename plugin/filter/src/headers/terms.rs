//! Terms that a request sets for itself: how long it may take, and how often it is tried.
//!
//! A time that is over on such terms says nothing of the service. Envoy removes these headers where
//! it does not trust whoever sent them, so those that are there are in force.

use std::time::Duration;

/// What a request asks of the proxy's router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The shortest of the times that it gives.
    deadline: Option<Duration>,
    /// Whether it asks for retries, which may go on until the route's time is over, good answers
    /// or not.
    retries: bool,
}

const PREFIX: &[u8] = b"x-envoy-";

/// Times in milliseconds; zero is no limit. Not `x-envoy-expected-rq-timeout-ms`: each proxy on the way
/// sets it to its own route's timeout, and few heed it.
const DEADLINES: [&[u8]; 2] =
    [b"x-envoy-upstream-rq-timeout-ms", b"x-envoy-upstream-rq-per-try-timeout-ms"];

const RETRIES: [&[u8]; 6] = [
    b"x-envoy-retry-on",
    b"x-envoy-retry-grpc-on",
    b"x-envoy-max-retries",
    b"x-envoy-retriable-status-codes",
    b"x-envoy-retriable-header-names",
    b"x-envoy-hedge-on-per-try-timeout",
];

impl Terms {
    /// Takes note of a header.
    #[inline(always)]
    pub(super) fn note(&mut self, name: &[u8], value: &[u8]) {
        if name.starts_with(PREFIX) {
            self.note_own(name, value);
        }
    }

    #[inline(never)]
    fn note_own(&mut self, name: &[u8], value: &[u8]) {
        if DEADLINES.contains(&name) {
            self.ends_within(number(value).map(Duration::from_millis));
        } else {
            self.retries |= RETRIES.contains(&name);
        }
    }

    /// Takes note of a gRPC call's `grpc-timeout`: at most eight digits and a unit.
    #[inline(never)]
    pub(crate) fn note_grpc_timeout(&mut self, value: &[u8]) {
        let timeout = value.split_last().and_then(|(unit, digits)| {
            let amount = number(digits).filter(|_| digits.len() <= 8)?;
            Some(match unit {
                b'H' => Duration::from_secs(amount.saturating_mul(3_600)),
                b'M' => Duration::from_secs(amount.saturating_mul(60)),
                b'S' => Duration::from_secs(amount),
                b'm' => Duration::from_millis(amount),
                b'u' => Duration::from_micros(amount),
                b'n' => Duration::from_nanos(amount),
                _ => return None,
            })
        });
        self.ends_within(timeout);
    }

    #[inline]
    fn ends_within(&mut self, time: Option<Duration>) {
        if let Some(time) = time.filter(|time| !time.is_zero()) {
            self.deadline = Some(self.deadline.map_or(time, |known| known.min(time)));
        }
    }

    /// Whether a time that is over can be over on these terms alone: a deadline shorter than one that
    /// says something of the service, or retries.
    #[inline]
    pub(crate) fn may_end_early(self, shortest: Duration) -> bool {
        self.retries || self.deadline.is_some_and(|deadline| deadline < shortest)
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORTEST: Duration = Duration::from_secs(5);

    fn terms(headers: &[(&str, &str)]) -> Terms {
        let mut terms = Terms::default();
        for (name, value) in headers {
            terms.note(name.as_bytes(), value.as_bytes());
        }
        terms
    }

    fn within(timeout: &str) -> bool {
        let mut terms = Terms::default();
        terms.note_grpc_timeout(timeout.as_bytes());
        terms.may_end_early(SHORTEST)
    }

    #[test]
    fn a_grpc_timeout_is_read_in_each_of_its_units() {
        for short in ["1H", "1M", "5S", "5000m", "5000000u", "99999999M"] {
            assert!(!within(short), "{short}");
        }
        for short in ["4S", "4999m", "4999999u", "99999999n", "1m"] {
            assert!(within(short), "{short}");
        }
    }

    #[test]
    fn a_time_that_is_none_sets_no_terms() {
        for none in ["", "S", "5", "-1S", "+1S", "1 S", "1s", "999999999n", "0S", "1.5S", "\u{b2}S"]
        {
            assert!(!within(none), "{none}");
        }
        for none in ["", "0", "-5", "abc", "1e3", "18446744073709551616"] {
            let terms = terms(&[("x-envoy-upstream-rq-timeout-ms", none)]);
            assert!(!terms.may_end_early(SHORTEST), "{none}");
        }
    }

    #[test]
    fn the_shortest_of_several_times_is_in_force() {
        let long = ("x-envoy-upstream-rq-timeout-ms", "60000");
        assert!(!terms(&[long]).may_end_early(SHORTEST));
        let both = [long, ("x-envoy-upstream-rq-per-try-timeout-ms", "100")];
        assert!(terms(&both).may_end_early(SHORTEST));
    }

    #[test]
    fn retries_that_a_client_asks_for_are_terms_of_its_own() {
        assert!(terms(&[("x-envoy-retry-on", "5xx")]).may_end_early(SHORTEST));
        assert!(!terms(&[("x-envoy-attempt-count", "1")]).may_end_early(SHORTEST));
    }
}
