//! A kept answer as bytes, and as an answer again.

use std::time::Duration;

use breaker::Timestamp;

use super::rules;
use crate::budget::Body;
use crate::headers::Headers;
use crate::reply::Reply;

const VERSION: u8 = 1;

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
        out.0.extend([VERSION, 0]);
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
        let [VERSION, _] = input.array()? else {
            return None;
        };
        let status = u16::from_le_bytes(input.array()?);
        let stored = Timestamp::from_nanos(u64::from_le_bytes(input.array()?));
        let age = input.seconds()?.unwrap_or_default();
        let oldest = input.seconds()?;
        let key = input.bytes()?.to_vec();
        let mut vary = Vec::new();
        for _ in 0..input.number()? {
            let name = input.bytes()?.to_vec();
            vary.push((name, input.optional()?.map(<[u8]>::to_vec)));
        }
        let mut headers = Vec::new();
        for _ in 0..input.number()? {
            headers.push((input.bytes()?.to_vec(), input.bytes()?.to_vec()));
        }
        let body = input.bytes()?.to_vec();
        let entry = Self { key, stored, age, oldest, status, vary, headers };
        (input.0.is_empty() && (200..600).contains(&status)).then_some((entry, body))
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

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (here, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*here)
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn seconds(&mut self) -> Option<Option<Duration>> {
        let seconds = self.number()?;
        Some((seconds != ABSENT).then(|| Duration::from_secs(seconds.into())))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (here, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(here)
    }

    fn optional(&mut self) -> Option<Option<&'a [u8]>> {
        let mut ahead = Reader(self.0);
        if ahead.number()? == ABSENT {
            self.0 = ahead.0;
            return Some(None);
        }
        self.bytes().map(Some)
    }
}
