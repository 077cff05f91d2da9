//! What becomes of an answer, and what it says of the service.

use breaker::{Ended, Impact, Outcome, Permit, Settled, StateName};

use super::head::{self, AnswerHead, Form};
use super::replace::{Failed, Substitute};
use super::{
    Call, Exchange, GRPC_STATUS, Held, Phase, Protocol, Replaying, ResponseVerdict, replace,
};
use crate::classify::{Course, Rules};
use crate::config::{ExposeState, Service};
use crate::effects::Effects;
use crate::filter::Filter;
use crate::headers::OwnResponseHeaders;
use crate::health::claim_check;
use crate::host::Host;
use crate::origin::Origin;
use crate::pushback;
use crate::random::scrambled;
use crate::replay::Capture;
use crate::reply::{Reply, ResponseAnnotations};
use crate::stale::Wanted;
use crate::store::{ServiceHandle, Update};
use crate::telemetry::{FallbackKind, Metric, ServiceMetric};

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

impl ResponseVerdict {
    const PASS: Self = Self::Continue(ResponseAnnotations::NOTHING);
}

impl Filter {
    /// Whether the answer is of interest, and [`on_response`](Self::on_response) is to be called.
    #[must_use]
    pub const fn wants_response(&self, exchange: &Exchange) -> bool {
        !matches!(exchange.phase, Phase::Idle) || exchange.held.is_some()
    }

    /// Judges an answer when its head has come. `head` is asked for only if it matters.
    pub fn on_response(
        &self,
        exchange: &mut Exchange,
        head: impl FnOnce() -> AnswerHead,
        end_of_stream: bool,
        host: &impl Host,
        effects: &mut Effects,
    ) -> ResponseVerdict {
        match &mut exchange.phase {
            Phase::Idle => {
                if !self.witness.has_met() {
                    self.on_unmet(effects);
                }
                ResponseVerdict::PASS
            }
            Phase::Replaying(_) | Phase::Replaced(_) => ResponseVerdict::PASS,
            Phase::Diverted(diverted) => {
                let diverted = *diverted;
                exchange.phase = Phase::Idle;
                self.on_diverted_answer(diverted, host, effects)
            }
            Phase::Admitted(call) => {
                let Some(record) = self.record(call.breaker) else {
                    return ResponseVerdict::PASS;
                };
                let mut head = head();
                // Of another type, it can be gRPC's trailers alone: not with a body after it.
                if head.form == Form::Any && !end_of_stream {
                    head.grpc_status = None;
                }
                call.head = Some(head);
                let slow = call.is_slow(record.service, host);
                call.slow = Some(slow);
                let good = call.is_good(head, slow, record.service);
                if !good
                    && let Some(outcome) =
                        judge_head(call, head, record.service, end_of_stream, host)
                {
                    let ended = Ended { outcome, slow };
                    return self.on_judged(
                        exchange,
                        &record,
                        (head, end_of_stream),
                        ended,
                        host,
                        effects,
                    );
                }
                let (status, budget) =
                    (head.status.unwrap_or_default(), self.config.max_copied_bytes);
                call.await_end(&record, status, end_of_stream, budget, host);
                call.plain = good && call.copy.is_none();
                self.told(head.own, || record.state(host, effects))
            }
        }
    }

    /// Takes a piece of the answer's body.
    pub fn on_response_body(
        &self,
        exchange: &mut Exchange,
        piece: Piece<impl FnOnce() -> Option<Vec<u8>>, impl FnOnce(&[u8])>,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        let Piece { len, end_of_stream, bytes, put } = piece;
        let Phase::Admitted(call) = &mut exchange.phase else {
            if let Phase::Replaced(pending) = &mut exchange.phase {
                replace::piece(pending, len, put);
            }
            return;
        };
        if let Some(copy) = &mut call.copy
            && !copy.take(len, end_of_stream, self.config.max_copied_bytes, bytes)
        {
            call.copy = None;
        }
        if !call.permit.is_trial() {
            call.passing.add(len, host);
        } else if !end_of_stream {
            self.on_piece_of_trial(exchange, len, host, effects);
        }
    }

    /// A piece of a trial's answer has come, and more is to. It is enough of a good one if much of it has
    /// passed, since how it ends can be its client's doing; and if the trial's time is nearly over,
    /// since it may go on for hours.
    #[inline(never)]
    fn on_piece_of_trial(
        &self,
        exchange: &mut Exchange,
        len: usize,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        let Phase::Admitted(call) = &mut exchange.phase else {
            return;
        };
        let Some(record) = self.record(call.breaker) else {
            return;
        };
        let flows = |call: &Call| {
            let policy = &record.service.policy.half_open;
            len > 0 && call.permit.is_nearly_over(policy, host.now().monotonic)
        };
        let enough = call.passing.add(len, host) || flows(call);
        if enough
            && call.is_good_so_far(record.service, host)
            && let Phase::Admitted(mut call) = std::mem::take(&mut exchange.phase)
        {
            if let Some(copy) = call.copy.take() {
                record.forget_copy(&copy);
            }
            let ended = Ended { outcome: Outcome::Success, slow: call.slow.unwrap_or_default() };
            self.settle(&record, call.permit, ended, host, effects);
        }
    }

    /// Settles an admitted call when all of its answer has come. A host that does not know when
    /// leaves this out, and the call is settled when the stream has ended.
    pub fn on_answer_end(&self, exchange: &mut Exchange, host: &impl Host, effects: &mut Effects) {
        // The service is done with it. The stream goes on for as long as its client takes to read.
        if exchange.held.is_some() {
            self.let_go(exchange, host, effects);
        }
        let Phase::Admitted(call) = &exchange.phase else {
            return;
        };
        let Some(record) = self.record(call.breaker) else {
            return;
        };
        if Self::settle_plain(&record, call, host) {
            exchange.phase = Phase::Idle;
        } else if let Phase::Admitted(call) = std::mem::take(&mut exchange.phase) {
            self.settle_ended(&record, call, host, effects);
        }
    }

    /// Settles whatever is not settled when the stream has ended. Call it as often as you like.
    pub fn on_stream_end(&self, exchange: &mut Exchange, host: &impl Host, effects: &mut Effects) {
        if self.wants_response(exchange) {
            self.end(exchange, host, effects);
        }
    }

    /// Seldom come to: most answers were settled when all of them had come.
    #[inline(never)]
    fn end(&self, exchange: &mut Exchange, host: &impl Host, effects: &mut Effects) {
        self.let_go(exchange, host, effects);
        match std::mem::take(&mut exchange.phase) {
            Phase::Admitted(call) => {
                if let Some(record) = self.record(call.breaker) {
                    self.settle_ended(&record, call, host, effects);
                }
            }
            Phase::Replaced(Some(_)) => self.on_bodiless(host, effects),
            Phase::Diverted { .. } | Phase::Idle | Phase::Replaced(None) | Phase::Replaying(_) => {}
        }
    }

    /// Settles a call that has ended well, where that is of no consequence: there is nothing
    /// that a success would make the breaker forget. It is counted on the spot: what most calls
    /// want done is not worth being written down first.
    fn settle_plain(record: &ServiceHandle<'_>, call: &Call, host: &impl Host) -> bool {
        let ended = Ended::from(Outcome::Success);
        if !call.plain || record.settle_clean(&call.permit, ended, host).is_none() {
            return false;
        }
        record.instance.succeeded.set(true);
        let calls = ServiceMetric::Calls(ended.outcome);
        host.adjust(Metric::Of(record.number, calls), 1);
        true
    }

    /// Settles a call by its answer and by how that came about.
    #[inline(never)]
    fn settle_ended(
        &self,
        record: &ServiceHandle<'_>,
        mut call: Call,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        let trailer = match call.protocol {
            Protocol::Grpc => host.response_trailer(GRPC_STATUS).as_deref().map(head::code),
            Protocol::Connect | Protocol::Head | Protocol::Http | Protocol::Upgrade => None,
        };
        let (head, course) = (call.judged_head(trailer), call.course(host));
        let outcome = Rules(&record.service.classify).judge(head, Origin::ask(host), &course);
        let outcome = with_pushback(outcome, call.protocol, record.service, host);
        if let Some(copy) = call.copy.take() {
            match outcome {
                Outcome::Success => record.keep_answer(*copy, host),
                _ => record.forget_copy(&copy),
            }
        }
        // A call that was never answered has taken until now.
        let slow = call.slow.unwrap_or_else(|| call.is_slow(record.service, host));
        self.settle(record, call.permit, Ended { outcome, slow }, host, effects);
    }

    /// Gives a place of the bulkhead back.
    fn let_go(&self, exchange: &mut Exchange, host: &impl Host, effects: &mut Effects) {
        if let Some(Held { breaker, place }) = exchange.held.take()
            && let Some(record) = self.record(breaker)
            && let Some(bulkhead) = &record.service.bulkhead
        {
            record.give_place_back(bulkhead, place, host, effects);
        }
    }

    /// Leaves the replaying phase, if the exchange is in it.
    pub(crate) fn end_replay(&self, exchange: &mut Exchange) -> Option<Replaying> {
        match std::mem::take(&mut exchange.phase) {
            Phase::Replaying(replaying) => Some(replaying),
            phase => {
                exchange.phase = phase;
                None
            }
        }
    }

    /// Settles a call whose answer's head was all that had to be waited for.
    #[inline(never)]
    fn on_judged(
        &self,
        exchange: &mut Exchange,
        record: &ServiceHandle<'_>,
        (head, bare): (AnswerHead, bool),
        Ended { outcome, slow }: Ended,
        host: &impl Host,
        effects: &mut Effects,
    ) -> ResponseVerdict {
        let Phase::Admitted(call) = std::mem::take(&mut exchange.phase) else {
            return ResponseVerdict::PASS;
        };
        let service = record.service;
        let outcome = with_pushback(outcome, call.protocol, service, host);
        let ended = Ended { outcome, slow };
        let state = self.settle(record, call.permit, ended, host, effects);
        if let Outcome::Failure { .. } = outcome
            && let Some(state) = state
            && call.protocol.is_plain()
            && service.fallback.on_failure
            && state.diverts_failures()
        {
            let failed = Failed {
                status: head.status,
                bare,
                asked_for_head: call.protocol == Protocol::Head,
            };
            let held = Replaying { service: record.number, state, foreign: head.own, failed };
            let kept = (call.capture, call.wanted);
            let verdict = self.answer_failure(exchange, record, held, kept, host, effects);
            if let Some(verdict) = verdict {
                return verdict;
            }
        }
        self.told(head.own, || state)
    }

    /// Answers a failed call by the fallback, if that can be done.
    fn answer_failure(
        &self,
        exchange: &mut Exchange,
        record: &ServiceHandle<'_>,
        held: Replaying,
        (capture, wanted): (Option<Capture>, Option<Box<Wanted>>),
        host: &impl Host,
        effects: &mut Effects,
    ) -> Option<ResponseVerdict> {
        let (service, state) = (record.service, held.state);
        if let Some(cluster) = &service.fallback.cluster {
            let callout = capture?.callout(cluster, &record.instance.name, state)?;
            exchange.phase = Phase::Replaying(held);
            return Some(ResponseVerdict::Ask(callout));
        }
        let (reply, kind) = match self.stale(record, wanted.as_deref(), host) {
            Some(stale) => (stale, FallbackKind::Stale),
            None => {
                let response = service.fallback.response.as_ref()?;
                (Reply::configured(response), FallbackKind::Response)
            }
        };
        effects.count_of(record.number, ServiceMetric::Fallback(kind));
        let reply = reply.telling(self.config.expose_state, state, kind);
        Some(ResponseVerdict::Replace(Substitute { reply, failed: held.failed }))
    }

    /// Lets an answer pass, with the breaker's state if all answers tell it, and without what it says
    /// of one itself.
    fn told(
        &self,
        foreign: OwnResponseHeaders,
        state: impl FnOnce() -> Option<StateName>,
    ) -> ResponseVerdict {
        let told = self.config.expose_state == ExposeState::Always;
        let state = told.then(state).flatten();
        ResponseVerdict::Continue(ResponseAnnotations { state, fallback: None, foreign })
    }

    /// Writes down what became of a call, and tells the state the breaker is in now. What changes
    /// nothing is only counted.
    fn settle(
        &self,
        record: &ServiceHandle<'_>,
        permit: Permit,
        ended: Ended,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Option<StateName> {
        count(record, ended, effects);
        if let Some(clean) = record.settle_clean(&permit, ended, host) {
            return Some(clean.state());
        }
        let (call, mut impact) = (permit.end(ended), Impact::Write);
        let policy = &record.service.policy;
        let tally = record.tally();
        let settled = record.update(host, effects, |breaker| {
            impact = breaker.impact(policy, &call, &tally);
            if impact != Impact::Write {
                return Update::Unchanged((breaker.shown_state(policy.mode), None));
            }
            let now = host.now();
            let random = scrambled(now.monotonic.as_nanos());
            breaker.merge(policy, &tally, now.monotonic);
            let transition = match breaker.settle(policy, &call, now, random) {
                Settled::Counted(transition) => transition,
                Settled::Late => None,
            };
            claim_check(breaker, policy, transition, host);
            let next = breaker.next_tally(&tally);
            Update::Changed((breaker.shown_state(policy.mode), Some(next)), transition)
        });
        let state = match settled {
            Ok((state, Some(next))) => {
                record.set_tally(next);
                return Some(state);
            }
            Ok((state, None)) => Some(state),
            Err(_) => None,
        };
        if ended.outcome == Outcome::Success && impact != Impact::None {
            record.keep(call.permit(), host);
        }
        // What could not be written down has happened all the same, and is told and answered so.
        state.or_else(|| record.state(host, effects))
    }
}

impl Call {
    /// Whether the head says all that there is to know of an answer, if all of it comes: what
    /// most of them are.
    ///
    /// A filter behind this one that repeats a service's old answer repeats its headers, too. So
    /// the head's word for who gave it is enough only where nothing depends on it.
    fn is_good(&self, head: AnswerHead, slow: bool, service: &Service) -> bool {
        head.of_service
            && self.protocol.is_plain()
            && !slow
            && !self.permit.is_trial()
            && !Rules(&service.classify).may_have_failed(head.status)
            && !head.status.is_some_and(|status| service.classify.ignore_status.contains(status))
    }

    /// Whether an answer that goes on says well of the service, as far as it has come.
    fn is_good_so_far(&self, service: &Service, host: &impl Host) -> bool {
        if self.awaits_grpc_status() {
            return true;
        }
        let (head, course) = (self.judged_head(None), self.course(host));
        Rules(&service.classify).judge(head, Origin::ask(host), &course) == Outcome::Success
    }

    /// Whether the service answers in gRPC, and well, but for the status that comes last.
    fn awaits_grpc_status(&self) -> bool {
        self.protocol == Protocol::Grpc
            && self.head.is_some_and(|head| {
                (head.form, head.grpc_status) == (Form::Grpc, None)
                    && matches!(head.status, Some(200..300))
            })
    }

    /// The answer is there, and not a failure: the request will not be sent again, and what the answer
    /// says of the service is known when it has ended.
    fn await_end(
        &mut self,
        record: &ServiceHandle<'_>,
        status: u16,
        end_of_stream: bool,
        budget: usize,
        host: &impl Host,
    ) {
        self.capture = None;
        if let Some(stale) = &record.service.fallback.stale
            && let Some(wanted) = self.wanted.take()
        {
            let copy = record.begin_copy(stale, *wanted, status, end_of_stream, budget, host);
            self.copy = copy.map(Box::new);
        }
    }
}

/// Counts what became of a call.
fn count(record: &ServiceHandle<'_>, ended: Ended, effects: &mut Effects) {
    effects.count_of(record.number, ServiceMetric::Calls(ended.outcome));
    if ended.slow {
        effects.count_of(record.number, ServiceMetric::SlowCalls);
    }
    if ended.outcome == Outcome::Success {
        record.instance.succeeded.set(true);
    }
}

/// What the head of an answer says, if that is all that is waited for: a failure, since the
/// fallback may answer in its stead, a trial that is turned away, an answer of the proxy's own, and a
/// good answer that has no end of its own. The rest is judged when the stream has ended.
fn judge_head(
    call: &Call,
    head: AnswerHead,
    service: &Service,
    end_of_stream: bool,
    host: &impl Host,
) -> Option<Outcome> {
    // Envoy's own replies to gRPC calls are gRPC, too: 200, and a head that is all there is.
    let whole_grpc = call.protocol == Protocol::Grpc && end_of_stream;
    // A stream that both sides keep open has no status for long: that it is open has to do.
    let grpc_stream = call.is_grpc_stream(end_of_stream);
    let endless = is_endless(call, head);
    // How long it wants to be left alone stands in the head, too, which cannot be read any more later.
    let declined = call.permit.is_trial() && Rules(&service.classify).declines(head.status);
    let may_have_failed = Rules(&service.classify).may_have_failed(head.status);
    if !whole_grpc && !grpc_stream && !endless && !declined && !may_have_failed {
        return None;
    }
    let origin = Origin::ask(host);
    let outcome = match origin {
        Origin::Service if grpc_stream => Outcome::Success,
        // Of any other origin, the head is the proxy's own: no answer has begun.
        _ => {
            let course = Course { answered: origin == Origin::Service, ..call.course(host) };
            Rules(&service.classify).judge(call.judged_head(None), origin, &course)
        }
    };
    let settled = endless
        || grpc_stream
        || whole_grpc
        || origin != Origin::Service
        || matches!(outcome, Outcome::Failure { .. } | Outcome::Declined { .. });
    settled.then_some(outcome)
}

impl Call {
    /// Whether it is a trial that the service answers in gRPC, and well so far, while its client goes on
    /// with the request.
    fn is_grpc_stream(&self, end_of_stream: bool) -> bool {
        self.permit.is_trial() && !self.complete && !end_of_stream && self.awaits_grpc_status()
    }
}

/// Whether a good answer is of a kind that goes on for as long as both sides like: its head is
/// all that says whether the service works. An event stream only for trials, whose places others
/// wait for.
const fn is_endless(call: &Call, head: AnswerHead) -> bool {
    const SWITCHING_PROTOCOLS: u16 = 101;
    match (call.protocol, head.status) {
        (Protocol::Connect, Some(200..300)) | (Protocol::Upgrade, Some(SWITCHING_PROTOCOLS)) => {
            true
        }
        (Protocol::Grpc, _) => false,
        _ => call.permit.is_trial() && head.is_endless(),
    }
}

fn with_pushback(
    outcome: Outcome,
    protocol: Protocol,
    service: &Service,
    host: &impl Host,
) -> Outcome {
    let asked = || {
        let honored = service.policy.open.honor_retry_after;
        honored.then(|| pushback::asked(protocol == Protocol::Grpc, host)).flatten()
    };
    match outcome {
        Outcome::Failure { .. } => Outcome::Failure { retry_after: asked() },
        Outcome::Declined { .. } => Outcome::Declined { retry_after: asked() },
        outcome => outcome,
    }
}
