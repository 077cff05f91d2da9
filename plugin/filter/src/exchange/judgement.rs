//! What an answer says of the service: by its head, as far as it has come, and at its end.

use breaker::Outcome;

use super::call::Call;
use crate::host::{Host, Origin};
use crate::recent::Failure;
use crate::request::protocol::Protocol;
use crate::response::classify::{CallProgress, CallStatus, Rules};
use crate::response::head::{self, AnswerHead, Form, GRPC_STATUS};
use crate::response::retry_after;
use config::{Service, StatusSet};

impl Call {
    /// Whether the head says all that there is to know of an answer, if all of it comes: what
    /// most of them are.
    ///
    /// A filter behind this one that repeats a service's old answer repeats its headers, too. So
    /// the head's word for who gave it is enough only where nothing depends on it.
    #[inline(always)]
    pub(super) fn is_good(&self, head: AnswerHead, slow: bool, service: &Service) -> bool {
        head.of_service
            && self.protocol.has_one_response()
            && !slow
            && !self.permit.is_trial()
            && head.status.is_some_and(|it| it < 500 && !service.special_status.contains(it))
    }

    /// Whether an answer that goes on says well of the service, as far as it has come.
    pub(super) fn is_good_so_far(&self, service: &Service, host: &dyn Host) -> bool {
        if self.awaits_grpc_status() {
            return true;
        }
        let (status, progress) = (self.status(None), self.progress(host));
        Rules(&service.classify).judge(status, host.origin(), &progress) == Outcome::Success
    }

    /// What the head of an answer says, if that is all that is waited for: a failure, or a status that moves
    /// on, since the fallback may answer in its stead, a trial that is turned away, an answer of the proxy's own, and a
    /// good answer that has no end of its own. The rest is judged when the stream has ended.
    pub(super) fn judge_head(
        &self,
        head: AnswerHead,
        service: &Service,
        end_of_stream: bool,
        host: &dyn Host,
    ) -> Option<Outcome> {
        let rules = Rules(&service.classify);
        // Envoy's own replies to gRPC calls are gRPC, too: 200, and a head that is all there is.
        let whole_grpc = self.protocol == Protocol::Grpc && end_of_stream;
        // A stream that both sides keep open has no status for long: that it is open has to do.
        let grpc_stream =
            self.permit.is_trial() && !self.complete && !end_of_stream && self.awaits_grpc_status();
        let endless = self.is_endless(head);
        // How long it wants to be left alone stands in the head, too, which cannot be read any more later.
        let declined = self.permit.is_trial() && rules.declines(head.status);
        let may_have_failed = rules.may_have_failed(head.status);
        let moves_on = service.fallback.takes(head.status);
        let asks = service.policy.open.on_retry_after && is_too_much(head.status);
        let may_settle = declined || may_have_failed || moves_on || asks;
        if !whole_grpc && !grpc_stream && !endless && !may_settle {
            return None;
        }
        let origin = host.origin();
        let outcome = match origin {
            Origin::Service if grpc_stream => Outcome::Success,
            // Of any other origin, the head is the proxy's own: no answer has begun.
            _ => {
                let answered = origin == Origin::Service;
                let progress = CallProgress { answered, ..self.progress(host) };
                rules.judge(self.status(None), origin, &progress)
            }
        };
        let settled = endless
            || grpc_stream
            || whole_grpc
            || moves_on
            || origin != Origin::Service
            || matches!(outcome, Outcome::Failure { .. } | Outcome::Declined { .. });
        let outcome = self.with_retry_after(outcome, origin, service, host);
        let at_once = matches!(outcome, Outcome::Failure { at_once: true, .. });
        (settled || at_once).then_some(outcome)
    }

    /// What a call says that has ended, by its answer and by how that came about.
    pub(super) fn judge_end(&self, service: &Service, host: &dyn Host) -> Outcome {
        let (status, progress) = (self.status(self.trailer(host)), self.progress(host));
        let origin = host.origin();
        let outcome = Rules(&service.classify).judge(status, origin, &progress);
        self.with_retry_after(outcome, origin, service, host)
    }

    /// How a call has failed.
    #[inline(never)]
    pub(super) fn failure(&self, host: &dyn Host) -> Failure {
        let status = self.status(self.trailer(host));
        Failure::of(host.now().wall, status, host.origin())
    }

    /// gRPC's status in the trailers, if there is one.
    fn trailer(&self, host: &dyn Host) -> Option<u8> {
        let is_grpc = self.protocol == Protocol::Grpc;
        is_grpc.then(|| host.response_trailer(GRPC_STATUS).as_deref().map(head::code)).flatten()
    }

    /// An outcome, with how long the service asks to be left alone, if it does.
    fn with_retry_after(
        &self,
        outcome: Outcome,
        origin: Origin,
        service: &Service,
        host: &dyn Host,
    ) -> Outcome {
        let policy = &service.policy.open;
        let asks = || retry_after::asked(self.protocol == Protocol::Grpc, host);
        let asked = || policy.honor_retry_after.then(asks).flatten();
        let status = self.head.and_then(|head| head.status);
        // A trial that is turned away is another matter.
        let may_open = policy.on_retry_after
            && origin == Origin::Service
            && is_too_much(status)
            && !self.permit.is_trial();
        match outcome {
            Outcome::Success | Outcome::Failure { .. } if may_open => {
                match asks().filter(|asked| !asked.is_zero()) {
                    Some(asked) => Outcome::Failure { retry_after: Some(asked), at_once: true },
                    None => outcome,
                }
            }
            Outcome::Failure { .. } => Outcome::failure(asked()),
            Outcome::Declined { .. } => Outcome::Declined { retry_after: asked() },
            outcome => outcome,
        }
    }

    /// What the answer says by its status, given gRPC's in its trailers, if there is one.
    fn status(&self, trailer: Option<u8>) -> CallStatus {
        let Some(head) = self.head else {
            return CallStatus::None;
        };
        let grpc = (self.protocol == Protocol::Grpc).then(|| head.grpc(trailer)).flatten();
        grpc.map_or(CallStatus::Http(head.status), |code| CallStatus::Grpc(head.status, code))
    }

    fn progress(&self, host: &dyn Host) -> CallProgress {
        CallProgress {
            complete: self.complete,
            client_terms: self.client_terms,
            answered: self.head.is_some(),
            trial: self.permit.is_trial(),
            tunnel: matches!(self.protocol, Protocol::Connect | Protocol::Upgrade),
            endless: self.head.is_some_and(|head| head.is_endless()),
            flow: self.flow.now(host),
        }
    }

    /// Whether the service answers in gRPC, and well, but for the status that comes last.
    fn awaits_grpc_status(&self) -> bool {
        self.protocol == Protocol::Grpc
            && self.head.is_some_and(|head| {
                (head.form, head.grpc_status) == (Form::Grpc, None)
                    && matches!(head.status, Some(200..300))
            })
    }

    /// Whether a good answer is of a kind that goes on for as long as both sides like: its head is
    /// all that says whether the service works. An event stream only for trials, whose slots others
    /// wait for.
    const fn is_endless(&self, head: AnswerHead) -> bool {
        const SWITCHING_PROTOCOLS: u16 = 101;
        match (self.protocol, head.status) {
            (Protocol::Connect, Some(200..300))
            | (Protocol::Upgrade, Some(SWITCHING_PROTOCOLS)) => true,
            (Protocol::Grpc, _) => false,
            _ => self.permit.is_trial() && head.is_endless(),
        }
    }
}

/// Whether a service says by this status that it has too much to do.
#[inline]
fn is_too_much(status: Option<u16>) -> bool {
    status.is_some_and(|status| StatusSet::TOO_MUCH.contains(status))
}
