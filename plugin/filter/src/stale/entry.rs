//! A kept answer as bytes, and as an answer again.

use std::time::Duration;

use breaker::Timestamp;
use shared::Reader;

use super::rules;
use crate::budget::body::Body;
use crate::headers::Headers;
use crate::response::reply::Reply;

pub(super) const FORMAT: u8 = 1;

/// The longest address of an answer that is kept, in bytes.
pub(super) const LONGEST_ADDRESS: usize = 4 * 1024;
/// With what says whose it is, where names make room for each other.
const LONGEST_KEY: usize = LONGEST_ADDRESS + 16;
/// The most that all headers of a kept answer may take, and what it depends on.
const LONGEST_HEADERS: usize = 16 * 1024;
const LONGEST_VARY: usize = 4 * 1024;

/// What an entry may have beside its body, in bytes: address, headers, what it depends on, and the
/// numbers that say how long each is, which are counted as headers are.
pub(crate) const OVERHEAD: usize = LONGEST_ADDRESS + LONGEST_HEADERS + LONGEST_VARY + 64;

// As configurations are bounded by it.
const _: () = assert!(OVERHEAD == config::STALE_OVERHEAD);

/// What a header takes in memory beside its name and its value: where they are, and what the
/// allocator adds to each.
const EACH: usize = 80;

/// No header depends on a value that is not there.
const ABSENT: u32 = u32::MAX;

/// A name of a header, and the value that the request had, if it had any.
type Vary = (Vec<u8>, Option<Vec<u8>>);

/// A kept answer, but for its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(super) key: Vec<u8>,
    /// When it was kept.
    pub(super) stored: Timestamp,
    /// How old it was then, in whole seconds.
    pub(super) age: Duration,
    /// How old it may become.
    pub(super) oldest: Option<Duration>,
    pub(super) status: u16,
    pub(super) vary: Vec<Vary>,
    pub(super) headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// Whether it takes no more beside its body than [`OVERHEAD`].
    pub(super) fn is_bounded(&self) -> bool {
        let size = |name: &[u8], value: usize| name.len().saturating_add(value).saturating_add(8);
        let headers = self.headers.iter().map(|(name, value)| size(name, value.len()));
        let vary =
            self.vary.iter().map(|(name, value)| size(name, value.as_ref().map_or(0, Vec::len)));
        self.key.len() <= LONGEST_KEY
            && headers.fold(0, usize::saturating_add) <= LONGEST_HEADERS
            && vary.fold(0, usize::saturating_add) <= LONGEST_VARY
    }

    /// How much memory it takes.
    pub(crate) fn size(&self) -> usize {
        let size = |name: &Vec<u8>, value: usize| {
            name.capacity().saturating_add(value).saturating_add(EACH)
        };
        let headers = self.headers.iter().map(|(name, value)| size(name, value.capacity()));
        let vary = self.vary.iter();
        let vary = vary.map(|(name, value)| size(name, value.as_ref().map_or(0, Vec::capacity)));
        headers.chain(vary).fold(self.key.capacity(), usize::saturating_add)
    }

    /// For how long it has been kept; `None`: it may be given no more, or was kept in the future.
    pub(super) fn kept_for(&self, now: Timestamp) -> Option<Duration> {
        let kept = (now >= self.stored).then(|| now.since(self.stored))?;
        let age = self.age.saturating_add(kept);
        self.oldest.is_none_or(|oldest| age <= oldest).then_some(kept)
    }

    /// Whether it answers a request with these headers, too (RFC 9111, 4.1).
    pub(super) fn fits(&self, request: &Headers) -> bool {
        self.vary.iter().all(|(name, value)| rules::combined(request, name) == *value)
    }

    /// The answer, marked as what it is.
    pub(super) fn reply(self, body: Vec<u8>, kept: Duration, head: bool) -> Option<Reply> {
        let mut headers = Vec::with_capacity(self.headers.len().saturating_add(2));
        for (name, value) in self.headers {
            headers.push((String::from_utf8(name).ok()?, value));
        }
        let age = self.age.saturating_add(kept).as_secs().to_string();
        headers.push(("age".to_owned(), age.into_bytes()));
        headers.push(("warning".to_owned(), b"110 - \"Response is Stale\"".to_vec()));
        let body = if head { Vec::new() } else { body };
        Some(Reply { status: self.status, headers, body })
    }

    pub(super) fn encode(&self, body: &Body) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(body.len().saturating_add(self.size())));
        out.0.extend([FORMAT, 0]);
        out.0.extend(self.status.to_le_bytes());
        out.0.extend(self.stored.as_nanos().to_le_bytes());
        out.seconds(Some(self.age));
        out.seconds(self.oldest);
        out.bytes(&self.key);
        out.number(self.vary.len());
        for (name, value) in &self.vary {
            out.bytes(name);
            match value {
                Some(value) => out.bytes(value),
                None => out.0.extend(ABSENT.to_le_bytes()),
            }
        }
        out.number(self.headers.len());
        for (name, value) in &self.headers {
            out.bytes(name);
            out.bytes(value);
        }
        out.number(body.len());
        for piece in body.pieces() {
            out.0.extend_from_slice(piece);
        }
        out.0
    }

    /// An answer and its body. `None`: these bytes are no entry, or an emptied slot.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, Vec<u8>)> {
        let mut input = Reader(bytes);
        let [FORMAT, _] = input.array()? else {
            return None;
        };
        let status = input.u16()?;
        let stored = Timestamp::from_nanos(input.u64()?);
        let (age, oldest) = (seconds(&mut input)?.unwrap_or_default(), seconds(&mut input)?);
        let key = field(&mut input)??.to_vec();
        let mut vary = Vec::new();
        for _ in 0..input.u32()? {
            vary.push((field(&mut input)??.to_vec(), field(&mut input)?.map(<[u8]>::to_vec)));
        }
        let mut headers = Vec::new();
        for _ in 0..input.u32()? {
            headers.push((field(&mut input)??.to_vec(), field(&mut input)??.to_vec()));
        }
        let body = field(&mut input)??.to_vec();
        let entry = Self { key, stored, age, oldest, status, vary, headers };
        (input.is_empty() && (200..600).contains(&status)).then_some((entry, body))
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: usize) {
        let number = u32::try_from(number).unwrap_or(ABSENT.saturating_sub(1));
        self.0.extend(number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn seconds(&mut self, time: Option<Duration>) {
        let seconds = time.map_or(ABSENT, |time| {
            u32::try_from(time.as_secs()).unwrap_or(ABSENT).min(ABSENT.saturating_sub(1))
        });
        self.0.extend(seconds.to_le_bytes());
    }
}

/// A time in whole seconds, if there is one; `None`: there are too few bytes.
fn seconds(input: &mut Reader<'_>) -> Option<Option<Duration>> {
    let seconds = input.u32()?;
    Some((seconds != ABSENT).then(|| Duration::from_secs(seconds.into())))
}

/// Bytes with their length before them, if there are any, likewise.
fn field<'a>(input: &mut Reader<'a>) -> Option<Option<&'a [u8]>> {
    match input.u32()? {
        ABSENT => Some(None),
        len => input.bytes(usize::try_from(len).ok()?).map(Some),
    }
}
