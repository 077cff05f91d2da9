//! Sets of HTTP status codes and of gRPC status codes.

const LOWEST: u16 = 100;
const HIGHEST: u16 = 599;

/// A set of HTTP status codes from 100 to 599, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StatusSet([u64; 8]);

impl StatusSet {
    /// None at all.
    pub(crate) const NONE: Self = Self([0; 8]);

    /// Those by which a service says that it has too much to do.
    pub const TOO_MUCH: Self = Self::NONE.with(429).with(529);

    /// All codes from one to another.
    #[must_use]
    pub(crate) const fn range(from: u16, to: u16) -> Self {
        let mut set = Self::NONE;
        let mut code = from;
        while code <= to {
            set = set.with(code);
            code += 1;
        }
        set
    }

    /// A class (`5xx`), a code (`503`) or a range (`500-504`).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (from, to) = match text.strip_suffix("xx") {
            Some(class) => {
                let first = class.parse::<u16>().ok()?.checked_mul(100)?;
                (first, first.checked_add(99)?)
            }
            None => match text.split_once('-') {
                Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
                None => (text.parse().ok()?, text.parse().ok()?),
            },
        };
        (LOWEST <= from && from <= to && to <= HIGHEST).then(|| Self::range(from, to))
    }

    /// The set, and this code.
    pub(crate) const fn with(mut self, code: u16) -> Self {
        let (word, bit) = position(code);
        if let Some((_, [bits, ..])) = self.0.split_at_mut_checked(word) {
            *bits |= bit;
        }
        self
    }

    /// The codes of both.
    pub(crate) const fn and(mut self, other: &Self) -> Self {
        let (mut these, mut those): (&mut [u64], &[u64]) = (&mut self.0, &other.0);
        while let ([bits, rest @ ..], [more, others @ ..]) = (these, those) {
            *bits |= *more;
            (these, those) = (rest, others);
        }
        self
    }

    /// Whether no code is in it.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Whether a code is in it.
    #[inline]
    #[must_use]
    pub fn contains(&self, code: u16) -> bool {
        let (word, bit) = position(code);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }
}

#[inline]
const fn position(code: u16) -> (usize, u64) {
    // A code below 100 wraps far past the last word, and so is in no set.
    let index = code.wrapping_sub(LOWEST) as usize;
    (index / 64, 1 << (index % 64))
}

/// The gRPC status codes by name, in the order of their numbers.
pub(crate) const GRPC_NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// A set of gRPC status codes, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrpcSet(u32);

impl GrpcSet {
    /// Of these codes.
    pub(crate) const fn of<const N: usize>(codes: [u8; N]) -> Self {
        let mut bits = 0;
        let mut rest: &[u8] = &codes;
        while let [code, tail @ ..] = rest {
            bits |= 1 << *code;
            rest = tail;
        }
        Self(bits)
    }

    /// The code of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let code = GRPC_NAMES.iter().zip(0..).find(|(known, _)| **known == name);
        code.map(|(_, code)| Self::of([code]))
    }

    /// The codes of both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a code is in it.
    #[inline]
    #[must_use]
    pub fn contains(self, code: u8) -> bool {
        1_u32.checked_shl(u32::from(code)).is_some_and(|bit| self.0 & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use super::*;

    fn set(texts: &[&str]) -> Option<StatusSet> {
        let sets: Option<Vec<_>> = texts.iter().map(|text| StatusSet::parse(text)).collect();
        Some(sets?.iter().fold(StatusSet::default(), StatusSet::and))
    }

    #[test]
    fn classes_codes_and_ranges_make_one_set() {
        let set = set(&["5xx", "429", "200-299"]).unwrap();
        for code in [200, 299, 429, 500, 599] {
            assert!(set.contains(code), "{code}");
        }
        for code in [0, 99, 100, 199, 300, 428, 430, 499, 600, 611, u16::MAX] {
            assert!(!set.contains(code), "{code}");
        }
    }

    #[test]
    fn a_status_that_cannot_be_is_none() {
        for text in ["6xx", "99", "504-500", "xx", "5XX"] {
            assert_eq!(set(&[text]), None, "{text}");
        }
    }

    #[test]
    fn grpc_codes_go_by_their_names() {
        let set = ["UNKNOWN", "UNAUTHENTICATED"].map(|name| GrpcSet::named(name).unwrap());
        let set = set.into_iter().fold(GrpcSet::default(), GrpcSet::and);
        assert_eq!(set, GrpcSet::of([2, 16]));
        assert!(set.contains(2) && set.contains(16) && !set.contains(0) && !set.contains(200));
        assert_eq!(GrpcSet::named("unknown"), None);
    }
}
