//! An answer that is being copied while it streams by.

use breaker::Timestamp;

use super::entry::Entry;
use super::rules::{self, Allowed};
use crate::budget::{Body, Claim, FinishedCopy, Head, PendingCopy, Taken};
use crate::headers::Headers;
use config::Stale;

/// Headers that belong to a connection or to the framing of a message, and those that are made anew.
const NOT_KEPT: [&[u8]; 11] = [
    b"age",
    b"connection",
    b"content-length",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"warning",
];

/// A copy of an answer, so far.
#[derive(Debug)]
pub(crate) struct Copy {
    slot: u32,
    /// `None`: there was no room for it.
    ticket: Option<PendingCopy>,
    /// How long the body may be.
    limit: usize,
    /// How long it is so far.
    len: usize,
    /// How long it is said to be.
    announced: Option<usize>,
    complete: bool,
}

/// What a copy has come to when its answer has ended well.
pub(super) enum Ended {
    Whole(Entry, Body, Claim),
    /// The answer was not whole.
    Cut,
    /// There was no room for it.
    Skipped,
}

impl Copy {
    pub(super) fn begin(
        slot: u32,
        key: Vec<u8>,
        (request, answer): (&Headers, &Headers),
        status: u16,
        end_of_stream: bool,
        stale: &Stale,
        budget: usize,
    ) -> Option<Self> {
        let Allowed { age, oldest, vary, public } = rules::answer_allows(answer)?;
        if !public && rules::tells_who_asks(request) {
            return None;
        }
        let announced = match answer.get(b"content-length") {
            Some(length) => Some(std::str::from_utf8(length).ok()?.parse().ok()?),
            None => None,
        };
        if announced.is_some_and(|length| length > stale.max_response_bytes) {
            return None;
        }
        let vary = vary.into_iter().map(|name| {
            let value = rules::combined(request, &name);
            (name, value)
        });
        let kept = answer.iter().filter(|(name, _)| {
            let ours = name.starts_with(b"x-circuit-breaker-");
            name.first() != Some(&b':') && !ours && !NOT_KEPT.contains(name)
        });
        let entry = Entry {
            vary: vary.collect(),
            headers: kept.map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
            key,
            stored: Timestamp::default(),
            age,
            oldest,
            status,
        };
        entry.is_bounded().then(|| Self {
            slot,
            ticket: PendingCopy::begin(Head::Answer(Box::new(entry)), budget),
            limit: stale.max_response_bytes,
            len: 0,
            announced,
            complete: end_of_stream,
        })
    }

    pub(super) const fn slot(&self) -> u32 {
        self.slot
    }

    /// Takes a piece of the body. `false`: it does not fit, and the copy is worth nothing.
    pub(crate) fn take(
        &mut self,
        len: usize,
        end: bool,
        budget: usize,
        bytes: impl FnOnce() -> Option<Vec<u8>>,
    ) -> bool {
        let Some(ticket) = &self.ticket else {
            return true;
        };
        if len > self.limit.saturating_sub(self.len) {
            return false;
        }
        if len > 0 {
            match ticket.take(len, budget, bytes) {
                Taken::Yes => self.len = self.len.saturating_add(len),
                Taken::NoRoom => self.ticket = None,
                Taken::Withheld => return false,
            }
        }
        self.complete = end;
        true
    }

    /// The answer has ended well.
    pub(super) fn end(self, now: Timestamp) -> Ended {
        let whole = self.announced.is_none_or(|length| length == self.len);
        match self.ticket.map(PendingCopy::finish) {
            _ if !self.complete || !whole => Ended::Cut,
            Some(Some(FinishedCopy { head: Head::Answer(entry), body, claim })) => {
                Ended::Whole(Entry { stored: now, ..*entry }, body, claim)
            }
            _ => Ended::Skipped,
        }
    }
}
