//! One request and its answer, driven as a proxy drives them.

use std::rc::{Rc, Weak};

use filter::{
    AnswerHead, CalloutRequest, Exchange, FallbackAnswer, FallbackVerdict, Headers, Piece,
    RequestAction, ResponseAnnotations, ResponseVerdict,
};
use scenario::{
    Answer, CLIENT_GONE, CallId, CalloutAnswer, Grpc, Head, Received, Reply, Request, Worker,
};

use super::Plugin;
use super::proxy::{Facts, Proxy, reply_of, status_only};
use crate::driver::diverted;

pub(super) struct Stream {
    pub(super) worker: Worker,
    plugin: Rc<Plugin>,
    exchange: Exchange,
    facts: Facts,
    is_grpc: bool,
    /// The head that the client has got, if the answer was begun.
    begun: Option<Reply>,
}

/// The body of every answer.
const ANSWER: &[u8] = b"answer";

/// What became of a stream.
pub(super) enum Next {
    /// It waits for its service.
    Waiting,
    /// It waits for a call-out.
    Ask(CalloutRequest),
    /// Its client has got this.
    Done(Received),
}

impl Stream {
    /// A request comes to the filter. A diverted one is answered by its cluster at once.
    pub(super) fn begin(
        proxy: &Proxy,
        plugin: &Rc<Plugin>,
        call: CallId,
        request: &Request,
        cluster_of: impl FnOnce(&str) -> CalloutAnswer,
    ) -> (Self, Next) {
        let pairs: Vec<_> = request.header_pairs().collect();
        let facts = Facts {
            cluster: request.cluster.clone(),
            route: request.route.clone(),
            peer: request.peer.clone(),
            // Each comes on a connection of its own.
            connection: Some(call as u64 + 1),
            ..Facts::default()
        };
        let no_body = request.ends_with_head();
        let (mut exchange, headers) = (Exchange::default(), Headers::from_pairs(&pairs));
        let verdict = proxy.run(&plugin.metrics, &facts, |host, effects| {
            plugin.filter.on_request(&mut exchange, headers, no_body, host, effects)
        });
        let mut stream = Self {
            worker: request.worker,
            plugin: Rc::clone(plugin),
            exchange,
            facts,
            is_grpc: request.is_grpc(),
            begun: None,
        };
        let next = match verdict.action {
            RequestAction::Continue => {
                if no_body {
                    return (stream, Next::Waiting);
                }
                let bytes = || Some(request.body.clone().into_bytes());
                let (len, end) = (request.body.len(), !request.incomplete);
                plugin.filter.on_request_body(&mut stream.exchange, len, end, bytes);
                if end { stream.request_end(proxy) } else { Next::Waiting }
            }
            RequestAction::Reply(reply) => {
                stream.over(proxy);
                Next::Done(Received::Replied(reply_of(&reply)))
            }
            RequestAction::Divert(headers) => {
                let header = |wanted: &str| {
                    let found = headers.iter().find(|(name, _)| *name == wanted);
                    found.map(|(_, value)| value.clone()).unwrap_or_default()
                };
                let cluster = header("x-circuit-breaker-cluster");
                let reason = header("x-circuit-breaker-reason");
                stream.facts.cluster = Some(cluster.clone());
                match stream.answer(proxy, &diverted(cluster_of(&cluster))) {
                    Next::Done(Received::Passed(reply)) => {
                        Next::Done(Received::Diverted(reply, reason))
                    }
                    next => next,
                }
            }
        };
        (stream, next)
    }

    /// All of the request has come.
    fn request_end(&mut self, proxy: &Proxy) -> Next {
        let Self { plugin, exchange, facts, .. } = self;
        let reply = proxy.run(&plugin.metrics, facts, |host, effects| {
            plugin.filter.on_request_end(exchange, host, effects)
        });
        match reply {
            None => Next::Waiting,
            Some(reply) => {
                self.over(proxy);
                Next::Done(Received::Replied(reply_of(&reply)))
            }
        }
    }

    /// Whether this configuration waits for the answer.
    pub(super) fn waits_for(&self, plugin: &Weak<Plugin>) -> bool {
        plugin.as_ptr() == Rc::as_ptr(&self.plugin)
            && self.plugin.filter.wants_response(&self.exchange)
    }

    pub(super) fn answer(&mut self, proxy: &Proxy, answer: &Answer) -> Next {
        match answer {
            Answer::Whole(head) => match self.head(proxy, head, "via_upstream", 0) {
                Next::Waiting => self.end(proxy),
                next => next,
            },
            Answer::Begin(head) => self.head(proxy, head, "via_upstream", 0),
            Answer::RequestEnd => {
                let no_more = || Some(Vec::new());
                self.plugin.filter.on_request_body(&mut self.exchange, 0, true, no_more);
                self.request_end(proxy)
            }
            Answer::More(bytes) => {
                self.body(proxy, *bytes, false);
                Next::Waiting
            }
            Answer::End => self.end(proxy),
            Answer::Fault(fault) => match self.begun.take() {
                Some(begun) => {
                    let (details, flags) = fault.in_envoy_mid_answer();
                    self.facts.details = Some(details);
                    self.facts.flags |= flags;
                    self.over(proxy);
                    Next::Done(Received::Cut(begun))
                }
                None => {
                    let (_, details, flags) = fault.in_envoy();
                    match self.head(proxy, &fault.reply(self.is_grpc), details, flags) {
                        Next::Waiting => self.end(proxy),
                        next => next,
                    }
                }
            },
            Answer::ClientGone => {
                let (details, flags) = CLIENT_GONE;
                self.facts.details = Some(details);
                self.facts.flags |= flags;
                self.over(proxy);
                Next::Done(Received::Nothing)
            }
        }
    }

    /// The head of an answer. `Waiting`: it went on to the client, and more is to come.
    fn head(&mut self, proxy: &Proxy, head: &Head, details: &'static str, flags: u64) -> Next {
        self.facts.details = Some(details);
        self.facts.flags = flags;
        self.facts.head = head.clone();
        let is_all = matches!(head.grpc, Some(Grpc::Head(_)));
        let mut reply = Reply { status: head.status, headers: head.headers.clone() };
        if !self.plugin.filter.wants_response(&self.exchange) {
            self.begun = Some(reply);
            return Next::Waiting;
        }
        let Self { plugin, exchange, facts, .. } = self;
        let of_service = details == "via_upstream";
        let read = || {
            let mut read = AnswerHead::of_status(head.status);
            let headers = head.headers.iter();
            headers.for_each(|(name, value)| read.note(name.as_bytes(), value.as_bytes()));
            if let Some(Grpc::Head(code)) = head.grpc {
                read.note(b"grpc-status", code.to_string().as_bytes());
            }
            if of_service {
                read.note(b"x-envoy-upstream-service-time", b"0");
            }
            read
        };
        let verdict = proxy.run(&plugin.metrics, facts, |host, effects| {
            plugin.filter.on_response(exchange, read, is_all, host, effects)
        });
        match verdict {
            ResponseVerdict::Continue(annotations) => {
                add(&mut reply, annotations);
                self.begun = Some(reply);
                Next::Waiting
            }
            ResponseVerdict::Replace(it) => {
                self.over(proxy);
                Next::Done(Received::Replied(reply_of(&it.reply)))
            }
            ResponseVerdict::Ask(callout) => Next::Ask(callout),
        }
    }

    /// The answer comes to its end.
    fn end(&mut self, proxy: &Proxy) -> Next {
        self.facts.trailer = match self.facts.head.grpc {
            Some(Grpc::Trailers(code)) => Some(code),
            _ => None,
        };
        self.body(proxy, ANSWER.len(), self.facts.head.grpc.is_none());
        let Self { plugin, exchange, facts, .. } = self;
        proxy.run(&plugin.metrics, facts, |host, effects| {
            plugin.filter.on_answer_end(exchange, host, effects)
        });
        self.over(proxy);
        Next::Done(self.begun.take().map_or(Received::Nothing, Received::Passed))
    }

    /// A piece of the answer's body.
    fn body(&mut self, proxy: &Proxy, len: usize, end: bool) {
        let bytes = || Some(ANSWER.iter().copied().cycle().take(len).collect());
        let piece = Piece { len, end_of_stream: end, bytes, put: |_: &[u8]| {} };
        let Self { plugin, exchange, facts, .. } = self;
        proxy.run(&plugin.metrics, facts, |host, effects| {
            plugin.filter.on_response_body(exchange, piece, host, effects)
        });
    }

    /// The fallback answers the replayed call, or does not.
    pub(super) fn fallback_answers(
        &mut self,
        proxy: &Proxy,
        cluster: &str,
        answer: CalloutAnswer,
    ) -> Received {
        let is_unknown = answer == CalloutAnswer::Unknown;
        let answer = match answer {
            CalloutAnswer::Status(status) => {
                Some(FallbackAnswer { headers: status_only(status), body: b"fallback".to_vec() })
            }
            CalloutAnswer::Refused | CalloutAnswer::Unknown | CalloutAnswer::Held => None,
        };
        let Self { plugin, exchange, facts, .. } = self;
        let verdict = proxy.run(&plugin.metrics, facts, |host, effects| {
            if is_unknown {
                plugin.filter.on_unknown_cluster(cluster, host, effects);
            }
            plugin.filter.on_fallback_answer(exchange, answer, effects)
        });
        self.over(proxy);
        match verdict {
            FallbackVerdict::Replace(it) => Received::Replayed(reply_of(&it.reply)),
            FallbackVerdict::Resume(annotations) => {
                let head = &self.facts.head;
                let mut reply = Reply { status: head.status, headers: head.headers.clone() };
                add(&mut reply, annotations);
                Received::Passed(reply)
            }
            FallbackVerdict::Nothing => Received::Nothing,
        }
    }

    /// A proxy logs a stream, and then deletes it.
    fn over(&mut self, proxy: &Proxy) {
        let Self { plugin, exchange, facts, .. } = self;
        for _ in 0..2 {
            proxy.run(&plugin.metrics, facts, |host, effects| {
                plugin.filter.on_stream_end(exchange, host, effects)
            });
        }
    }
}

fn add(reply: &mut Reply, annotations: ResponseAnnotations) {
    annotations.removed().for_each(|name| drop(reply.headers.remove(name)));
    let headers = annotations.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    reply.headers.extend(headers);
}
