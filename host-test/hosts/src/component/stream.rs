//! One request and its answer, told to an instance as a gateway tells it.

use anyhow::{Context, Result};
use host_test_component::types::{
    self, Ending, Field, Origin, RequestHead, RequestVerdict, ResponseHead, ResponseVerdict,
};
use host_test_component::{Guard, field};
use scenario::{CalloutAnswer, Fault, Grpc, Head, Reply, Request};

use super::{callout, pair, status_in};
use crate::driver::{Admission, Answered, By, Cut, Stream};

pub(crate) struct ComponentStream {
    /// The number of the call; `None`: the instance does not want to hear of it.
    call: Option<types::CallId>,
    /// Whether all of the request has come.
    is_complete: bool,
    /// Where the request went, as far as that is known.
    cluster: Option<String>,
    origin: Origin,
    head: Head,
    trailers: Vec<Field>,
}

impl ComponentStream {
    /// A request comes to an instance.
    pub(super) fn begin(guard: &mut Guard, request: &Request) -> Result<(Self, Admission)> {
        let no_body = request.ends_with_head();
        let admission = guard.request(&RequestHead {
            fields: request.header_pairs().map(|(name, value)| field(name, value)).collect(),
            cluster: request.cluster.clone(),
            route: request.route.clone(),
            end_of_stream: no_body,
        })?;
        let mut stream = Self {
            call: admission.call,
            is_complete: !request.incomplete,
            cluster: request.cluster.clone(),
            origin: Origin::Service,
            head: Head::default(),
            trailers: Vec::new(),
        };
        let admission = match admission.verdict {
            RequestVerdict::Pass => {
                if let Some(call) = stream.call
                    && !no_body
                {
                    guard.request_body(call, request.body.as_bytes(), !request.incomplete)?;
                }
                Admission::Forward
            }
            RequestVerdict::Reply(reply) => Admission::Reply(reply_of(&reply)),
            RequestVerdict::Divert(diversion) => {
                let fields = &diversion.fields;
                let reason = fields.iter().find(|field| field.name == "x-circuit-breaker-reason");
                let reason = reason.map(|field| pair(field).1).unwrap_or_default();
                stream.cluster = Some(diversion.cluster.clone());
                Admission::Divert { cluster: diversion.cluster, reason }
            }
        };
        Ok((stream, admission))
    }

    /// What becomes of the answer whose head has come.
    fn answered(&self, verdict: ResponseVerdict) -> Answered {
        match verdict {
            ResponseVerdict::Pass(annotations) => Answered::Pass(passed(&self.head, &annotations)),
            ResponseVerdict::Reply(reply) => Answered::Reply(reply_of(&reply)),
            ResponseVerdict::Ask(asked) => Answered::Ask(callout(&asked)),
        }
    }

    /// Whether a gateway can tell whose fault it is.
    fn knows_cause(&self, fault: Fault) -> bool {
        self.is_complete
            || !matches!(
                fault,
                Fault::Reset | Fault::Timeout | Fault::IdleTimeout | Fault::MaxDuration
            )
    }

    fn abandon(&mut self, guard: &mut Guard) -> Result<()> {
        self.call.take().map_or(Ok(()), |call| guard.abandon(call))
    }
}

impl Stream<Guard> for ComponentStream {
    fn on_request_end(&mut self, guard: &mut Guard) -> Result<Option<Reply>> {
        self.is_complete = true;
        if let Some(call) = self.call {
            guard.request_body(call, b"", true)?;
        }
        Ok(None)
    }

    fn on_head(&mut self, guard: &mut Guard, head: &Head, by: By) -> Result<Answered> {
        self.head = head.clone();
        // To a gRPC call a gateway replies with 200, whatever it is about.
        let (mut status, mut origin) = (head.status, Origin::Service);
        if let Some(fault) = by.fault() {
            if !self.knows_cause(fault) {
                self.abandon(guard)?;
            }
            (status, ..) = fault.in_envoy();
            origin = origin_of(fault);
        }
        self.origin = origin;
        let Some(call) = self.call else {
            return Ok(Answered::Pass(passed(head, &[])));
        };
        let mut fields: Vec<_> = head.headers.iter().map(|(name, v)| field(name, v)).collect();
        if let Some(Grpc::Head(code)) = head.grpc {
            fields.push(field("grpc-status", code.to_string()));
        }
        let end_of_stream = matches!(head.grpc, Some(Grpc::Head(_)));
        let cluster = self.cluster.clone();
        let head = ResponseHead { status, fields, origin, cluster, end_of_stream };
        let verdict = guard.respond(call, &head)?;
        Ok(self.answered(verdict))
    }

    fn on_body(&mut self, guard: &mut Guard, piece: &[u8], is_last: bool) -> Result<()> {
        self.call.map_or(Ok(()), |call| guard.response_body(call, piece, is_last))
    }

    fn on_trailers(&mut self, _: &mut Guard, grpc: Option<u8>) -> Result<()> {
        self.trailers.extend(grpc.map(|code| field("grpc-status", code.to_string())));
        Ok(())
    }

    fn on_fallback_answer(&mut self, guard: &mut Guard, answer: CalloutAnswer) -> Result<Answered> {
        let call = self.call.context("the fallback is asked about a call that is not known")?;
        let answer = status_in(answer).map(|status| types::Answer {
            status,
            fields: Vec::new(),
            body: b"fallback".to_vec(),
        });
        let verdict = guard.replayed(call, answer.as_ref())?;
        Ok(self.answered(verdict))
    }

    fn on_end(&mut self, guard: &mut Guard, cut: Option<Cut>) -> Result<()> {
        match cut {
            Some(Cut::ClientGone) => return self.abandon(guard),
            Some(Cut::By(fault)) if !self.knows_cause(fault) => return self.abandon(guard),
            Some(Cut::By(fault)) => self.origin = origin_of(fault),
            None => {}
        }
        let ending = Ending { origin: self.origin, trailers: std::mem::take(&mut self.trailers) };
        self.call.take().map_or(Ok(()), |call| guard.finish(call, &ending))
    }
}

/// How an answer came about that the gateway made of a fault.
const fn origin_of(fault: Fault) -> Origin {
    match fault {
        Fault::Refused
        | Fault::Reset
        | Fault::Timeout
        | Fault::NoHealthyUpstream
        | Fault::NoCluster
        | Fault::IdleTimeout => Origin::Fault,
        Fault::MaxDuration => Origin::TooLong,
        Fault::Overflow => Origin::Overflow,
        Fault::RateLimited | Fault::Unauthorized | Fault::NoRoute => Origin::Host,
    }
}

/// An answer that goes on to the client, with what the instance adds to it.
fn passed(head: &Head, annotations: &[Field]) -> Reply {
    let mut reply = Reply { status: head.status, headers: head.headers.clone() };
    for (name, value) in annotations.iter().map(pair) {
        if value.is_empty() {
            reply.headers.remove(&name);
        } else {
            reply.headers.insert(name, value);
        }
    }
    reply
}

/// The instance's own answer, as its client sees it.
fn reply_of(reply: &types::Reply) -> Reply {
    Reply { status: reply.status, headers: reply.fields.iter().map(pair).collect() }
}
