//! One request and its answer.

use std::rc::Rc;

use filter::{
    AnswerHead, CalloutRequest, Effects, Exchange, FallbackAnswer, FallbackVerdict, Headers, Piece,
    REPLACED_STATUS, ReplaceBy, Replacement, RequestAction, RequestVerdict, ResponseAnnotations,
    ResponseVerdict, Substitute, TrailersVerdict,
};

use crate::callers::{self, Caller};
use crate::host::{self, Action, Buffer, Map, NotMade};
use crate::root::Worker;

pub(crate) struct Stream {
    pub(crate) number: u32,
    worker: Rc<Worker>,
    exchange: Exchange,
}

impl Stream {
    pub(crate) fn new(number: u32, worker: Rc<Worker>) -> Self {
        Self { number, worker, exchange: Exchange::default() }
    }

    /// Does what the filter wants done besides its verdict.
    pub(crate) fn apply(&self, effects: &mut Effects) {
        self.worker.metrics.apply(effects);
    }

    pub(crate) fn on_request_headers(
        &mut self,
        end_of_stream: bool,
        effects: &mut Effects,
    ) -> Action {
        let Self { worker, exchange, .. } = self;
        let headers = host::headers(Map::Request);
        let filter = &worker.filter;
        let verdict = filter.on_request(exchange, headers, end_of_stream, &worker.proxy(), effects);
        match verdict {
            RequestVerdict { action: RequestAction::Continue, remove } if remove.is_empty() => {
                Action::Continue
            }
            verdict => carry_out(verdict),
        }
    }

    pub(crate) fn on_request_body(
        &mut self,
        size: usize,
        end_of_stream: bool,
        effects: &mut Effects,
    ) -> Action {
        let bytes = || host::buffer(Buffer::RequestBody, size);
        self.worker.filter.on_request_body(&mut self.exchange, size, end_of_stream, bytes);
        if end_of_stream { self.on_request_end(effects) } else { Action::Continue }
    }

    /// All of the request has come. Trailers come last, if there are any.
    pub(crate) fn on_request_end(&mut self, effects: &mut Effects) -> Action {
        let Self { worker, exchange, .. } = self;
        match worker.filter.on_request_end(exchange, &worker.proxy(), effects) {
            None => Action::Continue,
            Some(reply) => {
                host::reply(&reply);
                Action::Pause
            }
        }
    }

    pub(crate) fn on_response_headers(
        &mut self,
        end_of_stream: bool,
        effects: &mut Effects,
    ) -> Action {
        let Self { worker, exchange, .. } = self;
        let head = || AnswerHead::read(&host::headers(Map::Response));
        let verdict =
            worker.filter.on_response(exchange, head, end_of_stream, &worker.proxy(), effects);
        let action = match verdict {
            ResponseVerdict::Continue(ResponseAnnotations::NOTHING) => Action::Continue,
            verdict => self.carry_out(verdict, effects),
        };
        if end_of_stream && action == Action::Continue {
            self.on_answer_end(effects);
        }
        action
    }

    /// Does to an answer what was decided.
    #[inline(never)]
    fn carry_out(&mut self, verdict: ResponseVerdict, effects: &mut Effects) -> Action {
        match verdict {
            ResponseVerdict::Continue(annotations) => annotate(annotations),
            ResponseVerdict::Ask(callout) => match self.ask(&callout, effects) {
                Some(call) => {
                    let worker = &self.worker;
                    let ticks = worker.filter.callout_ticks(callout.timeout);
                    let caller = Caller::Stream(self.number);
                    callers::await_call(call, worker.root, ticks, caller);
                    return Action::Pause;
                }
                None => {
                    if let FallbackVerdict::Resume(annotations) =
                        self.fallback_verdict(None, effects)
                    {
                        annotate(annotations);
                    }
                }
            },
            ResponseVerdict::Replace(substitute) => return self.replace(substitute),
            // Not of a proxy that cannot.
            ResponseVerdict::Rerun(_) => {}
        }
        Action::Continue
    }

    /// Has an answer take the place of the one at hand, which goes on then if it is written into that.
    fn replace(&mut self, substitute: Substitute) -> Action {
        let Self { worker, exchange, .. } = self;
        let replacement = worker.filter.replace(exchange, substitute, &worker.proxy());
        let Replacement { replaced, by } = replacement;
        if let Some(status) = replaced {
            host::note(REPLACED_STATUS, &status.to_string());
        }
        match by {
            ReplaceBy::Rewriting(headers) => {
                host::set_headers(Map::Response, headers);
                Action::Continue
            }
            ReplaceBy::LocalReply(reply) => {
                host::reply(&reply);
                Action::Pause
            }
        }
    }

    /// Makes the call that an answer is held back for, if one may be.
    fn ask(&self, callout: &CalloutRequest, effects: &mut Effects) -> Option<u32> {
        if !callers::may_wait() {
            return None;
        }
        match host::call(callout) {
            Ok(call) => Some(call),
            Err(NotMade::Failed) => None,
            Err(NotMade::UnknownCluster) => {
                let Worker { filter, .. } = &*self.worker;
                filter.on_unknown_cluster(&callout.cluster, &self.worker.proxy(), effects);
                None
            }
        }
    }

    pub(crate) fn on_response_body(
        &mut self,
        size: usize,
        end_of_stream: bool,
        effects: &mut Effects,
    ) {
        let bytes = || host::buffer(Buffer::ResponseBody, size);
        let Self { worker, exchange, .. } = self;
        let (filter, proxy) = (&worker.filter, worker.proxy());
        let put = move |piece: &[u8]| host::set_buffer(Buffer::ResponseBody, size, piece);
        let piece = Piece { len: size, end_of_stream, bytes, put };
        filter.on_response_body(exchange, piece, &proxy, effects);
        if end_of_stream {
            self.on_answer_end(effects);
        }
    }

    /// Trailers come last, if there are any.
    pub(crate) fn on_response_trailers(&mut self, effects: &mut Effects) {
        match self.worker.filter.on_response_trailers(&mut self.exchange) {
            TrailersVerdict::Continue => {}
            TrailersVerdict::Remove => {
                let none = Headers::from_pairs::<&str, &str>(&[]);
                host::set_headers(Map::ResponseTrailers, none);
            }
            TrailersVerdict::Reply(reply) => host::reply(&reply),
        }
        self.on_answer_end(effects);
    }

    #[inline(never)]
    fn on_answer_end(&mut self, effects: &mut Effects) {
        let Self { worker, exchange, .. } = self;
        worker.filter.on_answer_end(exchange, &worker.proxy(), effects);
    }

    /// The call to the fallback has been answered, or has failed.
    pub(crate) fn on_call_answer(&mut self, headers: usize, body: usize, effects: &mut Effects) {
        // No headers: the call was reset, or its answer too large.
        let answer = (headers > 0).then(|| FallbackAnswer {
            headers: host::headers(Map::CallResponse),
            body: match body {
                0 => Vec::new(),
                size => host::buffer(Buffer::CallResponseBody, size).unwrap_or_default(),
            },
        });
        match self.fallback_verdict(answer, effects) {
            FallbackVerdict::Nothing => {}
            FallbackVerdict::Replace(substitute) => {
                if self.replace(substitute) == Action::Continue {
                    host::resume_response();
                }
            }
            FallbackVerdict::Resume(annotations) => {
                annotate(annotations);
                host::resume_response();
            }
        }
    }

    pub(crate) fn on_end(&mut self, effects: &mut Effects) {
        let Self { worker, exchange, .. } = self;
        worker.filter.on_stream_end(exchange, &worker.proxy(), effects);
    }

    fn fallback_verdict(
        &mut self,
        answer: Option<FallbackAnswer>,
        effects: &mut Effects,
    ) -> FallbackVerdict {
        self.worker.filter.on_fallback_answer(&mut self.exchange, answer, effects)
    }
}

/// Does to a request what was decided.
#[inline(never)]
fn carry_out(verdict: RequestVerdict) -> Action {
    for name in verdict.remove.names() {
        host::remove_header(Map::Request, name);
    }
    match verdict.action {
        RequestAction::Continue => {}
        RequestAction::Divert(headers) => {
            for (name, value) in headers {
                host::set_header(Map::Request, name, &value);
            }
        }
        RequestAction::Reply(reply) => {
            host::reply(&reply);
            return Action::Pause;
        }
    }
    Action::Continue
}

/// Sets headers of the answer, and removes what it says itself in the filter's name.
fn annotate(annotations: ResponseAnnotations) {
    for name in annotations.removed() {
        host::remove_header(Map::Response, name);
    }
    for (name, value) in annotations.headers() {
        host::set_header(Map::Response, name, value);
    }
}
