//! Sets of HTTP status codes and of gRPC status codes.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

const LOWEST: u16 = 100;
const HIGHEST: u16 = 599;

/// A set of HTTP status codes from 100 to 599, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StatusSet([u64; 8]);

impl StatusSet {
    pub fn range(from: u16, to: u16) -> Self {
        let mut set = Self::default();
        for code in from..=to {
            set.insert(code);
        }
        set
    }

    /// The set, and this code.
    pub(crate) fn with(mut self, code: u16) -> Self {
        self.insert(code);
        self
    }

    pub fn contains(&self, code: u16) -> bool {
        let (word, bit) = position(code);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn insert(&mut self, code: u16) {
        let (word, bit) = position(code);
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= bit;
        }
    }
}

fn position(code: u16) -> (usize, u64) {
    // A code below 100 wraps far past the last word, and so is in no set.
    let index = usize::from(code.wrapping_sub(LOWEST));
    (index / 64, 1 << (index % 64))
}

/// A class (`5xx`), a code (`503`) or a range (`500-504`).
fn parse(text: &str) -> Option<(u16, u16)> {
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
    (LOWEST <= from && from <= to && to <= HIGHEST).then_some((from, to))
}

impl<'de> Deserialize<'de> for StatusSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SetVisitor;

        impl<'de> Visitor<'de> for SetVisitor {
            type Value = StatusSet;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a list of statuses, such as ["5xx", "429", "200-299"]"#)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<StatusSet, A::Error> {
                let mut set = StatusSet::default();
                while let Some(range) = seq.next_element::<StatusRange>()? {
                    for code in range.0..=range.1 {
                        set.insert(code);
                    }
                }
                Ok(set)
            }
        }

        deserializer.deserialize_seq(SetVisitor)
    }
}

struct StatusRange(u16, u16);

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RangeVisitor;

        impl Visitor<'_> for RangeVisitor {
            type Value = StatusRange;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a status from 100 to 599, such as "5xx", "429" or "200-299""#)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<StatusRange, E> {
                parse(text)
                    .map(|(from, to)| StatusRange(from, to))
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(RangeVisitor)
    }
}

/// The gRPC status codes by name, in the order of their numbers.
pub(super) const GRPC_NAMES: [&str; 17] = [
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
    pub const fn of<const N: usize>(codes: [u8; N]) -> Self {
        let mut bits = 0;
        let mut rest: &[u8] = &codes;
        while let [code, tail @ ..] = rest {
            bits |= 1 << *code;
            rest = tail;
        }
        Self(bits)
    }

    pub fn contains(self, code: u8) -> bool {
        1_u32.checked_shl(u32::from(code)).is_some_and(|bit| self.0 & bit != 0)
    }
}

impl<'de> Deserialize<'de> for GrpcSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let codes = Vec::<GrpcCode>::deserialize(deserializer)?;
        Ok(Self(codes.iter().fold(0, |bits, code| bits | 1 << code.0)))
    }
}

struct GrpcCode(u8);

impl<'de> Deserialize<'de> for GrpcCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CodeVisitor;

        impl Visitor<'_> for CodeVisitor {
            type Value = GrpcCode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"the name of a gRPC status, such as "UNAVAILABLE""#)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<GrpcCode, E> {
                let code = GRPC_NAMES
                    .iter()
                    .zip(0..)
                    .find_map(|(name, code)| (*name == text).then_some(GrpcCode(code)));
                code.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(CodeVisitor)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use super::*;

    fn set(json: &str) -> Result<StatusSet, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn classes_codes_and_ranges_make_one_set() {
        let set = set(r#"["5xx", "429", "200-299"]"#).unwrap();
        for code in [200, 299, 429, 500, 599] {
            assert!(set.contains(code), "{code}");
        }
        for code in [0, 99, 100, 199, 300, 428, 430, 499, 600, 611, u16::MAX] {
            assert!(!set.contains(code), "{code}");
        }
    }

    #[test]
    fn a_status_that_cannot_be_is_refused_with_a_remedy() {
        for json in [r#"["6xx"]"#, r#"["99"]"#, r#"["504-500"]"#, r#"["xx"]"#, r#"["5XX"]"#] {
            let error = set(json).unwrap_err();
            assert!(error.contains(r#"such as "5xx""#), "{error}");
        }
    }

    #[test]
    fn grpc_codes_go_by_their_names() {
        let set: GrpcSet = serde_json::from_str(r#"["UNKNOWN", "UNAUTHENTICATED"]"#).unwrap();
        assert_eq!(set, GrpcSet::of([2, 16]));
        assert!(set.contains(2) && set.contains(16) && !set.contains(0) && !set.contains(200));
        assert!(serde_json::from_str::<GrpcSet>(r#"["unknown"]"#).is_err());
    }
}
