//! What is kept of one breaker, and its bytes in the shared store.

use breaker::{CheckResult, UnixTime};
use shared::Reader;

use super::answered::Answered;
use super::failure::{Failure, FailureKind, Failures};
use crate::parts::FORMAT;

/// How many health checks are kept.
const MOST_CHECKS: usize = 10;

/// In the place of a result: the check could not be made.
const SKIPPED: u8 = 2;

/// What is kept of one breaker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    /// When it left the closed state last.
    pub(crate) since: Option<Since>,
    pub(crate) failures: Failures,
    /// The oldest first.
    pub(crate) checks: Vec<Check>,
}

/// A moment, and what was counted by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since {
    pub(crate) at: UnixTime,
    /// `None`: the proxy does not tell.
    pub(crate) answered: Option<Answered>,
}

/// A health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) at: UnixTime,
    /// `None`: it could not be made, since the proxy has no such cluster.
    pub(crate) result: Option<CheckResult>,
    /// The status of the answer, if there was one.
    pub(crate) status: Option<u16>,
}

impl Notes {
    pub(crate) fn push_check(&mut self, check: Check) {
        if self.checks.len() >= MOST_CHECKS {
            self.checks.remove(0);
        }
        self.checks.push(check);
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.push(self.since.map_or(0, |since| 1 + u8::from(since.answered.is_some())));
        if let Some(Since { at, answered }) = self.since {
            push_u64(&mut bytes, at.as_nanos());
            if let Some(Answered { by, diverted }) = answered {
                by.into_iter().for_each(|count| push_u64(&mut bytes, count));
                push_u64(&mut bytes, diverted);
            }
        }
        let failures = || self.failures.iter().flatten();
        bytes.push(u8::try_from(failures().count()).unwrap_or_default());
        for failure in failures() {
            push(&mut bytes, failure.kind as u8, failure.status, failure.at);
        }
        for check in &self.checks {
            let result = check.result.map_or(SKIPPED, |result| result as u8);
            push(&mut bytes, result, check.status, check.at);
        }
        bytes
    }

    /// `None`: the bytes are no such notes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes.strip_prefix(&[FORMAT])?);
        let mut notes = Self::default();
        let since = rest.u8()?;
        if since > 0 {
            let mut answered = None;
            let at = UnixTime::from_nanos(rest.u64()?);
            if since > 1 {
                let mut counted = Answered::default();
                for count in &mut counted.by {
                    *count = rest.u64()?;
                }
                counted.diverted = rest.u64()?;
                answered = Some(counted);
            }
            notes.since = Some(Since { at, answered });
        }
        for _ in 0..rest.u8()? {
            let (number, status, at) = read(&mut rest)?;
            let kind = *FailureKind::ALL.get(usize::from(number))?;
            *notes.failures.get_mut(usize::from(number))? = Some(Failure { at, kind, status });
        }
        while !rest.is_empty() {
            let (result, status, at) = read(&mut rest)?;
            let known = [CheckResult::Healthy, CheckResult::Unhealthy];
            let result = known.into_iter().find(|it| *it as u8 == result);
            notes.push_check(Check { at, result, status });
        }
        Some(notes)
    }
}

fn push_u64(bytes: &mut Vec<u8>, number: u64) {
    bytes.extend(number.to_le_bytes());
}

fn push(bytes: &mut Vec<u8>, what: u8, status: Option<u16>, at: UnixTime) {
    bytes.push(what);
    bytes.extend(status.unwrap_or_default().to_le_bytes());
    push_u64(bytes, at.as_nanos());
}

fn read(rest: &mut Reader<'_>) -> Option<(u8, Option<u16>, UnixTime)> {
    let (what, status, at) = (rest.u8()?, rest.u16()?, rest.u64()?);
    Some((what, Some(status).filter(|it| *it > 0), UnixTime::from_nanos(at)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use super::*;

    fn full() -> Notes {
        let at = UnixTime::from_nanos(1_700_000_000_000_000_000);
        let answered = Some(Answered { by: [1, 2, 3, u64::MAX], diverted: 5 });
        let mut notes = Notes { since: Some(Since { at, answered }), ..Notes::default() };
        for (kept, kind) in notes.failures.iter_mut().zip(FailureKind::ALL) {
            *kept = Some(Failure { at, kind, status: Some(599) });
        }
        for result in [Some(CheckResult::Healthy), Some(CheckResult::Unhealthy), None].repeat(7) {
            notes.push_check(Check { at, result, status: None });
        }
        notes
    }

    #[test]
    fn notes_read_as_they_were_written_and_have_room_in_a_quarter_of_a_kibibyte() {
        let at = UnixTime::from_nanos(7);
        let uncounted = Some(Since { at, answered: None });
        for notes in [Notes::default(), Notes { since: uncounted, ..Notes::default() }, full()] {
            let bytes = notes.encode();
            assert_eq!(Notes::decode(&bytes), Some(notes));
            assert!(bytes.len() <= 256 - 9, "{}", bytes.len());
        }
        assert_eq!(full().checks.len(), MOST_CHECKS);
    }

    #[test]
    fn damaged_notes_are_none_or_read_without_harm() {
        let bytes = full().encode();
        for len in 0..bytes.len() {
            let read = Notes::decode(bytes.get(..len).unwrap());
            assert!(read.is_none() || (bytes.len() - len).is_multiple_of(11), "cut at {len}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            *damaged.get_mut(at).unwrap() ^= 0xff;
            let _ = Notes::decode(&damaged);
        }
        let endless = [bytes.as_slice(), &[1; 11 * 4096]].concat();
        assert_eq!(Notes::decode(&endless).unwrap().checks.len(), MOST_CHECKS);
    }
}
