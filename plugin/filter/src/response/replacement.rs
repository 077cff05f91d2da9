//! An answer in the place of one that failed.
//!
//! It is written into the failed one where that has a body: its headers take the place of the
//! others, its body that of the first piece, and whatever follows is emptied. So it passes the
//! filters that the service's answer would pass, and nothing takes it for a reply of the proxy's
//! own. A head without a body cannot be given one: there the answer is such a reply, which skips
//! them.
//!
//! The end of the failed answer stays the end of the one in its place, since a filter cannot end an
//! answer.

use crate::budget::Claim;
use crate::headers::{Headers, NOT_FORWARDED, STATUS};
use crate::response::reply::Reply;

/// What an access log finds the replaced status by, among what filters note of a stream.
pub const REPLACED_STATUS: &str = "edge_breaker_replaced_status";

/// An answer in the place of one that failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Substitute {
    /// What is answered.
    pub reply: Reply,
    pub(crate) failed: FailedResponse,
}

/// What matters of an answer that failed to the one that takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FailedResponse {
    pub(crate) status: Option<u16>,
    /// Whether its head was all of it.
    pub(crate) bare: bool,
    /// Whether its request asks for no more than a head.
    pub(crate) asked_for_head: bool,
}

impl FailedResponse {
    /// Nobody was asked, and there is no answer to write into that is anybody's: what the proxy says
    /// of it is taken back, and the filter's own reply given.
    pub(crate) const NOBODY: Self = Self { status: None, bare: true, asked_for_head: false };
}

/// What is done to have an answer take the place of another.
#[derive(Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The status that the other one had, where it can be noted for the access log.
    pub replaced: Option<u16>,
    /// How it is done.
    pub by: ReplaceBy,
}

/// How an answer takes the place of another.
#[derive(Debug, PartialEq, Eq)]
pub enum ReplaceBy {
    /// These are all headers that the other one has from now on. It goes on, and its body is replaced
    /// as it comes.
    Rewriting(Headers),
    /// The other one is dropped, and this is the proxy's own reply.
    LocalReply(Reply),
}

/// What becomes of the trailers of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum TrailersVerdict {
    /// They go on.
    Continue,
    /// They are removed, all of them.
    Remove,
    /// No piece of a body came before them that could have been replaced: this has to be the proxy's
    /// own reply, or where it is too late for that, the answer is cut off.
    Reply(Reply),
}

/// A body that waits for the first piece of the failed one. Its memory is counted.
#[derive(Debug)]
pub(crate) struct PendingBody {
    reply: Reply,
    _claim: Claim,
}

impl Substitute {
    /// Writes the answer into the failed one, whose `headers` are asked for: those that it has from
    /// now on, and its body. An error: it has to be a reply of the proxy's own.
    pub(crate) fn rewrite(
        self,
        headers: impl FnOnce() -> Headers,
        max_copied_bytes: usize,
    ) -> Result<(Headers, Box<PendingBody>), Reply> {
        let Self { mut reply, failed } = self;
        if failed.bare {
            return Err(reply);
        }
        let headers = reply.in_place_of(&headers(), failed.asked_for_head);
        if failed.asked_for_head || reply.is_bodiless() {
            reply.body.clear();
        }
        // The failed answer may be long in coming, and this waits for it.
        match Claim::new(reply.body.capacity(), max_copied_bytes) {
            Some(claim) => Ok((headers, Box::new(PendingBody { reply, _claim: claim }))),
            None => Err(reply),
        }
    }
}

/// Puts something in the place of a piece of the failed answer's body, `len` bytes long: all of the
/// other one's, or nothing.
#[inline(never)]
pub(crate) fn replace_piece(
    pending: &mut Option<Box<PendingBody>>,
    len: usize,
    put: impl FnOnce(&[u8]),
) {
    match pending.take() {
        Some(pending) => put(&pending.reply.body),
        None if len > 0 => put(&[]),
        None => {}
    }
}

/// Decides on the trailers of the failed answer.
pub(crate) fn replace_trailers(pending: Option<Box<PendingBody>>) -> TrailersVerdict {
    match pending {
        Some(pending) if !pending.reply.body.is_empty() => TrailersVerdict::Reply(pending.reply),
        _ => TrailersVerdict::Remove,
    }
}

impl Reply {
    /// Whether it has no body, whatever was given for one.
    const fn is_bodiless(&self) -> bool {
        matches!(self.status, 204 | 205 | 304)
    }

    /// The length that it says its body has, if it says one.
    fn length(&self, asked_for_head: bool) -> Option<usize> {
        match self.status {
            204 | 304 => None,
            205 => Some(0),
            _ if asked_for_head && self.body.is_empty() => None,
            _ => Some(self.body.len()),
        }
    }

    /// Its head, in the place of another. What the other says of who may read it stays: the page
    /// that asks has asked the service, and what it may was said there, or by the proxy's route.
    fn in_place_of(&self, other: &Headers, asked_for_head: bool) -> Headers {
        let is_access = |name: &[u8]| name.starts_with(b"access-control-");
        let says_access = self.headers.iter().any(|(name, _)| is_access(name.as_bytes()));
        let status = self.status.to_string();
        let length = self.length(asked_for_head).map(|length| length.to_string());
        let mut pairs = vec![(STATUS, status.as_bytes())];
        pairs.extend(
            other.iter().filter(|(name, _)| *name == b"vary" || (is_access(name) && !says_access)),
        );
        let own = self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
        pairs.extend(own.filter(|(name, _)| !NOT_FORWARDED.contains(name)));
        pairs.extend(length.iter().map(|length| (&b"content-length"[..], length.as_bytes())));
        Headers::from_pairs(&pairs)
    }
}
