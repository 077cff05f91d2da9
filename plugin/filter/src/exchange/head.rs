//! The head of an answer, as far as each call needs it.

use crate::headers::{self, Headers, STATUS};

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
    pub fn read(answer: &Headers) -> Self {
        let mut head = Self::default();
        for (name, value) in answer.iter() {
            // Compared as wholes: patterns would be compared byte by byte, each by code of its own.
            if name == STATUS {
                head.status = headers::status(value);
            } else if name == SERVICE_TIME {
                head.of_service = true;
            }
        }
        head
    }
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
}
