//! One request and its answer.

use std::cell::RefCell;

use filter::{
    AnswerHead, CalloutRequest, Effects, Exchange, FallbackAnswer, FallbackVerdict, Filter,
    Headers, Piece, REPLACED_STATUS, ReplaceBy, Replacement, RequestAction, RequestVerdict, Rerun,
    ResponseAnnotations, ResponseVerdict, Substitute, TrailersVerdict,
};

use crate::abi::{Body, Map};
use crate::configuration::Configuration;
use crate::envoy::{Last, NotMade, OnStream};
use crate::metrics::Caller;
use crate::proxy::Proxy;
use crate::rerun::{self, HandedOver, Place};
use crate::worker::Worker;

/// As proxies note it that run the other form of the filter, so that access logs need not know which
/// one it is.
const REPLACED: &str = "wasm.";

/// A stream of a configuration.
#[derive(Debug)]
pub struct Stream<'a> {
    configuration: &'a Configuration,
    worker: &'a Worker,
    /// Borrowed while a step is taken, and by nobody else.
    exchange: RefCell<Exchange>,
    /// If this is the second run of a request.
    second: Option<Box<Rerun>>,
}

/// What becomes of headers or of a piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Continue,
    /// It waits for a call.
    Hold,
    /// The request is answered, with this as the last thing that is done in the hook.
    Stop(Last),
    /// The request runs again, which is the last thing that is done in the hook, if it can be.
    Rerun(HandedOver),
}

impl<'a> Stream<'a> {
    /// `None`: there is nothing to do for it.
    pub(crate) fn new(configuration: &'a Configuration, stream: OnStream) -> Option<Self> {
        let worker = configuration.worker(stream)?;
        let second = rerun::take(Place::of(configuration));
        Some(Self { configuration, worker, exchange: RefCell::default(), second })
    }

    /// Takes a step. A hook that comes while another is at work on the stream has nothing to do.
    #[inline]
    fn step<R>(
        &self,
        stream: OnStream,
        step: impl FnOnce(&mut Exchange, &Filter, &Proxy<'_>, &mut Effects) -> R,
    ) -> Option<R> {
        let mut exchange = self.exchange.try_borrow_mut().ok()?;
        let (common, caller) = (self.configuration.common(), Caller::Stream(stream));
        Some(self.worker.step(common, caller, |filter, proxy, effects| {
            step(&mut exchange, filter, proxy, effects)
        }))
    }

    pub(crate) fn on_request_headers(&self, stream: OnStream, end_of_stream: bool) -> Verdict {
        let headers = stream.headers(Map::Request);
        if let Some(rerun) = &self.second {
            return self.on_rerun(rerun, &headers, stream);
        }
        let verdict = self.step(stream, |exchange, filter, proxy, effects| {
            filter.on_request(exchange, headers, end_of_stream, proxy, effects)
        });
        match verdict {
            None => Verdict::Continue,
            Some(RequestVerdict { action: RequestAction::Continue, remove })
                if remove.is_empty() =>
            {
                Verdict::Continue
            }
            Some(verdict) => carry_out(verdict, stream),
        }
    }

    #[inline(never)]
    fn on_rerun(&self, rerun: &Rerun, headers: &Headers, stream: OnStream) -> Verdict {
        let verdict =
            self.step(stream, |exchange, filter, _, _| filter.on_rerun(exchange, rerun, headers));
        note_replaced(rerun.replaced(), stream);
        verdict.map_or(Verdict::Continue, |verdict| carry_out(verdict, stream))
    }

    pub(crate) fn on_request_body(&self, stream: OnStream, end_of_stream: bool) -> Verdict {
        let size = stream.body_size(Body::Request);
        let bytes = || stream.body(Body::Request);
        let reply = self.step(stream, |exchange, filter, proxy, effects| {
            filter.on_request_body(exchange, size, end_of_stream, bytes);
            filter.count_skipped(effects);
            end_of_stream.then(|| filter.on_request_end(exchange, proxy, effects)).flatten()
        });
        reply.flatten().map_or(Verdict::Continue, |reply| Verdict::Stop(Last::Reply(reply)))
    }

    pub(crate) fn on_request_trailers(&self, stream: OnStream) -> Verdict {
        let reply = self.step(stream, |exchange, filter, proxy, effects| {
            filter.on_request_end(exchange, proxy, effects)
        });
        reply.flatten().map_or(Verdict::Continue, |reply| Verdict::Stop(Last::Reply(reply)))
    }

    pub(crate) fn on_response_headers(&self, stream: OnStream, end_of_stream: bool) -> Verdict {
        let head = || {
            stream.with_headers(Map::Response, |headers| {
                let mut head = AnswerHead::default();
                headers.iter().for_each(|(name, value)| head.note(name, value));
                head
            })
        };
        let verdict = self.step(stream, |exchange, filter, proxy, effects| {
            let verdict = filter.on_response(exchange, head, end_of_stream, proxy, effects);
            match verdict {
                ResponseVerdict::Continue(annotations) => {
                    if end_of_stream {
                        filter.on_answer_end(exchange, proxy, effects);
                    }
                    annotate(annotations, stream);
                    Verdict::Continue
                }
                ResponseVerdict::Ask(callout) => {
                    let asked = ask(&callout, stream, filter, proxy, effects);
                    if asked {
                        return Verdict::Hold;
                    }
                    pass(exchange, end_of_stream, stream, filter, proxy, effects);
                    Verdict::Continue
                }
                ResponseVerdict::Rerun(rerun) => {
                    Verdict::Rerun(HandedOver::new(Place::of(self.configuration), rerun))
                }
                ResponseVerdict::Replace(substitute) => {
                    let last = replace(substitute, exchange, stream, filter, proxy);
                    if end_of_stream && last.is_none() {
                        filter.on_answer_end(exchange, proxy, effects);
                    }
                    last.map_or(Verdict::Continue, Verdict::Stop)
                }
            }
        });
        verdict.unwrap_or(Verdict::Continue)
    }

    /// The request does not run again, though it should have: the failed answer goes on.
    pub(crate) fn on_not_rerun(&self, stream: OnStream, end_of_stream: bool) -> Verdict {
        self.step(stream, |exchange, filter, proxy, effects| {
            pass(exchange, end_of_stream, stream, filter, proxy, effects);
        });
        Verdict::Continue
    }

    pub(crate) fn on_response_body(&self, stream: OnStream, end_of_stream: bool) {
        let len = stream.body_size(Body::Response);
        let bytes = || stream.body(Body::Response);
        let put = |piece: &[u8]| stream.set_body(Body::Response, piece);
        self.step(stream, |exchange, filter, proxy, effects| {
            let piece = Piece { len, end_of_stream, bytes, put };
            filter.on_response_body(exchange, piece, proxy, effects);
            filter.count_skipped(effects);
            if end_of_stream {
                filter.on_answer_end(exchange, proxy, effects);
            }
        });
    }

    pub(crate) fn on_response_trailers(&self, stream: OnStream) -> Verdict {
        let verdict = self.step(stream, |exchange, filter, proxy, effects| {
            let verdict = filter.on_response_trailers(exchange);
            filter.on_answer_end(exchange, proxy, effects);
            verdict
        });
        match verdict {
            None | Some(TrailersVerdict::Continue) => Verdict::Continue,
            Some(TrailersVerdict::Remove) => {
                stream.set_headers(Map::ResponseTrailers, &Headers::default());
                Verdict::Continue
            }
            Some(TrailersVerdict::Reply(reply)) => Verdict::Stop(Last::Reply(reply)),
        }
    }

    /// The call to the fallback is answered; `None`: it has failed. What is returned is the last
    /// thing to be done.
    pub(crate) fn on_call_answer(
        &self,
        stream: OnStream,
        answer: Option<FallbackAnswer>,
    ) -> Option<Last> {
        let last = self.step(stream, |exchange, filter, proxy, effects| {
            match filter.on_fallback_answer(exchange, answer, effects) {
                FallbackVerdict::Nothing => None,
                FallbackVerdict::Replace(substitute) => {
                    let reply = replace(substitute, exchange, stream, filter, proxy);
                    Some(reply.unwrap_or(Last::Resume))
                }
                FallbackVerdict::Resume(annotations) => {
                    annotate(annotations, stream);
                    Some(Last::Resume)
                }
            }
        });
        last.flatten()
    }

    /// It has ended. It may be said more than once.
    pub(crate) fn on_end(&self, stream: OnStream) {
        if let Some(rerun) = &self.second {
            rerun::hand_on(Place::of(self.configuration), rerun);
        }
        self.step(stream, |exchange, filter, proxy, effects| {
            filter.on_stream_end(exchange, proxy, effects);
            filter.count_skipped(effects);
        });
    }
}

/// Does to a request what was decided.
#[inline(never)]
fn carry_out(verdict: RequestVerdict, stream: OnStream) -> Verdict {
    for name in verdict.remove.names() {
        stream.remove_header(Map::Request, name.as_bytes());
    }
    match verdict.action {
        RequestAction::Continue => {}
        RequestAction::Divert(headers) => {
            for (name, value) in headers {
                stream.set_header(Map::Request, name.as_bytes(), value.as_bytes());
            }
        }
        RequestAction::Reply(reply) => return Verdict::Stop(Last::Reply(reply)),
    }
    stream.choose_route();
    Verdict::Continue
}

/// Makes the call that an answer is held back for; whether it is made.
fn ask(
    callout: &CalloutRequest,
    stream: OnStream,
    filter: &Filter,
    proxy: &Proxy<'_>,
    effects: &mut Effects,
) -> bool {
    match stream.call(callout) {
        Ok(_) => true,
        Err(NotMade::Failed) => false,
        Err(NotMade::UnknownCluster) => {
            filter.on_unknown_cluster(&callout.cluster, proxy, effects);
            false
        }
    }
}

/// Has a failed answer go on, since nobody can be asked.
fn pass(
    exchange: &mut Exchange,
    end_of_stream: bool,
    stream: OnStream,
    filter: &Filter,
    proxy: &Proxy<'_>,
    effects: &mut Effects,
) {
    let verdict = filter.on_fallback_answer(exchange, None, effects);
    if let FallbackVerdict::Resume(annotations) = verdict {
        annotate(annotations, stream);
    }
    if end_of_stream {
        filter.on_answer_end(exchange, proxy, effects);
    }
}

/// Notes the status of an answer that another takes the place of.
fn note_replaced(status: Option<u16>, stream: OnStream) {
    if let Some(status) = status {
        stream.note(&[REPLACED, REPLACED_STATUS].concat(), &status.to_string());
    }
}

/// Has an answer take the place of the one at hand: written into it, or as a reply in its stead.
fn replace(
    substitute: Substitute,
    exchange: &mut Exchange,
    stream: OnStream,
    filter: &Filter,
    proxy: &Proxy<'_>,
) -> Option<Last> {
    let Replacement { replaced, by } = filter.replace(exchange, substitute, proxy);
    note_replaced(replaced, stream);
    match by {
        ReplaceBy::Rewriting(headers) => {
            stream.set_headers(Map::Response, &headers);
            None
        }
        ReplaceBy::LocalReply(reply) => Some(Last::Reply(reply)),
    }
}

/// Sets headers of the answer, and removes what it says itself in the filter's name.
fn annotate(annotations: ResponseAnnotations, stream: OnStream) {
    for name in annotations.removed() {
        stream.remove_header(Map::Response, name.as_bytes());
    }
    for (name, value) in annotations.headers() {
        stream.set_header(Map::Response, name.as_bytes(), value.as_bytes());
    }
}
