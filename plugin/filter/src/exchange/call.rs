//! An admitted call: what is kept of its request.

use std::time::Duration;

use breaker::{Ended, Outcome, Permit, Timestamp, Told, UnderWay};

use super::replay::Capture;
use crate::handle::ServiceHandle;
use crate::headers::{Facts, Headers};
use crate::host::Host;
use crate::instances::Number;
use crate::request::protocol::Protocol;
use crate::response::flow::BodyFlow;
use crate::response::head::AnswerHead;
use crate::stale::{Copy, Wanted};
use crate::watched::{Place, Watched};
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
    /// Whether it is to be looked at while it is under way.
    pub(super) may_hang: bool,
    /// Where it stands among those that are.
    pub(super) watched: Option<Place>,
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
    pub(super) fn complete(&mut self, service: &Service, watched: &Watched, host: &dyn Host) {
        self.complete = true;
        if service.times_calls() {
            self.begin(watched, host);
        }
    }

    /// The service has all of the request from now on, and it matters how long it takes.
    #[inline(never)]
    pub(super) fn begin(&mut self, watched: &Watched, host: &dyn Host) {
        let now = host.monotonic();
        self.began = Some(now);
        if self.may_hang && self.head.is_none() {
            self.watched = watched.begin(self.breaker, UnderWay::new(&self.permit, now));
        }
    }

    /// It is under way no more: what its breaker was told of it.
    pub(super) fn stop_waiting(&mut self, watched: &Watched) -> Told {
        self.watched.take().map(|place| watched.end(place)).unwrap_or_default()
    }

    /// How long it has taken since it began, if its answer begins now, or none does. The clock is
    /// read only if the proxy does not say how long it was, or says that it was unusual, which a
    /// cache that repeats an old answer might.
    #[inline(never)]
    pub(super) fn lasted_since(
        &mut self,
        began: Timestamp,
        handle: &ServiceHandle<'_>,
        watched: &Watched,
        host: &dyn Host,
    ) -> Lasted {
        let told = self.stop_waiting(watched);
        let slow_after = handle.service.slow_after;
        let said = self.head.and_then(|head| head.service_time()).filter(|_| slow_after.is_none());
        let took = said
            .filter(|took| told.is_nothing() && handle.instance.local.is_usual(*took))
            .unwrap_or_else(|| host.monotonic().since(began));
        Lasted { slow: told.is_slow() || slow_after.is_some_and(|limit| took >= limit), took, told }
    }
}

/// How long a call took until its answer began; no time at all if nobody asks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lasted {
    /// Whether that is slow by the configured duration.
    pub(super) slow: bool,
    took: Duration,
    told: Told,
}

impl Lasted {
    /// Whether it was slow, or was told to be.
    pub(super) const fn is_unusual(self) -> bool {
        self.slow || !self.told.is_nothing()
    }

    /// A call that took so long has ended with this outcome.
    #[inline(always)]
    pub(super) fn ended(self, outcome: Outcome) -> Ended {
        let Self { slow, took, told } = self;
        Ended { outcome, slow, took, told }
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
