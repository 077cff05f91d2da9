//! One request and its answer, fed to the module as Envoy feeds them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use host_test_dynamic_module::{Headers, Map, Verdict};
use scenario::{CallId, CalloutAnswer, Grpc, Head, Reply, Request};

use super::{Thread, callout, headers_of};
use crate::driver::{Admission, Answered, By, Cut, SERVICE_TIME, Stream, answer_in_envoy};

/// Noted by the filter where it has written an answer into the one that failed.
const REPLACED_STATUS: &str = "wasm.edge_breaker_replaced_status";

pub(crate) struct ModuleStream {
    stream: host_test_dynamic_module::Stream,
    /// Envoy's response flags so far.
    flags: u64,
    /// The call that the answer is held back for.
    asked: Option<u64>,
}

impl ModuleStream {
    /// A request comes to a worker.
    pub(super) fn begin(
        stream: host_test_dynamic_module::Stream,
        call: CallId,
        request: &Request,
    ) -> Result<(Self, Admission)> {
        // Each comes on a connection of its own.
        stream.set_connection((call as u64).saturating_add(1));
        stream.set_cluster(request.cluster.as_deref());
        if let Some(route) = &request.route {
            stream.set_route(route);
        }
        // Envoy knows of each.
        stream.set_peer(request.peer.as_deref().unwrap_or("127.0.0.1:40000"));
        let no_body = request.ends_with_head();
        let headers = request.header_pairs().map(|(name, value)| (name.into(), value.into()));
        let mut verdict = stream.request_headers(headers.collect(), no_body);
        if verdict == Verdict::Continue && !no_body {
            verdict = stream.request_body(request.body.as_bytes(), !request.incomplete);
        }
        let admission = match verdict {
            Verdict::Reply(reply) => Admission::Reply(own(&reply)),
            Verdict::Hold(_) | Verdict::RunAgain => bail!("what becomes of it? {verdict:?}"),
            Verdict::Continue => match stream.header(Map::Request, "x-circuit-breaker-cluster") {
                None => Admission::Forward,
                Some(cluster) => {
                    let reason = stream.header(Map::Request, "x-circuit-breaker-reason");
                    stream.set_cluster(Some(&cluster));
                    Admission::Divert { cluster, reason: reason.unwrap_or_default() }
                }
            },
        };
        Ok((Self { stream, flags: 0, asked: None }, admission))
    }

    /// What became of an answer that was judged.
    fn answered(&mut self, verdict: Verdict) -> Result<Answered> {
        match verdict {
            Verdict::Hold(call) => {
                self.asked = Some(call.number);
                Ok(Answered::Ask(callout(&call)))
            }
            Verdict::Reply(reply) => Ok(Answered::Reply(own(&reply))),
            Verdict::RunAgain => bail!("it runs again, though no route is there for that"),
            Verdict::Continue => {
                let headers = self.stream.map(Map::Response);
                let status = self.stream.header(Map::Response, ":status");
                let status = status.context("an answer without a status")?.parse()?;
                let mut reply = Reply { status, headers: text(&headers) };
                reply.headers.remove(SERVICE_TIME);
                if self.stream.noted(REPLACED_STATUS).is_none() {
                    return Ok(Answered::Pass(reply));
                }
                // What frames it is no part of it.
                reply.headers.remove("content-length");
                Ok(Answered::Rewrite(reply))
            }
        }
    }
}

impl Stream<Thread> for ModuleStream {
    fn on_request_end(&mut self, _: &mut Thread) -> Result<Option<Reply>> {
        match self.stream.request_body(b"", true) {
            Verdict::Reply(reply) => Ok(Some(own(&reply))),
            _ => Ok(None),
        }
    }

    fn on_head(&mut self, _: &mut Thread, head: &Head, by: By) -> Result<Answered> {
        let (details, flags) = answer_in_envoy(by.fault());
        self.flags = flags;
        self.stream.set_origin(details, flags);
        let mut headers = vec![pair(":status", &head.status.to_string())];
        headers.extend(head.headers.iter().map(|(name, value)| pair(name, value)));
        if let Some(Grpc::Head(code)) = head.grpc {
            headers.push(pair("grpc-status", &code.to_string()));
        }
        if let Some((name, time)) = by.service_time() {
            headers.push(pair(name, &time));
        }
        let is_all = matches!(head.grpc, Some(Grpc::Head(_)));
        let verdict = self.stream.response_headers(headers, is_all);
        self.answered(verdict)
    }

    fn on_body(&mut self, _: &mut Thread, piece: &[u8], is_last: bool) -> Result<()> {
        let _ = self.stream.response_body(piece, is_last);
        Ok(())
    }

    fn on_trailers(&mut self, _: &mut Thread, grpc: Option<u8>) -> Result<()> {
        let status = grpc.map(|code| pair("grpc-status", &code.to_string()));
        let _ = self.stream.response_trailers(status.into_iter().collect());
        Ok(())
    }

    fn on_fallback_answer(&mut self, _: &mut Thread, answer: CalloutAnswer) -> Result<Answered> {
        let call = self.asked.take().context("no fallback was asked")?;
        let headers = headers_of(answer);
        let answer = headers.as_ref().map(|headers| (headers, &b"fallback"[..]));
        let verdict = self.stream.answer(call, answer);
        self.answered(verdict)
    }

    fn on_end(&mut self, _: &mut Thread, cut: Option<Cut>) -> Result<()> {
        if let Some(cut) = cut {
            let (details, flags) = cut.in_envoy();
            self.flags |= flags;
            self.stream.set_origin(details, self.flags);
        }
        self.stream.end();
        Ok(())
    }
}

fn pair(name: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (name.as_bytes().to_vec(), value.as_bytes().to_vec())
}

fn own(reply: &host_test_dynamic_module::Reply) -> Reply {
    Reply { status: reply.status, headers: text(&reply.headers) }
}

fn text(headers: &Headers) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = headers.iter().filter(|(name, _)| !name.starts_with(b":"));
    headers.map(|(name, value)| (text(name), text(value))).collect()
}
