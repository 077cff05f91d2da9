//! One request and its answer, driven as a proxy drives them.

use std::rc::Rc;

use anyhow::{Result, bail};
use filter::{
    AnswerHead, Effects, Exchange, FallbackAnswer, FallbackVerdict, Filter, Headers, Piece,
    RequestAction, ResponseAnnotations, ResponseVerdict,
};
use scenario::{CallId, CalloutAnswer, Grpc, Head, Reply, Request};

use super::proxy::{At, Facts, reply_of, status_only};
use super::{Plugin, Thread, callout};
use crate::driver::{Admission, Answered, By, Cut, Stream, answer_in_envoy};

pub(crate) struct NativeStream {
    plugin: Rc<Plugin>,
    exchange: Exchange,
    facts: Facts,
    /// As long as the filter waits for the answer.
    awaited: Option<Rc<()>>,
    /// The cluster of the callout that the answer is held back for.
    asked: String,
}

impl NativeStream {
    /// A request comes to the filter.
    pub(super) fn begin(plugin: &Rc<Plugin>, call: CallId, request: &Request) -> (Self, Admission) {
        let mut stream = Self {
            plugin: Rc::clone(plugin),
            exchange: Exchange::default(),
            facts: Facts {
                cluster: request.cluster.clone(),
                route: request.route.clone(),
                peer: request.peer.clone(),
                // Each comes on a connection of its own.
                connection: Some(call as u64 + 1),
                ..Facts::default()
            },
            awaited: Some(Rc::clone(&plugin.awaited)),
            asked: String::new(),
        };
        let pairs: Vec<_> = request.header_pairs().collect();
        let (headers, no_body) = (Headers::from_pairs(&pairs), request.ends_with_head());
        let verdict = stream.run(|filter, exchange, host, effects| {
            filter.on_request(exchange, headers, no_body, host, effects)
        });
        let admission = match verdict.action {
            RequestAction::Continue if no_body => Admission::Forward,
            RequestAction::Continue => {
                let reply = stream.body(request.body.as_bytes(), !request.incomplete);
                reply.map_or(Admission::Forward, Admission::Reply)
            }
            RequestAction::Reply(reply) => Admission::Reply(reply_of(&reply)),
            RequestAction::Divert(headers) => {
                let header = |wanted: &str| {
                    let found = headers.iter().find(|(name, _)| *name == wanted);
                    found.map(|(_, value)| value.clone()).unwrap_or_default()
                };
                let cluster = header("x-circuit-breaker-cluster");
                let reason = header("x-circuit-breaker-reason");
                stream.facts.cluster = Some(cluster.clone());
                Admission::Divert { cluster, reason }
            }
        };
        (stream, admission)
    }

    fn run<R>(&mut self, f: impl FnOnce(&Filter, &mut Exchange, &At<'_>, &mut Effects) -> R) -> R {
        let Self { plugin, exchange, facts, .. } = self;
        let result = plugin.run(facts, |filter, host, effects| f(filter, exchange, host, effects));
        if !plugin.filter.wants_response(exchange) {
            self.awaited = None;
        }
        result
    }

    /// A piece of the request's body.
    fn body(&mut self, piece: &[u8], is_last: bool) -> Option<Reply> {
        let reply = self.run(|filter, exchange, host, effects| {
            filter.on_request_body(exchange, piece.len(), is_last, || Some(piece.to_vec()));
            if is_last { filter.on_request_end(exchange, host, effects) } else { None }
        });
        reply.as_ref().map(reply_of)
    }

    fn answer_end(&mut self) {
        self.run(|filter, exchange, host, effects| filter.on_answer_end(exchange, host, effects));
    }

    /// The head of the service's answer, with what the filter adds to it.
    fn annotated(&self, annotations: ResponseAnnotations) -> Reply {
        let head = &self.facts.head;
        let mut reply = Reply { status: head.status, headers: head.headers.clone() };
        annotations.removed().for_each(|name| drop(reply.headers.remove(name)));
        let added = annotations.headers();
        reply.headers.extend(added.map(|(name, value)| (name.to_owned(), value.to_owned())));
        reply
    }
}

impl Stream<Thread> for NativeStream {
    fn on_request_end(&mut self, _: &mut Thread) -> Result<Option<Reply>> {
        Ok(self.body(&[], true))
    }

    fn on_head(&mut self, _: &mut Thread, head: &Head, by: By) -> Result<Answered> {
        let (details, flags) = answer_in_envoy(by.fault());
        self.facts.details = Some(details);
        self.facts.flags = flags;
        self.facts.head = head.clone();
        if !self.plugin.filter.wants_response(&self.exchange) {
            return Ok(Answered::Pass(self.annotated(ResponseAnnotations::NOTHING)));
        }
        let is_all = matches!(head.grpc, Some(Grpc::Head(_)));
        let read = || {
            let mut read = AnswerHead::of_status(head.status);
            let headers = head.headers.iter();
            headers.for_each(|(name, value)| read.note(name.as_bytes(), value.as_bytes()));
            if let Some(Grpc::Head(code)) = head.grpc {
                read.note(b"grpc-status", code.to_string().as_bytes());
            }
            if let Some((name, time)) = by.service_time() {
                read.note(name.as_bytes(), time.as_bytes());
            }
            read
        };
        let verdict = self.run(|filter, exchange, host, effects| {
            filter.on_response(exchange, read, is_all, host, effects)
        });
        Ok(match verdict {
            ResponseVerdict::Continue(annotations) => {
                if is_all {
                    self.answer_end();
                }
                Answered::Pass(self.annotated(annotations))
            }
            ResponseVerdict::Replace(it) => Answered::Reply(reply_of(&it.reply)),
            ResponseVerdict::Rerun(_) => bail!("this host runs no request again"),
            ResponseVerdict::Ask(request) => {
                self.asked.clone_from(&request.cluster);
                Answered::Ask(callout(&request))
            }
        })
    }

    fn on_body(&mut self, _: &mut Thread, piece: &[u8], is_last: bool) -> Result<()> {
        let bytes = || Some(piece.to_vec());
        let piece = Piece { len: piece.len(), end_of_stream: is_last, bytes, put: |_: &[u8]| {} };
        self.run(|filter, exchange, host, effects| {
            filter.on_response_body(exchange, piece, host, effects)
        });
        if is_last {
            self.answer_end();
        }
        Ok(())
    }

    fn on_trailers(&mut self, _: &mut Thread, grpc: Option<u8>) -> Result<()> {
        self.facts.trailer = grpc;
        self.answer_end();
        Ok(())
    }

    fn on_fallback_answer(&mut self, _: &mut Thread, answer: CalloutAnswer) -> Result<Answered> {
        let cluster = std::mem::take(&mut self.asked);
        let is_unknown = answer == CalloutAnswer::Unknown;
        let answer = match answer {
            CalloutAnswer::Status(status) => {
                Some(FallbackAnswer { headers: status_only(status), body: b"fallback".to_vec() })
            }
            CalloutAnswer::Refused | CalloutAnswer::Unknown | CalloutAnswer::Held => None,
        };
        let verdict = self.run(|filter, exchange, host, effects| {
            if is_unknown {
                filter.on_unknown_cluster(&cluster, host, effects);
            }
            filter.on_fallback_answer(exchange, answer, effects)
        });
        Ok(match verdict {
            FallbackVerdict::Replace(it) => Answered::Reply(reply_of(&it.reply)),
            FallbackVerdict::Resume(annotations) => Answered::Pass(self.annotated(annotations)),
            FallbackVerdict::Nothing => bail!("no fallback was asked"),
        })
    }

    fn on_end(&mut self, _: &mut Thread, cut: Option<Cut>) -> Result<()> {
        if let Some(cut) = cut {
            let (details, flags) = cut.in_envoy();
            self.facts.details = Some(details);
            self.facts.flags |= flags;
        }
        // A proxy logs a stream, and then deletes it.
        for _ in 0..2 {
            self.run(|filter, exchange, host, effects| {
                filter.on_stream_end(exchange, host, effects)
            });
        }
        Ok(())
    }
}
