//! Sending a failed call again, to the fallback: what is kept of the request while it streams
//! by, and what is made of the fallback's answer.

use breaker::StateName;

use crate::CalloutRequest;
use crate::budget::{Body, Claim, Head, Settled, Taken, Ticket};
use crate::config::{ExposeState, FallbackCluster};
use crate::effects::Effects;
use crate::exchange::{Exchange, Replaying, Substitute};
use crate::filter::Filter;
use crate::headers::{
    CLUSTER_HEADER, FALLBACK_HEADER, Headers, REASON_HEADER, SERVICE_HEADER, STATE_HEADER,
};
use crate::reply::{Reply, ResponseAnnotations};
use crate::telemetry::{FallbackKind, ServiceMetric};

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

/// A copy of a request, taken as it streams by.
#[derive(Debug)]
pub(crate) enum Capture {
    /// All of it.
    Whole(Headers, Body, Claim),
    /// What has come so far, and how much of the body that is.
    Growing(Ticket, usize),
}

/// How much may be copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Of the body of one request.
    pub(crate) body: usize,
    /// Of everything, by a worker.
    pub(crate) all: usize,
}

impl Capture {
    /// Begins a copy of a request whose headers have come. `None`: there is no room for it.
    #[inline(always)]
    pub(crate) fn begin(headers: Headers, complete: bool, all: usize) -> Option<Self> {
        if !complete {
            return Some(Self::Growing(Ticket::begin(Head::Request(headers), all)?, 0));
        }
        let claim = Claim::lay(headers.size(), all)?;
        Some(Self::Whole(headers, Body::default(), claim))
    }

    /// Takes a piece of the body. `None`: it does not fit, and the copy is worth nothing.
    pub(crate) fn take(
        self,
        len: usize,
        end: bool,
        bounds: Bounds,
        bytes: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Option<Self> {
        let Self::Growing(ticket, before) = self else {
            return (len == 0).then_some(self);
        };
        if len > bounds.body.saturating_sub(before) {
            return None;
        }
        if len > 0 && ticket.take(len, bounds.all, bytes) != Taken::Yes {
            return None;
        }
        if !end {
            return Some(Self::Growing(ticket, before.saturating_add(len)));
        }
        match ticket.settle()? {
            Settled { head: Head::Request(headers), body, claim } => {
                Some(Self::Whole(headers, body, claim))
            }
            Settled { head: Head::Answer(_), .. } => None,
        }
    }

    /// The call to the fallback. `None` if the request was not seen to its end, or cannot be said
    /// in text, which is all that a call-out can send.
    pub(crate) fn callout(
        self,
        cluster: &FallbackCluster,
        service: &str,
        state: StateName,
    ) -> Option<CalloutRequest> {
        let Self::Whole(request, body, _claim) = self else {
            return None;
        };
        let authority = match &cluster.host {
            Some(host) => host.as_bytes(),
            None => request.authority()?,
        };
        let mut headers = vec![
            (":method".to_owned(), text(request.method()?)?),
            (":path".to_owned(), text(request.path()?)?),
            (":authority".to_owned(), text(authority)?),
        ];
        for (name, value) in request.iter() {
            let pseudo = name.first() == Some(&b':');
            let ours = name.starts_with(b"x-circuit-breaker-");
            if pseudo || ours || NOT_FORWARDED.contains(&name) {
                continue;
            }
            // A value that is no text is left out rather than the whole request.
            if let (Some(name), Some(value)) = (text(name), text(value)) {
                headers.push((name, value));
            }
        }
        for (name, value) in [
            (CLUSTER_HEADER, cluster.name.as_str()),
            (SERVICE_HEADER, service),
            (STATE_HEADER, state.name()),
            (REASON_HEADER, "failure"),
        ] {
            headers.push((name.to_owned(), value.to_owned()));
        }
        Some(CalloutRequest {
            cluster: cluster.name.clone(),
            headers,
            body: body.into_bytes(),
            timeout: cluster.timeout,
        })
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// What the fallback answered.
#[derive(Debug)]
pub struct FallbackAnswer {
    /// Its headers, `:status` among them.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
}

/// What becomes of the failed answer that is held back.
#[derive(Debug, PartialEq, Eq)]
pub enum FallbackVerdict {
    /// It goes on, and tells this.
    Resume(ResponseAnnotations),
    /// This takes its place.
    Replace(Substitute),
    /// Nothing is held back.
    Nothing,
}

impl Filter {
    /// Decides when the fallback has answered; `None`: it could not be called, did not answer in
    /// time, or was cut off. Its failure is not the service's: the answer held back goes on.
    pub fn on_fallback_answer(
        &self,
        exchange: &mut Exchange,
        answer: Option<FallbackAnswer>,
        effects: &mut Effects,
    ) -> FallbackVerdict {
        let Some(replaying) = self.end_replay(exchange) else {
            return FallbackVerdict::Nothing;
        };
        let Replaying { service: number, state, foreign, failed } = replaying;
        let reply = answer.and_then(reply_of);
        let Some(reply) = reply else {
            let told = self.config.expose_state == ExposeState::Always;
            let state = told.then_some(state);
            return FallbackVerdict::Resume(ResponseAnnotations { state, fallback: None, foreign });
        };
        effects.count_of(number, ServiceMetric::Fallback(FallbackKind::Replay));
        let reply = reply.telling(self.config.expose_state, state, FallbackKind::Replay);
        FallbackVerdict::Replace(Substitute { reply, failed })
    }
}

/// The fallback's answer as our own, unless it failed itself.
fn reply_of(answer: FallbackAnswer) -> Option<Reply> {
    let status = answer.headers.status()?;
    if !(200..500).contains(&status) {
        return None;
    }
    let mut headers = Vec::new();
    for (name, value) in answer.headers.iter() {
        let pseudo = name.first() == Some(&b':');
        let ours = name == STATE_HEADER.as_bytes() || name == FALLBACK_HEADER.as_bytes();
        if !pseudo && !ours && !NOT_FORWARDED.contains(&name) {
            headers.push((text(name)?, value.to_vec()));
        }
    }
    Some(Reply { status, headers, body: answer.body })
}
