//! An answer that is being copied while it streams by.

use breaker::Timestamp;

use super::entry::Entry;
use super::rules::{self, Allowed};
use crate::config::Stale;
use crate::headers::Headers;

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
    entry: Entry,
    limit: usize,
    /// How long the body is said to be.
    announced: Option<usize>,
    complete: bool,
}

impl Copy {
    pub(super) fn begin(
        slot: u32,
        key: Vec<u8>,
        request: &Headers,
        status: u16,
        answer: &Headers,
        end_of_stream: bool,
        stale: &Stale,
    ) -> Option<Self> {
        let Allowed { age, oldest, vary } = rules::answer_allows(answer)?;
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
            key,
            stored: Timestamp::default(),
            age,
            oldest,
            status,
            vary: vary.collect(),
            headers: kept.map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
            body: Vec::new(),
        };
        let limit = stale.max_response_bytes;
        entry.is_bounded().then_some(Self {
            slot,
            entry,
            limit,
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
        bytes: impl FnOnce() -> Option<Vec<u8>>,
    ) -> bool {
        let body = &mut self.entry.body;
        if len > self.limit.saturating_sub(body.len()) {
            return false;
        }
        if len > 0 {
            match bytes() {
                Some(piece) if piece.len() == len => body.extend_from_slice(&piece),
                _ => return false,
            }
        }
        self.complete = end;
        true
    }

    /// The whole answer; `None` if it is not whole.
    pub(super) fn into_entry(self, now: Timestamp) -> Option<Entry> {
        let whole = self.announced.is_none_or(|length| length == self.entry.body.len());
        (self.complete && whole).then_some(Entry { stored: now, ..self.entry })
    }
}
