//! What becomes of a request, and of its response.

use breaker::StateName;

use super::rerun::Rerun;
use crate::callout::CalloutRequest;
use crate::headers::{ReservedHeaders, ReservedResponseHeaders};
use crate::response::replacement::Substitute;
use crate::response::reply::{Reply, ResponseAnnotations};
use config::ExposeState;

/// What becomes of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RequestVerdict {
    /// Headers to remove before all else: a client's own copies of the filter's.
    pub remove: ReservedHeaders,
    /// What is done then.
    pub action: RequestAction,
}

/// What is done with a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum RequestAction {
    /// It goes on.
    #[default]
    Continue,
    /// It goes on with these headers, and its route is chosen anew.
    Divert(Vec<(&'static str, String)>),
    /// It is answered.
    Reply(Reply),
}

/// What becomes of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum ResponseVerdict {
    /// It goes on, with these annotations.
    Continue(ResponseAnnotations),
    /// It is held back until this call is answered. If the call cannot be made, it goes on.
    Ask(CalloutRequest),
    /// Its request is run again, for which it is [prepared](crate::Stream::prepare_rerun). If that cannot
    /// be, it goes on. Only for a host that can.
    Rerun(Box<Rerun>),
    /// This takes its place.
    Replace(Substitute),
}

impl ResponseVerdict {
    pub(super) const PASS: Self = Self::Continue(ResponseAnnotations::NOTHING);

    /// An answer goes on, with the breaker's state if all answers have it, and without what it says of
    /// one itself.
    #[inline]
    pub(super) fn annotated(
        expose: ExposeState,
        remove: ReservedResponseHeaders,
        state: impl FnOnce() -> Option<StateName>,
    ) -> Self {
        let state = (expose == ExposeState::Always).then(state).flatten();
        Self::Continue(ResponseAnnotations { state, fallback: None, remove })
    }
}

/// What becomes of the failed answer that is held back.
#[derive(Debug, PartialEq, Eq)]
pub enum FallbackVerdict {
    /// It goes on, with these annotations.
    Resume(ResponseAnnotations),
    /// This takes its place.
    Replace(Substitute),
    /// Nothing is held back.
    Nothing,
}
