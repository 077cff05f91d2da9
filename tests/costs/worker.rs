//! A worker with the filter, fed as Envoy feeds one, whose usage is read path by path.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use host_test_proxy_wasm::{
    Call, CallAnswer, CallToken, Event, Headers, Module, Options, Part, Plugin, Process, StreamId,
    Usage, Worker as Vm,
};
use serde_json::Value;

use crate::paths::CLUSTER;

/// How the module is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// As it is.
    Plain,
    /// As a copy that counts its allocations.
    Counting,
}

fn module(run: Run) -> &'static Module {
    static MODULES: [OnceLock<Module>; 2] = [OnceLock::new(), OnceLock::new()];
    let [plain, counting] = &MODULES;
    let module = if run == Run::Plain { plain } else { counting };
    module.get_or_init(|| {
        let path = artifacts::proxy_wasm().unwrap();
        // Those that allocate are told by their names.
        let path = if run == Run::Counting { artifacts::named(&path) } else { path };
        let bytes = std::fs::read(path).unwrap();
        let count_allocations = run == Run::Counting;
        Module::new(&bytes, &Options { count_allocations, ..Options::default() }).unwrap()
    })
}

/// A worker.
pub(crate) struct Worker {
    process: Process,
    vm: Vm,
}

/// A request that went on to somewhere, and is not answered yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    stream: StreamId,
    diverted: bool,
}

impl Worker {
    pub(crate) fn start(run: Run, configuration: &Value) -> Self {
        let process = Process::new();
        let plugin = Plugin { vm_id: "edge-breaker".to_owned(), ..Plugin::default() };
        let configuration = configuration.to_string();
        let vm = Vm::start(&process, module(run), plugin, configuration.as_bytes()).unwrap();
        Self { process, vm }
    }

    pub(crate) fn take_usage(&mut self) -> BTreeMap<&'static str, Usage> {
        self.vm.take_usage()
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.process.advance(by);
    }

    /// Sends a request, which is neither held back nor answered by the filter.
    pub(crate) fn send(&mut self, path: &str) -> Sent {
        self.send_to("shop.example.com", path)
    }

    /// Sends a request to a host.
    pub(crate) fn send_to(&mut self, host: &str, path: &str) -> Sent {
        let stream = self.vm.open_stream();
        self.vm.set_property(stream, &["xds", "cluster_name"], CLUSTER);
        let events = self.vm.request_headers(stream, request(host, path), true);
        let headers = events.iter().find_map(|event| match event {
            Event::Request(_, Part::Headers(headers, _)) => Some(headers),
            _ => None,
        });
        let headers = headers.unwrap_or_else(|| panic!("the request does not go on: {events:?}"));
        Sent { stream, diverted: headers.get("x-circuit-breaker-cluster").is_some() }
    }

    /// Answers it by who got it: the service, or the fallback if it was diverted.
    pub(crate) fn answer(&mut self, sent: Sent, status: u16) {
        assert!(self.begin(sent, status).is_none(), "a failure is held back");
        self.end(sent);
    }

    /// Has the service fail, and answers the call that is made to the fallback instead.
    pub(crate) fn fail_and_replay(&mut self, sent: Sent) {
        let call = self.begin(sent, 503).expect("a call to the fallback");
        let mut events = self.vm.answer_call(call, CallAnswer::status(200, "from the fallback"));
        events.extend(self.vm.response_body(sent.stream, "{}", true));
        let replaced = events.iter().any(|event| {
            matches!(event, Event::Response(_, Part::Body(body, true)) if body == b"from the fallback")
        });
        assert!(replaced, "the fallback's answer goes out: {events:?}");
        self.vm.end_stream(sent.stream);
    }

    /// Sends a request that the filter answers by itself.
    pub(crate) fn replied(&mut self, path: &str) {
        let stream = self.vm.open_stream();
        self.vm.set_property(stream, &["xds", "cluster_name"], CLUSTER);
        let events = self.vm.request_headers(stream, request("shop.example.com", path), true);
        let replied = events.iter().any(|event| matches!(event, Event::LocalReply(..)));
        assert!(replied, "the filter answers: {events:?}");
        self.vm.set_property(stream, &["response", "code_details"], "edge_breaker");
        self.vm.set_property(stream, &["response", "flags"], 0_u64.to_le_bytes());
        self.vm.end_stream(stream);
    }

    /// Ticks once, and gives the calls that were made back.
    pub(crate) fn tick(&mut self) -> Vec<Call> {
        let calls = self.vm.tick().into_iter().map(|event| match event {
            Event::Call(call) => call,
            other => panic!("a tick brought {other:?}"),
        });
        calls.collect()
    }

    pub(crate) fn answer_call(&mut self, call: &Call, status: u16) {
        let events = self.vm.answer_call(call.token, CallAnswer::status(status, ""));
        assert!(events.is_empty(), "{events:?}");
    }

    fn begin(&mut self, sent: Sent, status: u16) -> Option<CallToken> {
        let Sent { stream, diverted } = sent;
        if diverted {
            self.vm.set_property(stream, &["xds", "cluster_name"], "payment-fallback");
        }
        self.vm.set_property(stream, &["response", "code_details"], "via_upstream");
        self.vm.set_property(stream, &["response", "flags"], 0_u64.to_le_bytes());
        let events = self.vm.response_headers(stream, response(status), false);
        events.iter().find_map(|event| match event {
            Event::Call(call) => Some(call.token),
            _ => None,
        })
    }

    fn end(&mut self, sent: Sent) {
        self.vm.response_body(sent.stream, "{}", true);
        self.vm.end_stream(sent.stream);
    }
}

impl Sent {
    pub(crate) const fn is_diverted(self) -> bool {
        self.diverted
    }
}

/// What Envoy makes of a client's plain request.
fn request(host: &str, path: &str) -> Headers {
    Headers::from_iter([
        (":authority", host),
        (":path", path),
        (":method", "GET"),
        (":scheme", "http"),
        ("user-agent", "client/1.0"),
        ("accept", "*/*"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "7c5a4e0c-6c4f-4a4e-9d3a-0f5a4d4b8c11"),
    ])
}

fn response(status: u16) -> Headers {
    let status = status.to_string();
    Headers::from_iter([
        (":status", status.as_str()),
        ("content-type", "application/json"),
        ("content-length", "2"),
        ("x-envoy-upstream-service-time", "1"),
    ])
}
