//! What a call says of the service: success, failure, or nothing.
//!
//! The proxy's own replies look like the service's, so their [`Origin`] is asked first. What the
//! service failed to do (it was unreachable, reset, too late) is a failure whatever status the
//! proxy made of it; what never reached the service says nothing about it.
//!
//! Only the service decides. Where the client can be the cause of an end (it has not sent all of its
//! request, it set a deadline of its own, it does not read), that end says nothing of the service.

use breaker::Outcome;

use crate::host::Origin;
use crate::response::flow::Flow;
use config::{Classify, Overflow, UNKNOWN_TO_SERVICE};

/// gRPC's codes that matter here beside the configured ones.
const GRPC_DEADLINE_EXCEEDED: u8 = 4;
const GRPC_RESOURCE_EXHAUSTED: u8 = 8;

/// By which a service speaks of itself: UNKNOWN, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE, DATA_LOSS. To
/// all others a client can bring it by what it asks for.
const GRPC_OF_ITSELF: [u8; 5] = [2, 8, 13, 14, 15];

const TOO_MANY_REQUESTS: u16 = 429;

/// What an answer to a call says by its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallStatus {
    /// None has come.
    None,
    /// That of an HTTP answer: its status. `None`: it has none, or one that is no HTTP status.
    Http(Option<u16>),
    /// That of an answer in gRPC to a gRPC call: its HTTP status, and gRPC's.
    Grpc(Option<u16>, u8),
}

/// How far a call has come, and what can be why it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallProgress {
    /// Whether all of the request has come.
    pub(crate) complete: bool,
    /// Whether the client set terms, a short deadline or retries, that can be why a time was over.
    pub(crate) client_terms: bool,
    /// Whether the service has begun to answer.
    pub(crate) answered: bool,
    /// Whether it is a trial of a half-open breaker.
    pub(crate) trial: bool,
    /// Whether the client asks for another protocol, which the service need not know.
    pub(crate) tunnel: bool,
    /// Whether the answer is of a kind that goes on for as long as the client likes.
    pub(crate) endless: bool,
    /// How much of the answer has passed.
    pub(crate) flow: Flow,
}

/// The rules that are configured, put to an answer.
pub(crate) struct Rules<'a>(pub(crate) &'a Classify);

impl Rules<'_> {
    /// Whether an answer with this status may turn out to be a failure when its origin is asked.
    #[inline]
    pub(crate) fn may_have_failed(&self, status: Option<u16>) -> bool {
        status.is_none_or(|status| status >= 500 || self.0.failure_status.contains(status))
    }

    /// Whether an answer with this status turns a trial away.
    pub(crate) fn declines(&self, status: Option<u16>) -> bool {
        matches!(self.http(status, true), Outcome::Declined { .. })
    }

    /// What a call says of the service.
    pub(crate) fn judge(
        &self,
        status: CallStatus,
        origin: Origin,
        progress: &CallProgress,
    ) -> Outcome {
        let good = progress.answered && self.is_good(status);
        match origin {
            Origin::Service => self.answer(status, progress),
            Origin::Unreachable | Origin::NoCluster => Outcome::FAILURE,
            Origin::Overflow if self.0.overflow == Overflow::Failure => Outcome::FAILURE,
            Origin::Overflow => Outcome::Ignored,
            Origin::Redirect => Outcome::Success,
            Origin::ClientGone if progress.endless && status.is_success() => Outcome::Success,
            Origin::ClientGone => Outcome::Aborted,
            Origin::Proxy | Origin::NoRoute if status == CallStatus::None => Outcome::Aborted,
            Origin::Proxy | Origin::NoRoute => Outcome::Ignored,
            // The service may have waited for the rest of the request, and so may the proxy's clock.
            Origin::Broken | Origin::Timeout | Origin::Idle | Origin::TooLong
                if !progress.complete =>
            {
                Outcome::Aborted
            }
            Origin::Timeout | Origin::TooLong if progress.client_terms => Outcome::Aborted,
            // As a status of 501 would say: a service resets what it has no word for.
            Origin::Broken if progress.tunnel && !progress.answered => Outcome::Ignored,
            Origin::Broken if good && progress.flow == Flow::Halted => Outcome::Ignored,
            Origin::Timeout | Origin::Idle if good && progress.flow >= Flow::Much => {
                Outcome::Ignored
            }
            // The service was still answering, and well enough.
            Origin::TooLong if good => Outcome::Ignored,
            Origin::Broken | Origin::Timeout | Origin::Idle | Origin::TooLong => Outcome::FAILURE,
        }
    }

    /// What an answer of the service says.
    fn answer(&self, status: CallStatus, progress: &CallProgress) -> Outcome {
        match status {
            CallStatus::None => Outcome::Aborted,
            CallStatus::Http(status) => self.http(status, progress.trial),
            CallStatus::Grpc(status, code) => match self.http(status, progress.trial) {
                Outcome::Success => self.grpc(code, progress),
                outcome => outcome,
            },
        }
    }

    /// Whether a head begins an answer that says nothing against the service.
    fn is_good(&self, status: CallStatus) -> bool {
        match status {
            CallStatus::Http(Some(status)) => !self.0.failure_status.contains(status),
            CallStatus::Grpc(..) => status.is_success(),
            CallStatus::None | CallStatus::Http(None) => false,
        }
    }

    fn http(&self, status: Option<u16>, trial: bool) -> Outcome {
        // RFC 9110, section 15: an invalid status is as good as one of the class 5xx.
        let Some(status) = status else {
            return Outcome::FAILURE;
        };
        if self.0.ignore_status.contains(status) {
            ignored(trial && is_of_itself(status))
        } else if self.0.failure_status.contains(status) {
            Outcome::FAILURE
        } else if trial && status == TOO_MANY_REQUESTS {
            // A service that turns a trial away has not shown that it can take traffic.
            ignored(trial)
        } else {
            Outcome::Success
        }
    }

    fn grpc(&self, code: u8, progress: &CallProgress) -> Outcome {
        if self.0.ignore_grpc_status.contains(code) {
            ignored(progress.trial && GRPC_OF_ITSELF.contains(&code))
        } else if self.0.failure_grpc_status.contains(code) {
            // The service, too, knows the client's deadline, and ends by it.
            let by_client = code == GRPC_DEADLINE_EXCEEDED && progress.client_terms;
            if by_client { Outcome::Aborted } else { Outcome::FAILURE }
        } else if progress.trial && code == GRPC_RESOURCE_EXHAUSTED {
            ignored(progress.trial)
        } else {
            Outcome::Success
        }
    }
}

/// Whether a service speaks of itself by this status. To all others a client can bring it by what it
/// asks for, such as a path, a method or a name that the service does not know.
fn is_of_itself(status: u16) -> bool {
    status == TOO_MANY_REQUESTS || (status >= 500 && !UNKNOWN_TO_SERVICE.contains(&status))
}

/// An answer of the service that says nothing about it. Where it was asked whether it is well, and
/// speaks of itself, it has declined to say. Clients must not be able to put the next trial off.
const fn ignored(asked: bool) -> Outcome {
    if asked { Outcome::Declined { retry_after: None } } else { Outcome::Ignored }
}

impl CallStatus {
    /// Whether it begins an answer that a client wants to read on.
    const fn is_success(self) -> bool {
        matches!(self, Self::Http(Some(200..400)) | Self::Grpc(Some(200..400), _))
    }
}
