//! One request and its answer, fed to a worker as a proxy feeds them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use host_test_proxy_wasm::{Call, Event, Headers, LocalReply, Part, StreamId};
use scenario::{
    Answer, CLIENT_GONE, CallId, CalloutAnswer, Grpc, Head, Received, Reply, Request, Worker,
};

use crate::driver::diverted;

/// Set by Envoy's router on what a service answers.
const SERVICE_TIME: &str = "x-envoy-upstream-service-time";
/// Noted by the filter where it has written an answer into the one that failed: what that one's
/// status was.
const REPLACED_STATUS: &str = "edge_breaker_replaced_status";

pub(super) struct Stream {
    pub(super) worker: Worker,
    id: StreamId,
    is_grpc: bool,
    flags: u64,
    /// Where gRPC's status is in the answer at hand.
    grpc: Option<Grpc>,
    /// The head that the client has got, if the answer was begun.
    begun: Option<Reply>,
    /// Whether the filter has put that in the place of another.
    replaced: bool,
}

/// What became of a stream.
pub(super) enum Next {
    /// It waits for its service.
    Waiting,
    /// It waits for a call-out.
    Ask(Call),
    /// Its client has got this.
    Done(Received),
}

impl Stream {
    /// A request comes to the filter. A diverted one is answered by its cluster at once.
    pub(super) fn begin(
        vm: &mut host_test_proxy_wasm::Worker,
        call: CallId,
        request: &Request,
        cluster_of: impl FnOnce(&str) -> CalloutAnswer,
    ) -> Result<(Self, Next)> {
        let id = vm.open_stream();
        // Each comes on a connection of its own.
        let connection = (call as u64).saturating_add(1);
        vm.set_property(id, &["connection_id"], connection.to_le_bytes());
        if let Some(cluster) = &request.cluster {
            vm.set_property(id, &["xds", "cluster_name"], cluster.as_str());
        }
        if let Some(route) = &request.route {
            vm.set_property(id, &["xds", "route_name"], route.as_str());
        }
        if let Some(peer) = &request.peer {
            vm.set_property(id, &["source", "address"], peer.as_str());
        }
        let no_body = request.ends_with_head();
        let mut events = vm.request_headers(id, request.header_pairs().collect(), no_body);
        if !no_body {
            events.extend(vm.request_body(id, request.body.as_bytes(), !request.incomplete));
        }
        let mut stream = Self {
            worker: request.worker,
            id,
            is_grpc: request.is_grpc(),
            flags: 0,
            grpc: None,
            begun: None,
            replaced: false,
        };
        if let Some(reply) = local_reply(&events) {
            vm.end_stream(id);
            return Ok((stream, Next::Done(Received::Replied(reply))));
        }
        let headers = events.iter().find_map(|event| match event {
            Event::Request(_, Part::Headers(headers, _)) => Some(headers),
            _ => None,
        });
        let headers = headers.with_context(|| format!("the request is held back: {events:?}"))?;
        let Some(cluster) = headers.text("x-circuit-breaker-cluster").map(str::to_owned) else {
            return Ok((stream, Next::Waiting));
        };
        let reason = headers.text("x-circuit-breaker-reason").unwrap_or_default().to_owned();
        vm.set_property(id, &["xds", "cluster_name"], cluster.as_str());
        let answer = diverted(cluster_of(&cluster));
        let next = match stream.answer(vm, &answer)? {
            Next::Done(Received::Passed(reply)) => Next::Done(Received::Diverted(reply, reason)),
            next => next,
        };
        Ok((stream, next))
    }

    pub(super) fn answer(
        &mut self,
        vm: &mut host_test_proxy_wasm::Worker,
        answer: &Answer,
    ) -> Result<Next> {
        match answer {
            Answer::Whole(head) => match self.head(vm, head, "via_upstream", 0) {
                Next::Waiting => Ok(self.end(vm)),
                next => Ok(next),
            },
            Answer::Begin(head) => Ok(self.head(vm, head, "via_upstream", 0)),
            Answer::RequestEnd => match local_reply(&vm.request_body(self.id, "", true)) {
                None => Ok(Next::Waiting),
                Some(reply) => {
                    vm.end_stream(self.id);
                    Ok(Next::Done(Received::Replied(reply)))
                }
            },
            Answer::More(bytes) => {
                vm.response_body(self.id, vec![b'.'; *bytes], false);
                Ok(Next::Waiting)
            }
            Answer::End => Ok(self.end(vm)),
            Answer::Fault(fault) => match self.begun.take() {
                Some(begun) => {
                    let (details, flags) = fault.in_envoy_mid_answer();
                    self.flags |= flags;
                    self.came_by(vm, details);
                    vm.end_stream(self.id);
                    Ok(Next::Done(Received::Cut(begun)))
                }
                None => {
                    let (_, details, flags) = fault.in_envoy();
                    match self.head(vm, &fault.reply(self.is_grpc), details, flags) {
                        Next::Waiting => Ok(self.end(vm)),
                        next => Ok(next),
                    }
                }
            },
            Answer::ClientGone => {
                let (details, flags) = CLIENT_GONE;
                self.flags |= flags;
                self.came_by(vm, details);
                vm.end_stream(self.id);
                Ok(Next::Done(Received::Nothing))
            }
        }
    }

    fn came_by(&self, vm: &mut host_test_proxy_wasm::Worker, details: &str) {
        vm.set_property(self.id, &["response", "code_details"], details);
        vm.set_property(self.id, &["response", "flags"], self.flags.to_le_bytes());
    }

    /// The head of an answer. `Waiting`: it went on to the client, and more is to come.
    fn head(
        &mut self,
        vm: &mut host_test_proxy_wasm::Worker,
        head: &Head,
        details: &str,
        flags: u64,
    ) -> Next {
        self.flags = flags;
        self.grpc = head.grpc;
        self.came_by(vm, details);
        let mut headers = Headers::from_iter([(":status", head.status.to_string())]);
        for (name, value) in &head.headers {
            headers.add(name, value);
        }
        if let Some(Grpc::Head(code)) = head.grpc {
            headers.add("grpc-status", code.to_string());
        }
        // Envoy's router says so of each answer that came from a service.
        if details == "via_upstream" {
            headers.add(SERVICE_TIME, "0");
        }
        let is_all = matches!(head.grpc, Some(Grpc::Head(_)));
        let events = vm.response_headers(self.id, headers, is_all);
        for event in &events {
            if let Event::Call(call) = event {
                return Next::Ask(call.clone());
            }
        }
        if let Some(reply) = local_reply(&events) {
            vm.end_stream(self.id);
            return Next::Done(Received::Replied(reply));
        }
        self.go_on(vm, &events);
        // The end of the failed answer is that of the other one, too.
        if self.replaced { self.end(vm) } else { Next::Waiting }
    }

    /// An answer has gone on to the client: the service's, or another written into that.
    fn go_on(&mut self, vm: &host_test_proxy_wasm::Worker, events: &[Event]) {
        self.begun = passed(events);
        self.replaced = vm.filter_state(self.id, REPLACED_STATUS).is_some();
        if let (Some(reply), true) = (&mut self.begun, self.replaced) {
            // What frames it is no part of it.
            reply.headers.remove("content-length");
        }
    }

    /// The answer comes to its end.
    fn end(&mut self, vm: &mut host_test_proxy_wasm::Worker) -> Next {
        match self.grpc {
            Some(Grpc::Head(_)) => {}
            Some(Grpc::Trailers(code)) => {
                vm.response_body(self.id, "answer", false);
                let trailers = Headers::from_iter([("grpc-status", code.to_string())]);
                vm.response_trailers(self.id, trailers);
            }
            Some(Grpc::Missing) => {
                vm.response_body(self.id, "answer", false);
                vm.response_trailers(self.id, Headers::new());
            }
            None => drop(vm.response_body(self.id, "answer", true)),
        }
        vm.end_stream(self.id);
        let received = if self.replaced { Received::Replied } else { Received::Passed };
        Next::Done(self.begun.take().map_or(Received::Nothing, received))
    }

    /// What came of the fallback's answer to the replayed call, or of there being none.
    pub(super) fn fallback_answered(
        &mut self,
        vm: &mut host_test_proxy_wasm::Worker,
        events: Vec<Event>,
    ) -> Result<Received> {
        if let Some(reply) = local_reply(&events) {
            vm.end_stream(self.id);
            return Ok(Received::Replayed(reply));
        }
        self.go_on(vm, &events);
        self.begun.as_ref().with_context(|| format!("still held back: {events:?}"))?;
        match self.end(vm) {
            Next::Done(Received::Replied(reply)) => Ok(Received::Replayed(reply)),
            Next::Done(received) => Ok(received),
            Next::Waiting | Next::Ask(_) => unreachable!("an end is an end"),
        }
    }
}

/// The filter's own reply, as it gave it.
fn local_reply(events: &[Event]) -> Option<Reply> {
    events.iter().find_map(|event| match event {
        Event::LocalReply(_, LocalReply { status, headers, .. }) => {
            Some(Reply { status: *status, headers: text(headers) })
        }
        _ => None,
    })
}

/// The head of the answer that went on to the client.
fn passed(events: &[Event]) -> Option<Reply> {
    events.iter().find_map(|event| match event {
        Event::Response(_, Part::Headers(headers, _)) => {
            let status = headers.text(":status")?.parse().ok()?;
            let mut headers = text(headers);
            headers.remove(SERVICE_TIME);
            Some(Reply { status, headers })
        }
        _ => None,
    })
}

fn text(headers: &Headers) -> BTreeMap<String, String> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let headers = headers.iter().filter(|(name, _)| !name.starts_with(b":"));
    headers.map(|(name, value)| (text(name), text(value))).collect()
}
