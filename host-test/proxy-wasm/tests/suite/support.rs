//! What the tests have in common.

use host_test_proxy_wasm::{Call, Event, Headers, LocalReply, Part, StreamId, Worker};

/// Headers of a request to a service.
pub(crate) fn request(method: &str, path: &str) -> Headers {
    Headers::from_iter([
        (":method", method),
        (":scheme", "http"),
        (":authority", "payments.example.com"),
        (":path", path),
    ])
}

/// Headers of a response.
pub(crate) fn response(status: u16) -> Headers {
    Headers::from_iter([(":status", status.to_string())])
}

/// What came of something, sorted.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) request: Option<Headers>,
    pub(crate) request_body: Vec<u8>,
    pub(crate) response: Option<Headers>,
    pub(crate) response_body: Vec<u8>,
    pub(crate) reply: Option<LocalReply>,
    pub(crate) calls: Vec<Call>,
    pub(crate) route_cleared: bool,
    pub(crate) reset: bool,
    pub(crate) trap: Option<String>,
}

impl From<Vec<Event>> for Outcome {
    fn from(events: Vec<Event>) -> Self {
        let mut outcome = Self::default();
        outcome.extend(events);
        outcome
    }
}

impl Outcome {
    pub(crate) fn extend(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Request(_, Part::Headers(headers, _)) => self.request = Some(headers),
                Event::Request(_, Part::Body(bytes, _)) => self.request_body.extend(bytes),
                Event::Response(_, Part::Headers(headers, _)) => self.response = Some(headers),
                Event::Response(_, Part::Body(bytes, _)) => self.response_body.extend(bytes),
                Event::Request(_, Part::Trailers(_)) | Event::Response(_, Part::Trailers(_)) => {}
                Event::RouteCleared(_) => self.route_cleared = true,
                Event::LocalReply(_, reply) => self.reply = Some(reply),
                Event::Reset(_) => self.reset = true,
                Event::Call(call) => self.calls.push(call),
                Event::VmFailed(trap) => self.trap = Some(trap),
            }
        }
    }

    pub(crate) fn status(&self) -> Option<u16> {
        self.response.as_ref()?.text(":status")?.parse().ok()
    }
}

/// Sends a request without a body, and has the service answer with this status if it gets there.
/// The stream is ended.
pub(crate) fn exchange(worker: &mut Worker, status: u16) -> Outcome {
    let stream = worker.open_stream();
    let mut outcome = Outcome::from(worker.request_headers(stream, request("GET", "/pay"), true));
    if outcome.request.is_some() {
        outcome.extend(answer(worker, stream, status));
    }
    outcome.extend(worker.end_stream(stream));
    outcome
}

/// The service answers with this status and a body.
pub(crate) fn answer(worker: &mut Worker, stream: StreamId, status: u16) -> Vec<Event> {
    worker.set_property(stream, &["response", "code_details"], "via_upstream");
    worker.set_property(stream, &["response", "flags"], 0_i64.to_le_bytes());
    let mut events = worker.response_headers(stream, response(status), false);
    events.extend(worker.response_body(stream, "from the service", true));
    events
}
