//! An admitted call: what is kept of its request.

use std::time::Duration;

use breaker::{Ended, Outcome, Permit, Timestamp};

use super::replay::Capture;
use crate::headers::{Facts, Headers};
use crate::host::Host;
use crate::instances::Number;
use crate::request::protocol::Protocol;
use crate::response::flow::BodyFlow;
use crate::response::head::AnswerHead;
use crate::stale::{Copy, Wanted};
use config::Service;

/// An admitted call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(super) breaker: Number,
    pub(super) permit: Permit,
    pub(super) protocol: Protocol,
    /// What a replay needs of the request.
    pub(super) capture: Option<Capture>,
    /// By what an answer would be kept, or one that was kept given.
    pub(super) wanted: Option<Box<Wanted>>,
    /// The answer, as it is being kept.
    pub(super) copy: Option<Box<Copy>>,
    /// Whether all of the request has come.
    pub(super) complete: bool,
    /// Whether the client set terms of its own that can be why a time was over.
    pub(super) client_terms: bool,
    /// Since when the service has all of the request, if it matters how long it takes.
    pub(super) began: Option<Timestamp>,
    /// The head of the answer, once it has come.
    pub(super) head: Option<AnswerHead>,
    /// What has passed of its body.
    pub(super) flow: BodyFlow,
    /// How long its head was in coming, once it has come. What follows may take its time: it is a
    /// stream, perhaps.
    pub(super) lasted: Lasted,
    /// Whether its head makes it what most calls are: good, and settled by an end alone.
    pub(super) plain: bool,
}

impl Call {
    /// Takes note of a piece of the request's body, of which a copy may be so long, and all copies of a
    /// worker. Of a longer one the head is kept where requests can be run again.
    #[inline]
    pub(super) fn on_request_body(
        &mut self,
        len: usize,
        end_of_stream: bool,
        limits: impl FnOnce(Number) -> Option<(usize, usize)>,
        can_rerun: bool,
        bytes: impl FnOnce() -> Option<Vec<u8>>,
    ) {
        if let Some(wanted) = &mut self.wanted
            && !wanted.go_on(len, end_of_stream)
        {
            self.wanted = None;
        }
        if let Some(capture) = self.capture.take()
            && let Some(limits) = limits(self.breaker)
        {
            self.capture = capture.take(len, end_of_stream, limits, can_rerun, bytes);
        }
    }

    /// Takes note that all of the request has come.
    #[inline]
    pub(super) fn complete(&mut self, service: &Service, host: &dyn Host) {
        self.complete = true;
        self.began = service.times_calls().then(|| host.now().monotonic);
    }

    /// How long it has taken, if its answer begins now.
    #[inline]
    pub(super) fn lasted(&self, service: &Service, host: &dyn Host) -> Lasted {
        let Some(began) = self.began else {
            return Lasted::default();
        };
        let took = host.now().monotonic.since(began);
        Lasted { slow: service.slow_after.is_some_and(|limit| took >= limit), took }
    }
}

/// How long a call took until its answer began; no time at all if nobody asks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lasted {
    /// Whether that is slow by the configured duration.
    pub(super) slow: bool,
    took: Duration,
}

impl Lasted {
    /// A call that took so long has ended with this outcome.
    #[inline(always)]
    pub(super) fn ended(self, outcome: Outcome) -> Ended {
        let Self { slow, took } = self;
        Ended { outcome, slow, took, told: None }
    }
}

/// What a replay needs of a request, where failed calls are sent again.
#[inline(always)]
pub(super) fn capture(
    service: &Service,
    protocol: Protocol,
    headers: Headers,
    complete: bool,
    max_copied_bytes: usize,
) -> Option<Capture> {
    let fallback = &service.fallback;
    let replays =
        fallback.cluster.is_some() && fallback.answers_calls() && protocol.has_one_response();
    replays.then(|| Capture::begin(headers, complete, max_copied_bytes)).flatten()
}

/// What a request asks for, where answers are kept.
#[inline(always)]
pub(super) fn wanted(
    service: &Service,
    protocol: Protocol,
    headers: &Headers,
    facts: &Facts<'_>,
    complete: bool,
) -> Option<Wanted> {
    let kept = service.fallback.stale.is_some() && protocol.has_one_response();
    kept.then(|| Wanted::of(headers, facts, complete)).flatten()
}
