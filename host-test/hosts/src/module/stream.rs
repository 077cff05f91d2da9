//! One request and its answer, fed to a VM as a proxy feeds them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use host_test_proxy_wasm::{CallToken, Event, Headers, LocalReply, Part, StreamId, Worker};
use scenario::{CallId, CalloutAnswer, Grpc, Head, Reply, Request};

use super::{call_answer, callout};
use crate::driver::{Admission, Answered, By, Cut, SERVICE_TIME, Stream, answer_in_envoy};

/// Noted by the filter where it has written an answer into the one that failed: what that one's
/// status was.
const REPLACED_STATUS: &str = "edge_breaker_replaced_status";

pub(crate) struct ModuleStream {
    id: StreamId,
    /// Envoy's response flags so far.
    flags: u64,
    /// The callout that the answer is held back for.
    asked: Option<CallToken>,
}

impl ModuleStream {
    /// A request comes to a VM.
    pub(super) fn begin(
        vm: &mut Worker,
        call: CallId,
        request: &Request,
    ) -> Result<(Self, Admission)> {
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
        let stream = Self { id, flags: 0, asked: None };
        if let Some(reply) = local_reply(&events) {
            return Ok((stream, Admission::Reply(reply)));
        }
        let headers = events.iter().find_map(|event| match event {
            Event::Request(_, Part::Headers(headers, _)) => Some(headers),
            _ => None,
        });
        let headers = headers.with_context(|| format!("the request is held back: {events:?}"))?;
        let text = |name| headers.text(name).map(str::to_owned);
        let Some(cluster) = text("x-circuit-breaker-cluster") else {
            return Ok((stream, Admission::Forward));
        };
        let reason = text("x-circuit-breaker-reason").unwrap_or_default();
        vm.set_property(id, &["xds", "cluster_name"], cluster.as_str());
        Ok((stream, Admission::Divert { cluster, reason }))
    }

    fn note(&self, vm: &mut Worker, details: &str) {
        vm.set_property(self.id, &["response", "code_details"], details);
        vm.set_property(self.id, &["response", "flags"], self.flags.to_le_bytes());
    }

    /// What became of an answer that was judged.
    fn answered(&mut self, vm: &Worker, events: &[Event]) -> Result<Answered> {
        for event in events {
            if let Event::Call(call) = event {
                self.asked = Some(call.token);
                return Ok(Answered::Ask(callout(call)));
            }
        }
        if let Some(reply) = local_reply(events) {
            return Ok(Answered::Reply(reply));
        }
        let reply = passed(events);
        let mut reply = reply.with_context(|| format!("still held back: {events:?}"))?;
        if vm.filter_state(self.id, REPLACED_STATUS).is_none() {
            return Ok(Answered::Pass(reply));
        }
        // What frames it is no part of it.
        reply.headers.remove("content-length");
        Ok(Answered::Rewrite(reply))
    }
}

impl Stream<Worker> for ModuleStream {
    fn on_request_end(&mut self, vm: &mut Worker) -> Result<Option<Reply>> {
        Ok(local_reply(&vm.request_body(self.id, "", true)))
    }

    fn on_head(&mut self, vm: &mut Worker, head: &Head, by: By) -> Result<Answered> {
        let (details, flags) = answer_in_envoy(by.fault());
        self.flags = flags;
        self.note(vm, details);
        let mut headers = Headers::from_iter([(":status", head.status.to_string())]);
        for (name, value) in &head.headers {
            headers.add(name, value);
        }
        if let Some(Grpc::Head(code)) = head.grpc {
            headers.add("grpc-status", code.to_string());
        }
        if let Some((name, time)) = by.service_time() {
            headers.add(name, time);
        }
        let is_all = matches!(head.grpc, Some(Grpc::Head(_)));
        let events = vm.response_headers(self.id, headers, is_all);
        self.answered(vm, &events)
    }

    fn on_body(&mut self, vm: &mut Worker, piece: &[u8], is_last: bool) -> Result<()> {
        vm.response_body(self.id, piece, is_last);
        Ok(())
    }

    fn on_trailers(&mut self, vm: &mut Worker, grpc: Option<u8>) -> Result<()> {
        let status = grpc.map(|code| ("grpc-status", code.to_string()));
        vm.response_trailers(self.id, Headers::from_iter(status));
        Ok(())
    }

    fn on_fallback_answer(&mut self, vm: &mut Worker, answer: CalloutAnswer) -> Result<Answered> {
        let token = self.asked.take().context("no fallback was asked")?;
        let events = vm.answer_call(token, call_answer(answer));
        self.answered(vm, &events)
    }

    fn on_end(&mut self, vm: &mut Worker, cut: Option<Cut>) -> Result<()> {
        if let Some(cut) = cut {
            let (details, flags) = cut.in_envoy();
            self.flags |= flags;
            self.note(vm, details);
        }
        vm.end_stream(self.id);
        Ok(())
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
