//! The head of an answer, as far as each call needs it.

use crate::headers::Headers;

const STATUS: &[u8] = b":status";

/// Set by Envoy's router on each answer of a service, however it began: the time that it took.
/// Replies of the proxy's own do not have it, nor do any where `suppress_envoy_headers` is set.
const SERVICE_TIME: &[u8] = b"x-envoy-upstream-service-time";

/// The head of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerHead {
    /// `None`: the proxy gave none.
    pub status: Option<u16>,
    /// Whether it looks as if the service had given it. If not, the proxy can be asked.
    pub of_service: bool,
}

impl AnswerHead {
    /// Reads a proxy's headers.
    #[must_use]
    pub fn read(headers: &Headers) -> Self {
        let mut head = Self::default();
        for (name, value) in headers.iter() {
            // Compared as wholes: patterns would be compared byte by byte, each by code of its own.
            if name == STATUS {
                head.status = number(value);
            } else if name == SERVICE_TIME {
                head.of_service = true;
            }
        }
        head
    }
}

/// Three digits.
fn number(text: &[u8]) -> Option<u16> {
    if text.len() != 3 {
        return None;
    }
    let mut number = 0;
    for byte in text {
        number = number * 10 + u16::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> AnswerHead {
        AnswerHead::read(&Headers::from_pairs(pairs))
    }

    #[test]
    fn an_answer_of_the_service_is_told_by_envoys_header() {
        let head = read(&[(":status", "204"), ("x-envoy-upstream-service-time", "0")]);
        assert_eq!(head, AnswerHead { status: Some(204), of_service: true });
    }

    #[test]
    fn an_answer_without_that_header_may_be_anybodys() {
        let head = read(&[(":status", "200"), ("server", "envoy")]);
        assert_eq!(head, AnswerHead { status: Some(200), of_service: false });
    }

    #[test]
    fn a_status_that_is_none_is_not_guessed() {
        for status in ["", "20", "2000", "2x0", "\u{b2}0"] {
            assert_eq!(read(&[(":status", status)]).status, None, "{status}");
        }
    }
}
