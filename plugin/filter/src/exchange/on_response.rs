//! A response comes: its head, its body, its end, and what the fallback answers in its stead.

use breaker::{Ended, Outcome};

use super::call::Call;
use super::diversion::stale_answer;
use super::replay::{Capture, FallbackAnswer, Replaying};
use super::rerun::Rerun;
use super::state::{Exchange, Phase};
use super::verdict::{FallbackVerdict, ResponseVerdict};
use crate::callbacks::Callbacks;
use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::host::{Host, Origin};
use crate::request::protocol::Protocol;
use crate::response::head::{AnswerHead, Form};
use crate::response::replacement::{
    FailedResponse, ReplaceBy, Substitute, TrailersVerdict, replace_piece, replace_trailers,
};
use crate::response::reply::Reply;
use crate::services::Services;
use crate::telemetry::{FallbackKind, ServiceMetric};

/// A piece of an answer's body.
#[derive(Debug)]
pub struct Piece<Bytes, Put> {
    /// How long it is.
    pub len: usize,
    /// Whether it is the last one, and nothing follows it.
    pub end_of_stream: bool,
    /// Called if the exchange wants it. `None`: it cannot be had.
    pub bytes: Bytes,
    /// Called with what takes its place, if anything does.
    pub put: Put,
}

impl Exchange {
    /// Judges an answer when its head has come. `head` is asked for only if it matters.
    #[inline]
    pub(crate) fn on_response(
        &mut self,
        (services, callbacks): (&Services, &Callbacks),
        head: impl FnOnce() -> AnswerHead,
        end_of_stream: bool,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> ResponseVerdict {
        match &mut self.phase {
            Phase::Idle => {
                callbacks.on_other_response(effects);
                ResponseVerdict::PASS
            }
            Phase::Replaying(_) | Phase::Replaced(_) => ResponseVerdict::PASS,
            Phase::Diverted(diverted) => {
                let diverted = *diverted;
                self.phase = Phase::Idle;
                diverted.on_response(services, host, effects)
            }
            Phase::Admitted(call) => {
                let Some(handle) = services.handle(call.breaker) else {
                    return ResponseVerdict::PASS;
                };
                let mut head = head();
                // Of another type, it can be gRPC's trailers alone: not with a body after it.
                if head.form == Form::Any && !end_of_stream {
                    head.grpc_status = None;
                }
                call.head = Some(head);
                let unusual = call.began.is_some_and(|began| {
                    call.lasted = call.lasted_since(began, &handle, &services.watched, host);
                    call.lasted.is_unusual()
                });
                let good = call.is_good(head, unusual, handle.service);
                if !good
                    && let Some(outcome) =
                        call.judge_head(head, handle.service, end_of_stream, host)
                {
                    handle.note(call, outcome, host);
                    let (services, head) = ((services, &handle), (head, end_of_stream));
                    let ended = call.lasted.ended(outcome);
                    return self.on_judged(services, head, ended, host, effects);
                }
                call.await_end(&handle, head, end_of_stream, services, host);
                call.plain = good && call.copy.is_none();
                let expose = services.config.expose_state;
                ResponseVerdict::annotated(expose, head.reserved, || handle.state(host, effects))
            }
        }
    }

    /// Settles a call whose answer's head was all that had to be waited for.
    #[inline(never)]
    fn on_judged(
        &mut self,
        (services, handle): (&Services, &ServiceHandle<'_>),
        (head, bare): (AnswerHead, bool),
        ended: Ended,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> ResponseVerdict {
        let Phase::Admitted(Call { permit, protocol, capture, wanted, .. }) =
            std::mem::take(&mut self.phase)
        else {
            return ResponseVerdict::PASS;
        };
        let (expose, fallback) = (services.config.expose_state, &handle.service.fallback);
        let state = handle.settle(permit, ended, host, effects);
        let pass = || ResponseVerdict::annotated(expose, head.reserved, || state);
        let failed = fallback.on_failure && matches!(ended.outcome, Outcome::Failure { .. });
        let moves_on = || fallback.takes(head.status) && host.origin() == Origin::Service;
        let Some(state) = state.filter(|state| {
            protocol.has_one_response() && state.diverts_failures() && (failed || moves_on())
        }) else {
            return pass();
        };
        let asked_for_head = protocol == Protocol::Head;
        let failed = FailedResponse { status: head.status, bare, asked_for_head };
        if let Some(cluster) = &fallback.cluster {
            let Some(request) = capture.and_then(Capture::seen) else {
                return pass();
            };
            let (service, reserved) = (handle.number, head.reserved);
            let replaying = Replaying { service, state, reserved, failed };
            if request.prepare_rerun(cluster, host) {
                self.phase = Phase::Replaying(replaying);
                let rerun = Rerun::new(handle, cluster, state, head.status);
                return ResponseVerdict::Rerun(Box::new(rerun));
            }
            let Some(callout) = request.callout(cluster, &handle.instance.name, state) else {
                return pass();
            };
            self.phase = Phase::Replaying(replaying);
            return ResponseVerdict::Ask(callout);
        }
        let (reply, kind) = match stale_answer(handle, wanted.as_deref(), host) {
            Some(stale) => (stale, FallbackKind::Stale),
            None => match &fallback.response {
                Some(response) => (Reply::configured(response), FallbackKind::Response),
                None => return pass(),
            },
        };
        effects.count_of(handle.number, ServiceMetric::Fallback(kind));
        ResponseVerdict::Replace(Substitute { reply: reply.annotated(expose, state, kind), failed })
    }

    /// Decides when the fallback has answered; `None`: it did not.
    pub(crate) fn on_fallback_answer(
        &mut self,
        services: &Services,
        answer: Option<FallbackAnswer>,
        effects: &mut Effects,
    ) -> FallbackVerdict {
        let Phase::Replaying(replaying) = self.phase else {
            return FallbackVerdict::Nothing;
        };
        self.phase = Phase::Idle;
        replaying.on_answer(services.config.expose_state, answer, effects)
    }

    /// Has an answer take the place of the one that failed: written into it, if it may be.
    #[inline(never)]
    pub(crate) fn replace(
        &mut self,
        substitute: Substitute,
        may_rewrite: bool,
        max_copied_bytes: usize,
        host: &dyn Host,
    ) -> ReplaceBy {
        if !may_rewrite {
            return ReplaceBy::LocalReply(substitute.reply);
        }
        match substitute.rewrite(|| host.response_headers(), max_copied_bytes) {
            Ok((headers, body)) => {
                self.phase = Phase::Replaced(Some(body));
                ReplaceBy::Rewriting(headers)
            }
            Err(reply) => ReplaceBy::LocalReply(reply),
        }
    }

    /// Takes a piece of the answer's body.
    #[inline]
    pub(crate) fn on_response_body(
        &mut self,
        services: &Services,
        piece: Piece<impl FnOnce() -> Option<Vec<u8>>, impl FnOnce(&[u8])>,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        let Piece { len, end_of_stream, bytes, put } = piece;
        let Phase::Admitted(call) = &mut self.phase else {
            if let Phase::Replaced(pending) = &mut self.phase {
                replace_piece(pending, len, put);
            }
            return;
        };
        if let Some(copy) = &mut call.copy
            && !copy.take(len, end_of_stream, services.config.max_copied_bytes, bytes)
        {
            call.copy = None;
        }
        if !call.permit.is_trial() {
            call.flow.add(len, host);
        } else if !end_of_stream {
            self.on_piece_of_trial(services, len, host, effects);
        }
    }

    /// A piece of a trial's answer has come, and more is to. It is enough of a good one if much of it has
    /// passed, since how it ends can be its client's doing; and if the trial's time is nearly over,
    /// since it may go on for hours.
    #[inline(never)]
    fn on_piece_of_trial(
        &mut self,
        services: &Services,
        len: usize,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        let Phase::Admitted(call) = &mut self.phase else {
            return;
        };
        let Some(handle) = services.handle(call.breaker) else {
            return;
        };
        let flows = |call: &Call| {
            let policy = &handle.service.policy.half_open;
            len > 0 && call.permit.is_nearly_over(policy, host.now().monotonic)
        };
        let enough = call.flow.add(len, host) || flows(call);
        if enough
            && call.is_good_so_far(handle.service, host)
            && let Phase::Admitted(mut call) = std::mem::take(&mut self.phase)
        {
            if let Some(copy) = call.copy.take()
                && let Some(answers) = handle.answers()
            {
                answers.forget(&copy);
            }
            let ended = call.lasted.ended(Outcome::Success);
            handle.settle(call.permit, ended, host, effects);
        }
    }

    /// Decides on the trailers of an answer.
    #[inline]
    pub(crate) fn on_response_trailers(&mut self) -> TrailersVerdict {
        match &mut self.phase {
            Phase::Replaced(pending) => replace_trailers(pending.take()),
            _ => TrailersVerdict::Continue,
        }
    }

    /// Settles an admitted call when all of its answer has come. A host that does not know when
    /// leaves this out, and the call is settled when the stream has ended.
    #[inline]
    pub(crate) fn on_answer_end(
        &mut self,
        services: &Services,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        // The service is done with it. The stream goes on for as long as its client takes to read.
        if self.held.is_some() {
            self.release_permit(services, host, effects);
        }
        let Phase::Admitted(call) = &self.phase else {
            return;
        };
        let Some(handle) = services.handle(call.breaker) else {
            return;
        };
        if handle.settle_plain(call, host) {
            self.phase = Phase::Idle;
        } else if let Phase::Admitted(call) = std::mem::take(&mut self.phase) {
            handle.settle_ended(call, &services.watched, host, effects);
        }
    }

    /// Settles whatever is not settled when the stream has ended. Seldom called: most answers were
    /// settled when all of them had come.
    #[inline(never)]
    pub(crate) fn on_stream_end(
        &mut self,
        (services, callbacks): (&Services, &Callbacks),
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        self.release_permit(services, host, effects);
        match std::mem::take(&mut self.phase) {
            Phase::Admitted(mut call) => match services.handle(call.breaker) {
                Some(handle) => handle.settle_ended(call, &services.watched, host, effects),
                None => drop(call.stop_waiting(&services.watched)),
            },
            Phase::Replaced(Some(_)) => callbacks.on_missing_body(host, effects),
            Phase::Diverted(_) | Phase::Idle | Phase::Replaced(None) | Phase::Replaying(_) => {}
        }
    }
}

impl Call {
    /// The answer is there, and not a failure: the request will not be sent again, and what the answer
    /// says of the service is known when it has ended.
    #[inline(always)]
    fn await_end(
        &mut self,
        handle: &ServiceHandle<'_>,
        head: AnswerHead,
        end_of_stream: bool,
        services: &Services,
        host: &dyn Host,
    ) {
        self.capture = None;
        if let Some(answers) = handle.answers()
            && let Some(wanted) = self.wanted.take()
        {
            let (status, budget) =
                (head.status.unwrap_or_default(), services.config.max_copied_bytes);
            let copy = answers.begin_copy(*wanted, status, end_of_stream, budget, host);
            self.copy = copy.map(Box::new);
        }
    }
}
