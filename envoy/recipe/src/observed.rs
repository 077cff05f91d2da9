//! What was seen of one request, and what was expected.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// A request and its answer, with the breaker before and after.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) answered_by: Answerer,
    pub(crate) status: u16,
    pub(crate) before: Breaker,
    pub(crate) after: Breaker,
    /// How many calls the service received meanwhile.
    pub(crate) service_calls: u64,
    pub(crate) took: Duration,
}

/// Who an answer is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answerer {
    Service,
    /// The fallback, to which the request was routed.
    FallbackAtOnce,
    /// The fallback, after the service had failed.
    FallbackAfterFailure,
    /// Neither: Envoy itself, or the service with a failure that was passed on.
    Other,
}

impl Answerer {
    /// Reads it from the answer: from its body, and from the breaker's header.
    pub(crate) fn of(body: &serde_json::Value, fallback_header: Option<&str>) -> Self {
        let by_fallback = body["source"] == "fallback-service";
        let by_service = body["message"] == "Service response successful";
        match (fallback_header, by_fallback, by_service) {
            (None, false, true) => Self::Service,
            (Some("cluster"), true, false) => Self::FallbackAtOnce,
            (Some("replay"), true, false) => Self::FallbackAfterFailure,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Service => "payment-service",
            Self::FallbackAtOnce => "fallback, at once",
            Self::FallbackAfterFailure => "fallback, after failure",
            Self::Other => "neither",
        })
    }
}

/// A breaker, as its admin API shows it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Breaker {
    pub(crate) state: String,
    pub(crate) failure_count: u64,
}

impl fmt::Display for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} failures", self.state, self.failure_count)
    }
}

/// What the recipe says of one request. Its answer is 200 in any case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) answered_by: Answerer,
    pub(crate) service_calls: u64,
    pub(crate) state: &'static str,
    pub(crate) failures: u64,
}

impl Expected {
    /// What was seen that is not so.
    pub(crate) fn differences(&self, seen: &Observed) -> Vec<String> {
        let breaker = Breaker { state: self.state.to_owned(), failure_count: self.failures };
        [
            difference("answered by", &self.answered_by, &seen.answered_by),
            difference("status", &200, &seen.status),
            difference("calls to the service", &self.service_calls, &seen.service_calls),
            difference("breaker", &breaker, &seen.after),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// How two values differ, if they do.
pub(crate) fn difference<T: fmt::Display + PartialEq>(
    what: &str,
    expected: &T,
    seen: &T,
) -> Option<String> {
    (expected != seen).then(|| format!("{what}: {expected} expected, {seen} seen"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_answered_is_told_by_body_and_header_together() {
        let service = json!({"message": "Service response successful"});
        let fallback = json!({"source": "fallback-service"});
        assert_eq!(Answerer::of(&service, None), Answerer::Service);
        assert_eq!(Answerer::of(&fallback, Some("cluster")), Answerer::FallbackAtOnce);
        assert_eq!(Answerer::of(&fallback, Some("replay")), Answerer::FallbackAfterFailure);
        assert_eq!(Answerer::of(&fallback, None), Answerer::Other);
        assert_eq!(Answerer::of(&service, Some("cluster")), Answerer::Other);
        assert_eq!(Answerer::of(&json!("upstream connect error"), None), Answerer::Other);
    }

    #[test]
    fn each_thing_that_differs_is_named() {
        let breaker = |state: &str, failure_count| Breaker { state: state.into(), failure_count };
        let mut seen = Observed {
            answered_by: Answerer::FallbackAfterFailure,
            status: 200,
            before: breaker("CLOSED", 2),
            after: breaker("OPEN", 3),
            service_calls: 3,
            took: Duration::ZERO,
        };
        let expected = Expected {
            answered_by: Answerer::FallbackAfterFailure,
            service_calls: 3,
            state: "OPEN",
            failures: 3,
        };
        assert_eq!(expected.differences(&seen), Vec::<String>::new());
        seen.status = 503;
        seen.service_calls = 1;
        seen.after = breaker("CLOSED", 0);
        let differences = [
            "status: 200 expected, 503 seen",
            "calls to the service: 3 expected, 1 seen",
            "breaker: OPEN with 3 failures expected, CLOSED with 0 failures seen",
        ];
        assert_eq!(expected.differences(&seen), differences);
    }
}
