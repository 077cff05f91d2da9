//! One request and its answer, told to an instance as a gateway tells it.

use anyhow::{Result, bail};
use host_test_component::types::{
    self, Callout, Ending, Field, Origin, RequestHead, RequestVerdict, ResponseHead,
    ResponseVerdict,
};
use host_test_component::{Guard, field};
use scenario::{Answer, CalloutAnswer, Fault, Grpc, Head, Received, Reply, Request, Worker};

use crate::driver::diverted;

pub(super) struct Stream {
    pub(super) worker: Worker,
    /// The number of the call; `None`: the instance does not want to hear of it.
    call: Option<types::CallId>,
    is_grpc: bool,
    /// Whether all of the request has come.
    is_complete: bool,
    /// Where the request went, as far as that is known.
    cluster: Option<String>,
    origin: Origin,
    head: Head,
    /// The head that the client has got, if the answer was begun.
    begun: Option<Reply>,
}

/// What became of a stream.
pub(super) enum Next {
    /// It waits for its service.
    Waiting,
    /// It waits for a call-out.
    Ask(Callout),
    /// Its client has got this.
    Done(Received),
}

impl Stream {
    /// A request comes to an instance. A diverted one is answered by its cluster at once.
    pub(super) fn begin(
        guard: &mut Guard,
        request: &Request,
        cluster_of: impl FnOnce(&str) -> CalloutAnswer,
    ) -> Result<(Self, Next)> {
        let no_body = request.ends_with_head();
        let admission = guard.request(&RequestHead {
            fields: request.header_pairs().map(|(name, value)| field(name, value)).collect(),
            cluster: request.cluster.clone(),
            route: request.route.clone(),
            end_of_stream: no_body,
        })?;
        let mut stream = Self {
            worker: request.worker,
            call: admission.call,
            is_grpc: request.is_grpc(),
            is_complete: !request.incomplete,
            cluster: request.cluster.clone(),
            origin: Origin::Service,
            head: Head::default(),
            begun: None,
        };
        let next = match admission.verdict {
            RequestVerdict::Pass => {
                if let Some(call) = stream.call
                    && !no_body
                {
                    guard.request_body(call, request.body.as_bytes(), !request.incomplete)?;
                }
                Next::Waiting
            }
            RequestVerdict::Reply(reply) => Next::Done(Received::Replied(reply_of(&reply))),
            RequestVerdict::Divert(diversion) => {
                let reason = text_of(&diversion.fields, "x-circuit-breaker-reason");
                let answer = diverted(cluster_of(&diversion.cluster));
                stream.cluster = Some(diversion.cluster);
                match stream.answer(guard, &answer)? {
                    Next::Done(Received::Passed(reply)) => {
                        Next::Done(Received::Diverted(reply, reason))
                    }
                    next => next,
                }
            }
        };
        Ok((stream, next))
    }

    pub(super) fn answer(&mut self, guard: &mut Guard, answer: &Answer) -> Result<Next> {
        match answer {
            Answer::Whole(head) => self.whole(guard, head, head.status, Origin::Service),
            Answer::Begin(head) => self.head(guard, head, head.status, Origin::Service),
            Answer::RequestEnd => {
                self.is_complete = true;
                if let Some(call) = self.call {
                    guard.request_body(call, b"", true)?;
                }
                Ok(Next::Waiting)
            }
            Answer::More(bytes) => {
                if let Some(call) = self.call {
                    guard.response_body(call, &vec![b'.'; *bytes], false)?;
                }
                Ok(Next::Waiting)
            }
            Answer::End => self.end(guard),
            // Nobody can tell whose fault it is.
            Answer::Fault(fault) if !self.is_complete && !says_of_service(*fault) => {
                if let Some(call) = self.call.take() {
                    guard.abandon(call)?;
                }
                Ok(Next::Done(match self.begun.take() {
                    Some(begun) => Received::Cut(begun),
                    None => Received::Passed(passed(&fault.reply(self.is_grpc), &[])),
                }))
            }
            Answer::Fault(fault) => match self.begun.take() {
                Some(begun) => {
                    self.origin = origin(*fault);
                    self.finish(guard, Vec::new())?;
                    Ok(Next::Done(Received::Cut(begun)))
                }
                None => {
                    let (status, ..) = fault.in_envoy();
                    self.whole(guard, &fault.reply(self.is_grpc), status, origin(*fault))
                }
            },
            Answer::ClientGone => {
                if let Some(call) = self.call.take() {
                    guard.abandon(call)?;
                }
                Ok(Next::Done(Received::Nothing))
            }
        }
    }

    /// An answer with this head, of which the instance is told this status: that of a gateway's reply
    /// to a gRPC call is 200, whatever it is about.
    fn whole(
        &mut self,
        guard: &mut Guard,
        head: &Head,
        status: u16,
        origin: Origin,
    ) -> Result<Next> {
        match self.head(guard, head, status, origin)? {
            Next::Waiting => self.end(guard),
            next => Ok(next),
        }
    }

    /// The head of an answer. `Waiting`: it went on to the client, and more is to come.
    fn head(
        &mut self,
        guard: &mut Guard,
        head: &Head,
        status: u16,
        origin: Origin,
    ) -> Result<Next> {
        self.origin = origin;
        self.head = head.clone();
        let Some(call) = self.call else {
            self.begun = Some(passed(head, &[]));
            return Ok(Next::Waiting);
        };
        let mut fields: Vec<_> = head.headers.iter().map(|(name, v)| field(name, v)).collect();
        if let Some(Grpc::Head(code)) = head.grpc {
            fields.push(field("grpc-status", code.to_string()));
        }
        let verdict = guard.respond(
            call,
            &ResponseHead {
                status,
                fields,
                origin,
                cluster: self.cluster.clone(),
                end_of_stream: matches!(head.grpc, Some(Grpc::Head(_))),
            },
        )?;
        Ok(match verdict {
            ResponseVerdict::Pass(annotations) => {
                self.begun = Some(passed(head, &annotations));
                Next::Waiting
            }
            ResponseVerdict::Reply(reply) => {
                self.finish(guard, Vec::new())?;
                Next::Done(Received::Replied(reply_of(&reply)))
            }
            ResponseVerdict::Ask(callout) => Next::Ask(callout),
        })
    }

    /// The answer comes to its end.
    fn end(&mut self, guard: &mut Guard) -> Result<Next> {
        let trailers = match self.head.grpc {
            Some(Grpc::Trailers(code)) => vec![field("grpc-status", code.to_string())],
            _ => Vec::new(),
        };
        if let Some(call) = self.call {
            guard.response_body(call, b"answer", self.head.grpc.is_none())?;
        }
        self.finish(guard, trailers)?;
        Ok(Next::Done(self.begun.take().map_or(Received::Nothing, Received::Passed)))
    }

    /// The fallback answers the replayed call with this status, or does not.
    pub(super) fn fallback_answers(
        &mut self,
        guard: &mut Guard,
        status: Option<u16>,
    ) -> Result<Received> {
        let Some(call) = self.call else {
            bail!("the instance has asked the fallback about a call that it does not know");
        };
        let answer = status.map(|status| types::Answer {
            status,
            fields: Vec::new(),
            body: b"fallback".to_vec(),
        });
        let verdict = guard.replayed(call, answer.as_ref())?;
        self.finish(guard, Vec::new())?;
        Ok(match verdict {
            ResponseVerdict::Reply(reply) => Received::Replayed(reply_of(&reply)),
            ResponseVerdict::Pass(annotations) => {
                Received::Passed(passed(&self.head, &annotations))
            }
            ResponseVerdict::Ask(callout) => bail!("the fallback is asked twice: {callout:?}"),
        })
    }

    fn finish(&mut self, guard: &mut Guard, trailers: Vec<Field>) -> Result<()> {
        match self.call.take() {
            Some(call) => guard.finish(call, &Ending { origin: self.origin, trailers }),
            None => Ok(()),
        }
    }
}

/// Whether a gateway knows whose fault it is before it has all of the request.
const fn says_of_service(fault: Fault) -> bool {
    !matches!(fault, Fault::Reset | Fault::Timeout | Fault::IdleTimeout | Fault::MaxDuration)
}

/// How an answer came about that the gateway made of a fault.
const fn origin(fault: Fault) -> Origin {
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

fn text_of(fields: &[Field], name: &str) -> String {
    let found = fields.iter().find(|field| field.name == name);
    found.map(|field| pair(field).1).unwrap_or_default()
}

fn pair(field: &Field) -> (String, String) {
    (field.name.clone(), String::from_utf8_lossy(&field.value).into_owned())
}
