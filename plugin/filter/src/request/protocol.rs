//! What kind of exchange a request begins.

use crate::headers::{self, Facts, Headers};

/// What a request asks for, as far as it matters to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    /// The same, and no more than a head is asked for.
    Head,
    Grpc,
    /// A tunnel, in the stream of this request.
    Connect,
    /// Another protocol, in the stream of this request, if the service agrees.
    Upgrade,
}

impl Protocol {
    /// Whether what follows the head is no request any more, but a stream of both sides. What
    /// announces a body has one, whatever it would like to become.
    #[inline]
    pub(crate) fn is_bidirectional(self, headers: &Headers) -> bool {
        let has = |name: &[u8]| headers.get(name).is_some();
        matches!(self, Self::Connect | Self::Upgrade)
            && !has(b"content-length")
            && !has(b"transfer-encoding")
    }

    #[inline(always)]
    pub(crate) fn of(facts: &Facts<'_>) -> Self {
        if facts.content_type.and_then(headers::grpc_flavour).is_some() {
            Self::Grpc
        } else if facts.method == Some(b"CONNECT") {
            Self::Connect
        } else if facts.upgrade {
            Self::Upgrade
        } else if facts.method == Some(b"HEAD") {
            Self::Head
        } else {
            Self::Http
        }
    }

    /// Whether an answer is due once the request is complete. To a tunnel or a stream of events it
    /// may come when there is something to be said.
    #[inline]
    pub(crate) fn awaits_answer(self, headers: &Headers) -> bool {
        !matches!(self, Self::Connect | Self::Upgrade)
            && !headers.get(b"accept").is_some_and(headers::is_event_stream)
    }

    /// Whether a request has one response, which another may take the place of.
    #[inline]
    pub(crate) const fn has_one_response(self) -> bool {
        matches!(self, Self::Head | Self::Http)
    }

    /// The terms that a request sets for itself.
    #[inline(always)]
    pub(crate) fn terms(self, headers: &Headers, facts: &Facts<'_>) -> headers::Terms {
        let mut terms = facts.terms;
        if self == Self::Grpc
            && let Some(timeout) = headers.get(b"grpc-timeout")
        {
            terms.note_grpc_timeout(timeout);
        }
        terms
    }
}
