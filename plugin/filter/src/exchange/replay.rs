//! Sending a failed call again, to the fallback: what is kept of the request while it streams
//! by, and what is made of the fallback's answer.

use breaker::StateName;

use super::diversion::answers_well;
use super::verdict::FallbackVerdict;
use crate::budget::{Body, Claim, FinishedCopy, Head, PendingCopy, Taken};
use crate::callout::CalloutRequest;
use crate::effects::Effects;
use crate::headers::{
    CLUSTER_HEADER, FALLBACK_HEADER, Headers, NOT_FORWARDED, ReservedResponseHeaders, STATE_HEADER,
    steering,
};
use crate::host::Host;
use crate::response::replacement::{FailedResponse, Substitute};
use crate::response::reply::{Reply, ResponseAnnotations};
use crate::telemetry::{FallbackKind, ServiceMetric};
use config::{ExposeState, FallbackCluster};

/// A copy of a request, taken as it streams by.
#[derive(Debug)]
pub(crate) enum Capture {
    /// All of it.
    Whole(Headers, Body, Claim),
    /// What has come so far, and how much of the body that is.
    Growing(PendingCopy, usize),
    /// Its head, how much of the body has come, which is more than a copy may have, and whether that was
    /// all of it. The host may have kept it.
    Long(PendingCopy, usize, bool),
}

/// A request that was seen to its end.
#[derive(Debug)]
pub(crate) struct Seen {
    headers: Headers,
    /// How long its body was.
    len: usize,
    /// `None`: longer than a copy may be.
    body: Option<Body>,
    _claim: Claim,
}

impl Capture {
    /// Begins a copy of a request whose headers have come. `None`: there is no room for it.
    #[inline(always)]
    pub(crate) fn begin(headers: Headers, complete: bool, max_copied_bytes: usize) -> Option<Self> {
        if !complete {
            return Some(Self::Growing(
                PendingCopy::begin(Head::Request(headers), max_copied_bytes)?,
                0,
            ));
        }
        let claim = Claim::new(headers.size(), max_copied_bytes)?;
        Some(Self::Whole(headers, Body::default(), claim))
    }

    /// Takes a piece of the body, where one request's may be so long, and all copies of a worker. `None`:
    /// it does not fit, and the copy is worth nothing, unless a request can be run again.
    pub(crate) fn take(
        self,
        len: usize,
        end: bool,
        (max_body, max_copied_bytes): (usize, usize),
        can_rerun: bool,
        bytes: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Option<Self> {
        let (ticket, before) = match self {
            Self::Growing(ticket, before) => (ticket, before),
            Self::Long(ticket, before, _) => {
                return Some(Self::Long(ticket, before.saturating_add(len), end));
            }
            Self::Whole(..) => return (len == 0).then_some(self),
        };
        if len > max_body.saturating_sub(before) {
            return can_rerun.then(|| {
                ticket.keep_head();
                Self::Long(ticket, before.saturating_add(len), end)
            });
        }
        if len > 0 && ticket.take(len, max_copied_bytes, bytes) != Taken::Yes {
            return None;
        }
        if !end {
            return Some(Self::Growing(ticket, before.saturating_add(len)));
        }
        match ticket.finish()? {
            FinishedCopy { head: Head::Request(headers), body, claim } => {
                Some(Self::Whole(headers, body, claim))
            }
            FinishedCopy { head: Head::Answer(_), .. } => None,
        }
    }

    /// `None`: the request was not seen to its end, or its copy was evicted.
    pub(crate) fn seen(self) -> Option<Seen> {
        match self {
            Self::Whole(headers, body, claim) => {
                Some(Seen { headers, len: body.len(), body: Some(body), _claim: claim })
            }
            Self::Long(ticket, len, true) => match ticket.finish()? {
                FinishedCopy { head: Head::Request(headers), claim, .. } => {
                    Some(Seen { headers, len, body: None, _claim: claim })
                }
                FinishedCopy { head: Head::Answer(_), .. } => None,
            },
            Self::Growing(..) | Self::Long(_, _, false) => None,
        }
    }
}

impl Seen {
    /// Whether the host can run the request again, and that would lead to this cluster. It is
    /// prepared for it then.
    pub(crate) fn prepare_rerun(&self, cluster: &FallbackCluster, host: &dyn Host) -> bool {
        host.prepare_rerun(&self.headers, self.len, (CLUSTER_HEADER, &cluster.name))
    }

    /// The call to the fallback. `None` if the body was too long for a copy, or the request cannot be
    /// said in text, which is all that a callout can send.
    pub(crate) fn callout(
        self,
        cluster: &FallbackCluster,
        service: &str,
        state: StateName,
    ) -> Option<CalloutRequest> {
        let (request, body) = (self.headers, self.body?);
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
        let own = steering(&cluster.name, service, state.name(), "failure");
        headers.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
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

/// A failed answer that is held back while the fallback cluster is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replaying {
    /// The metrics that it is counted in.
    pub(super) service: usize,
    /// The state to show.
    pub(super) state: StateName,
    /// What the answer itself says of the breaker, and may not.
    pub(super) reserved: ReservedResponseHeaders,
    pub(super) failed: FailedResponse,
}

impl Replaying {
    /// Decides when the fallback has answered; `None`: it could not be called, did not answer in
    /// time, or was cut off. Its failure is not the service's: the answer held back goes on.
    pub(super) fn on_answer(
        self,
        expose: ExposeState,
        answer: Option<FallbackAnswer>,
        effects: &mut Effects,
    ) -> FallbackVerdict {
        let Self { service, state, reserved: remove, failed } = self;
        let Some(reply) = answer.and_then(reply_of) else {
            let state = (expose == ExposeState::Always).then_some(state);
            return FallbackVerdict::Resume(ResponseAnnotations { state, fallback: None, remove });
        };
        effects.count_of(service, ServiceMetric::Fallback(FallbackKind::Replay));
        let reply = reply.annotated(expose, state, FallbackKind::Replay);
        FallbackVerdict::Replace(Substitute { reply, failed })
    }
}

/// The fallback's answer as our own, unless it failed itself.
fn reply_of(answer: FallbackAnswer) -> Option<Reply> {
    let status = answer.headers.status().filter(|status| answers_well(*status))?;
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
