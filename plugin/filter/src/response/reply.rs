//! Answers that the filter gives itself.

use std::time::Duration;

use breaker::{DivertReason, Now, StateName, Timestamp};

use crate::calendar::rfc3339;
use crate::headers::{FALLBACK_HEADER, ReservedResponseHeaders, STATE_HEADER};
use crate::json::{Fields, Json};
use crate::telemetry::FallbackKind;
use config::{ExposeState, StaticResponse};

/// What is said of the breaker in an answer that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseAnnotations {
    /// The state.
    pub state: Option<StateName>,
    /// Who answered, if it was not the service.
    pub fallback: Option<FallbackKind>,
    /// What the answer itself says of it, which only the filter may.
    pub remove: ReservedResponseHeaders,
}

impl ResponseAnnotations {
    /// Nothing.
    pub const NOTHING: Self =
        Self { state: None, fallback: None, remove: ReservedResponseHeaders::NONE };

    /// The headers to remove, before others are set.
    pub fn removed(self) -> impl Iterator<Item = &'static str> {
        self.remove.names()
    }

    /// The headers to set, with their values.
    pub fn headers(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let state = self.state.map(|state| (STATE_HEADER, state.name()));
        state.into_iter().chain(self.fallback.map(|kind| (FALLBACK_HEADER, kind.name())))
    }
}

/// An answer to send instead of any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers beside the status, names in lower case, values in bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Json<'_>) -> Self {
        let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        Self { status, headers, body: body.written().into() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// What the operator configured to be answered.
    pub(crate) fn configured(response: &StaticResponse) -> Self {
        let headers = response.headers.iter();
        Self {
            status: response.status,
            headers: headers.map(|(name, value)| (name.clone(), value.clone().into())).collect(),
            body: response.body.clone().into(),
        }
    }

    /// What is answered where nothing is configured: 503 with the recipe's fields.
    pub(crate) fn unavailable(reason: DivertReason, retry_at: Option<Timestamp>, now: Now) -> Self {
        let reason = match reason {
            DivertReason::Adaptive => "Circuit breaker diverts what the service fails to answer",
            DivertReason::Bulkhead => "Bulkhead is full",
            DivertReason::Fleet => "Circuit breaker is open, by the word of other proxies",
            DivertReason::ForcedOpen => "Circuit breaker is forced open",
            DivertReason::HalfOpen => "Circuit breaker is half-open",
            DivertReason::Open => "Circuit breaker is open",
            DivertReason::Ramp => "Circuit breaker is closing",
        };
        let mut body = Fields::new();
        body.text("message", "Service temporarily unavailable");
        body.text("source", "edge-breaker");
        body.text("fallback_reason", reason);
        body.text("timestamp", &rfc3339(now.wall));
        let wait = retry_at.map_or(Duration::ZERO, |at| at.since(now.monotonic));
        // Rounded up: a second early is a call in vain.
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
        Self::json(503, &body.end()).with("retry-after", &seconds.to_string())
    }

    /// Adds the headers that say how the breaker stands, where answers may have them.
    pub(crate) fn annotated(
        self,
        expose: ExposeState,
        state: StateName,
        kind: FallbackKind,
    ) -> Self {
        match expose {
            ExposeState::Never => self,
            ExposeState::Always | ExposeState::Fallback => {
                self.with(STATE_HEADER, state.name()).with(FALLBACK_HEADER, kind.name())
            }
        }
    }
}
