//! Headers as the proxy hands them over: one buffer, read in place, bytes throughout.
//!
//! The buffer is proxy-wasm's serialised map: the number of pairs, then the lengths of each name
//! and value, then names and values, each followed by a NUL; numbers are 32 bits, little-endian.
//! Reading it in place costs no allocation, and keeping it for a replay costs no copy. Whatever
//! the bytes are, reading them ends and never panics.

mod spare;
mod terms;

use std::mem;

pub(crate) use terms::Terms;

/// The request headers of the contract, which the filter sets and a client may not. Routes match
/// on the first. The third is a response header, too.
pub(crate) const CLUSTER_HEADER: &str = "x-circuit-breaker-cluster";
pub(crate) const SERVICE_HEADER: &str = "x-circuit-breaker-service";
pub(crate) const STATE_HEADER: &str = "x-circuit-breaker-state";
pub(crate) const REASON_HEADER: &str = "x-circuit-breaker-reason";

/// The request headers of a call that the fallback gets in its service's stead: to which cluster, of which
/// service, in which state, and why.
pub(crate) fn steering(
    cluster: &str,
    service: &str,
    state: &str,
    reason: &str,
) -> Vec<(&'static str, String)> {
    let headers = [
        (CLUSTER_HEADER, cluster),
        (SERVICE_HEADER, service),
        (STATE_HEADER, state),
        (REASON_HEADER, reason),
    ];
    headers.map(|(name, value)| (name, value.to_owned())).into()
}

/// The header that tells who answered, in the service's stead.
pub(crate) const FALLBACK_HEADER: &str = "x-circuit-breaker-fallback";

/// The header that has an answer's status.
pub(crate) const STATUS: &[u8] = b":status";

/// Whether a media type is that of answers which go on for as long as their clients like.
pub(crate) fn is_event_stream(media_type: &[u8]) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    media_type.get(..EVENTS.len()).is_some_and(|it| it.eq_ignore_ascii_case(EVENTS))
}

/// Headers that belong to a connection or to the framing of a message, not to the message.
pub(crate) const NOT_FORWARDED: [&[u8]; 10] = [
    b"connection",
    b"content-length",
    b"expect",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b":scheme",
];

/// What is looked at in every request, found in one pass. Of several values, the first.
#[derive(Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) method: Option<&'a [u8]>,
    pub(crate) authority: Option<&'a [u8]>,
    pub(crate) path: Option<&'a [u8]>,
    pub(crate) content_type: Option<&'a [u8]>,
    /// Whether another protocol is offered.
    pub(crate) upgrade: bool,
    /// Which of the filter's own headers the client has sent.
    pub(crate) reserved: ReservedHeaders,
    /// What the request asks of the proxy's router.
    pub(crate) terms: Terms,
}

/// Which of the filter's own request headers a client has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReservedHeaders(u8);

/// What all headers of the filter's own begin with.
const OWN_PREFIX: &[u8] = b"x-circuit-breaker-";

impl ReservedHeaders {
    const NAMES: [&str; 4] = [CLUSTER_HEADER, SERVICE_HEADER, STATE_HEADER, REASON_HEADER];

    #[inline]
    fn note(&mut self, name: &[u8]) {
        if name.starts_with(OWN_PREFIX)
            && let Some(place) = Self::NAMES.iter().position(|own| own.as_bytes() == name)
        {
            self.0 |= 1 << place;
        }
    }

    /// Whether there is none.
    #[must_use]
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let sent = move |(place, name)| (self.0 >> place & 1 != 0).then_some(name);
        (0_u8..).zip(Self::NAMES).filter_map(sent)
    }

    /// Whether the one is among them that routes match on.
    #[inline]
    pub(crate) const fn has_cluster(self) -> bool {
        self.0 & 1 != 0
    }
}

/// Which of the filter's own response headers a service has sent, which only the filter may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReservedResponseHeaders(u8);

impl ReservedResponseHeaders {
    pub(crate) const NONE: Self = Self(0);
    const NAMES: [&str; 2] = [STATE_HEADER, FALLBACK_HEADER];

    #[inline(always)]
    pub(crate) fn note(&mut self, name: &[u8]) {
        if name.starts_with(OWN_PREFIX)
            && let Some(place) = Self::NAMES.iter().position(|own| own.as_bytes() == name)
        {
            self.0 |= 1 << place;
        }
    }

    /// All of them, where nobody has looked.
    pub(crate) const ALL: Self = Self(3);

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let sent = move |(place, name)| (self.0 >> place & 1 != 0).then_some(name);
        (0_u8..).zip(Self::NAMES).filter_map(sent)
    }
}

/// What a pair takes in the serialised map beside its texts.
const NUMBERS_AND_NULS: usize = 2 * size_of::<u32>() + 2;

/// The headers of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<u8>);

impl Drop for Headers {
    #[inline]
    fn drop(&mut self) {
        spare::give(mem::take(&mut self.0));
    }
}

impl Headers {
    /// From proxy-wasm's serialised map.
    #[must_use]
    #[inline]
    pub const fn from_serialized(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// An empty buffer with room for so many bytes: one that other headers have left, if there is
    /// one that will do.
    #[must_use]
    #[inline]
    pub fn buffer(size: usize) -> Vec<u8> {
        spare::take(size)
    }

    /// From pairs of names, in lower case, and values.
    pub fn from_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Self {
        let pairs = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        Self::serialized(pairs, Vec::with_capacity)
    }

    /// Those of a message that has come, in the memory that other headers have left.
    pub fn collect<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Self {
        Self::serialized(pairs, Self::buffer)
    }

    fn serialized<'a>(
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        buffer: impl FnOnce(usize) -> Vec<u8>,
    ) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
        let (mut count, mut size) = (0_usize, size_of::<u32>());
        for (name, value) in pairs.clone() {
            count = count.saturating_add(1);
            size = [name.len(), value.len(), NUMBERS_AND_NULS]
                .iter()
                .fold(size, |sum, more| sum.saturating_add(*more));
        }
        let mut bytes = buffer(size);
        bytes.extend_from_slice(&number(count));
        for (name, value) in pairs.clone() {
            bytes.extend_from_slice(&number(name.len()));
            bytes.extend_from_slice(&number(value.len()));
        }
        for (name, value) in pairs {
            for part in [name, value] {
                bytes.extend_from_slice(part);
                bytes.push(0);
            }
        }
        Self(bytes)
    }

    /// The serialised map.
    #[must_use]
    pub fn into_serialized(mut self) -> Vec<u8> {
        mem::take(&mut self.0)
    }

    /// How much memory they take.
    pub(crate) const fn size(&self) -> usize {
        self.0.capacity()
    }

    /// Names and values, in their order.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        let (count, rest) = take_number(&self.0).unwrap_or((0, &[]));
        let (lengths, data) = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(8))
            .and_then(|lengths| rest.split_at_checked(lengths))
            .unwrap_or((&[], &[]));
        Iter { lengths, data }
    }

    /// All values of a name.
    #[inline]
    pub(crate) fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The first value of a name.
    #[inline]
    pub(crate) fn get<'a>(&'a self, name: &'a [u8]) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// What is looked at in every request.
    #[inline]
    pub(crate) fn facts(&self) -> Facts<'_> {
        let mut facts = Facts::default();
        for (name, value) in self.iter() {
            // By their lengths first, then as wholes: patterns would be compared byte by byte, each by
            // code of its own.
            let fact = match name.len() {
                5 if name == b":path" => &mut facts.path,
                7 if name == b":method" => &mut facts.method,
                7 if name == b"upgrade" => {
                    facts.upgrade = true;
                    continue;
                }
                10 if name == b":authority" => &mut facts.authority,
                12 if name == b"content-type" => &mut facts.content_type,
                _ => {
                    facts.reserved.note(name);
                    facts.terms.note(name, value);
                    continue;
                }
            };
            fact.get_or_insert(value);
        }
        facts
    }

    pub(crate) fn authority(&self) -> Option<&[u8]> {
        self.get(b":authority")
    }

    pub(crate) fn path(&self) -> Option<&[u8]> {
        self.get(b":path")
    }

    pub(crate) fn method(&self) -> Option<&[u8]> {
        self.get(b":method")
    }

    /// The HTTP status of an answer, if it has one.
    #[inline]
    pub(crate) fn status(&self) -> Option<u16> {
        self.get(STATUS).and_then(status)
    }
}

/// An HTTP status: three digits, from 100 to 599 (RFC 9110, section 15).
#[inline]
pub(crate) fn status(text: &[u8]) -> Option<u16> {
    if text.len() != 3 {
        return None;
    }
    let mut number = 0;
    for byte in text {
        number = number * 10 + u16::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    is_status(number).then_some(number)
}

/// Whether a number is an HTTP status.
#[inline]
pub(crate) const fn is_status(number: u16) -> bool {
    matches!(number, 100..=599)
}

/// How gRPC is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrpcFlavour {
    /// Over HTTP/2, with its status in trailers.
    Plain,
    /// gRPC-Web: over any HTTP, with its status in the last piece of the body.
    Web,
}

/// The flavour of gRPC that a content type names; `None`: none.
#[inline]
pub(crate) fn grpc_flavour(content_type: &[u8]) -> Option<GrpcFlavour> {
    const GRPC: &[u8] = b"application/grpc";
    let (head, rest) = content_type.split_at_checked(GRPC.len())?;
    if !head.eq_ignore_ascii_case(GRPC) {
        return None;
    }
    let (flavour, rest) = match rest.split_at_checked(4) {
        Some((web, rest)) if web.eq_ignore_ascii_case(b"-web") => {
            let text = rest.split_at_checked(5).filter(|(it, _)| it.eq_ignore_ascii_case(b"-text"));
            (GrpcFlavour::Web, text.map_or(rest, |(_, rest)| rest))
        }
        _ => (GrpcFlavour::Plain, rest),
    };
    matches!(rest.first(), None | Some(b'+' | b';' | b' ')).then_some(flavour)
}

/// Names and values of headers.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    lengths: &'a [u8],
    data: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // Both lengths by one look.
        let (pair, lengths) = self.lengths.split_first_chunk()?;
        let pair = u64::from_le_bytes(*pair);
        self.lengths = lengths;
        let (name, data) = take_string(self.data, pair as u32)?;
        let (value, data) = take_string(data, (pair >> 32) as u32)?;
        self.data = data;
        Some((name, value))
    }
}

#[inline]
fn take_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number), rest))
}

/// The string, and what follows its NUL.
#[inline]
fn take_string(bytes: &[u8], len: u32) -> Option<(&[u8], &[u8])> {
    let (string, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    Some((string, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use super::*;

    fn sample() -> Headers {
        Headers::from_pairs(&[
            (":path", &b"/a"[..]),
            ("x-odd", b"\xff\x00\xfe"),
            ("x-odd", b""),
            (":authority", b"example.com"),
        ])
    }

    #[test]
    fn headers_are_read_in_place_whatever_bytes_they_hold() {
        let headers = sample();
        assert_eq!(headers.path(), Some(&b"/a"[..]));
        assert_eq!(headers.authority(), Some(&b"example.com"[..]));
        assert_eq!(headers.all(b"x-odd").collect::<Vec<_>>(), [&b"\xff\x00\xfe"[..], b""]);
        assert_eq!(headers.method(), None);
        assert_eq!(headers.iter().count(), 4);
    }

    #[test]
    fn a_status_that_is_none_is_not_guessed() {
        assert_eq!(Headers::from_pairs(&[(":status", "204")]).status(), Some(204));
        for status in ["", "20", "2000", "2x0", "+20", "\u{b2}0"] {
            assert_eq!(Headers::from_pairs(&[(":status", status)]).status(), None, "{status}");
        }
    }

    #[test]
    fn a_damaged_buffer_reads_as_fewer_headers() {
        let whole = sample().into_serialized();
        for len in 0..whole.len() {
            let cut = Headers(whole.get(..len).unwrap().to_vec());
            assert!(cut.iter().count() < 4, "cut at {len}");
        }
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            *bytes.get_mut(position).unwrap() ^= 0xff;
            assert!(Headers(bytes).iter().count() <= 4, "flipped at {position}");
        }
        assert_eq!(Headers(vec![0xff; 64]).iter().count(), 0);
    }
}
