//! The probes in the native host, which is fed as Envoy would feed it.

use std::time::Duration;

use host_test_proxy_wasm::{
    CallAnswer, Event, Headers, Module, Options, Part, Plugin, Process, StreamId, Worker,
};

use crate::Transcript;
use crate::probes::{PROBES, Probe};
use crate::service::{self, CUT_OFF, Got, client_saw};

pub(crate) fn run(module: &[u8]) -> Vec<Transcript> {
    let module = Module::new(module, &Options::default()).expect("the probe is a module");
    let process = Process::new();
    process.set_clusters(["service"]);
    let probes = PROBES.iter().enumerate();
    probes.map(|(number, probe)| Run::new(&process, &module, number).probe(probe)).collect()
}

struct Run {
    process: Process,
    worker: Worker,
    stream: StreamId,
    request: Option<Headers>,
    request_body: Vec<u8>,
    request_ended: bool,
    response: Option<Headers>,
    response_body: Vec<u8>,
    response_ended: bool,
    /// Whether the answer does not come from the service any more.
    answered: bool,
}

impl Run {
    fn new(process: &Process, module: &Module, number: usize) -> Self {
        let plugin = Plugin {
            name: "probe".to_owned(),
            vm_id: format!("probe-{number}"),
            ..Plugin::default()
        };
        let configuration = format!("{number:02}");
        let mut worker =
            Worker::start(process, module, plugin, configuration.as_bytes()).expect("a worker");
        let stream = worker.open_stream();
        Self {
            process: process.clone(),
            worker,
            stream,
            request: None,
            request_body: Vec::new(),
            request_ended: false,
            response: None,
            response_body: Vec::new(),
            response_ended: false,
            answered: false,
        }
    }

    fn probe(mut self, probe: &Probe) -> Transcript {
        let request = probe.request;
        let mut headers = Headers::from_iter([
            (":authority", "probe"),
            (":path", "/probe"),
            (":method", request.method),
            (":scheme", "http"),
        ]);
        for (name, value) in request.headers {
            headers.add(name, value);
        }
        if !request.body.is_empty() {
            headers.add("content-length", request.body.len().to_string());
        }
        let bytes = |number: u64| number.to_le_bytes().to_vec();
        let stream = self.stream;
        self.worker.set_property(stream, &["xds", "cluster_name"], "service");
        self.worker.set_property(stream, &["request", "duration"], bytes(1));
        let events = self.worker.request_headers(stream, headers, request.body.is_empty());
        self.see(events);
        if !request.body.is_empty() {
            let events = self.worker.request_body(stream, request.body, true);
            self.see(events);
        }
        if self.request_ended && !self.answered {
            self.answered = true;
            let (headers, body) = service::answer(&self.got());
            self.worker.set_property(stream, &["response", "code"], bytes(200));
            self.worker.set_property(stream, &["response", "code_details"], "via_upstream");
            self.worker.set_property(stream, &["response", "flags"], bytes(0));
            let mut head = Headers::from_iter([(":status", "200")]);
            for (name, value) in headers {
                head.add(name, value);
            }
            let events = self.worker.response_headers(stream, head, false);
            self.see(events);
            let events = self.worker.response_body(stream, body, true);
            self.see(events);
        }
        let events = self.worker.end_stream(stream);
        self.see(events);
        for _ in 0..10 {
            let events = self.worker.deliver_queues();
            self.see(events);
            self.process.advance(Duration::from_millis(100));
            let events = self.worker.tick_if_due();
            self.see(events);
        }
        let log = self.process.take_log().into_iter();
        let logged = log.filter_map(|line| Some(line.message.get(4..)?.to_owned()));
        logged.chain(self.client()).collect()
    }

    fn see(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Request(_, part) => match part {
                    Part::Headers(headers, end) => {
                        self.request = Some(headers);
                        self.request_ended |= end;
                    }
                    Part::Body(bytes, end) => {
                        self.request_body.extend(bytes);
                        self.request_ended |= end;
                    }
                    Part::Trailers(_) => self.request_ended = true,
                },
                Event::Response(_, part) => match part {
                    Part::Headers(headers, end) => {
                        self.response = Some(headers);
                        self.response_ended |= end;
                    }
                    Part::Body(bytes, end) => {
                        self.response_body.extend(bytes);
                        self.response_ended |= end;
                    }
                    Part::Trailers(_) => self.response_ended = true,
                },
                Event::LocalReply(..) => self.answered = true,
                Event::Reset(_) => {
                    self.answered = true;
                    self.response_ended = false;
                }
                Event::Call(call) => {
                    let headers = pairs(&call.headers).collect();
                    let (headers, body) = service::answer(&Got { headers, body: call.body });
                    let mut head = Headers::from_iter([(":status", "200")]);
                    for (name, value) in headers {
                        head.add(name, value);
                    }
                    let trailers = Headers::new();
                    let answer = CallAnswer::Response { headers: head, body, trailers };
                    let events = self.worker.answer_call(call.token, answer);
                    self.see(events);
                }
                Event::RouteCleared(_) | Event::VmFailed(_) => {}
            }
        }
    }

    fn got(&self) -> Got {
        let headers = self.request.iter().flat_map(pairs).collect();
        Got { headers, body: self.request_body.clone() }
    }

    fn client(&self) -> Transcript {
        let response = self.response.as_ref().filter(|_| self.response_ended);
        let Some(headers) = response else {
            return vec![CUT_OFF.to_owned()];
        };
        let status = headers.text(":status").unwrap_or_default();
        client_saw(status, pairs(headers), &self.response_body)
    }
}

fn pairs(headers: &Headers) -> impl Iterator<Item = (String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    headers.iter().map(move |(name, value)| (text(name), text(value)))
}
