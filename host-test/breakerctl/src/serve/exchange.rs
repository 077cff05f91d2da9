//! One request and its answer, passed on piece by piece in both directions.
//!
//! What comes from the client and from the service is fed to the filter, and what the filter lets go
//! on is passed on. Nothing more is read from one side than the other, or the filter, takes.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Context as _;
use bytes::Bytes;
use host_test_proxy_wasm::{Event, Headers, Part, StreamId};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::{Request, Response};
use tokio::sync::{mpsc, oneshot};

use super::ask::{Ask, Step};
use super::message;
use super::pipe::{Sink, Source, pipe};
use super::plan::Action;
use super::upstream::{CLIENT_GONE, Failure, ROUTE_NOT_FOUND};
use super::worker::Proxy;

/// Answers a request.
///
/// # Errors
///
/// If the stream is cut off: its connection is to be closed.
pub(super) async fn handle(
    proxy: Rc<Proxy>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> anyhow::Result<Response<Source>> {
    let (client, head) = oneshot::channel();
    let (stream, events) = proxy.open();
    // As Envoy writes it. Here it is the connection's own, whatever the request's headers say.
    proxy.tell(stream, &["source", "address"], peer.to_string());
    proxy.tell(stream, &["source", "port"], i64::from(peer.port()).to_le_bytes());
    let exchange = Exchange {
        proxy,
        stream,
        events,
        client: Client::Waiting(client),
        body: None,
        ask: None,
        is_answered: false,
    };
    // A task of its own, since it goes on when the head of the answer is there.
    tokio::task::spawn_local(exchange.run(request));
    head.await.context("the stream was cut off")
}

/// A stream on its way.
struct Exchange {
    proxy: Rc<Proxy>,
    stream: StreamId,
    /// What becomes of it.
    events: mpsc::UnboundedReceiver<Event>,
    client: Client,
    /// What of the request is still to come.
    body: Option<Incoming>,
    ask: Option<Ask>,
    /// Whether the filter has got the head of an answer.
    is_answered: bool,
}

/// Who made the request.
enum Client {
    /// It waits for the head of the answer. If it goes away, so does who would receive it.
    Waiting(oneshot::Sender<Response<Source>>),
    Receiving(Sink),
    /// All is over.
    Done,
}

/// What happens next to a stream.
enum Next {
    Event(Event),
    /// More of the request, or its end.
    Request(Option<Result<Frame<Bytes>, hyper::Error>>),
    /// More of the service's answer.
    Answer(Step),
    ClientGone,
    /// One side can take more.
    Room,
}

impl Exchange {
    async fn run(mut self, request: Request<Incoming>) {
        let (head, body) = request.into_parts();
        let is_all = body.is_end_stream();
        self.body = Some(body).filter(|_| !is_all);
        let mut headers = message::request_headers(&head);
        self.proxy.listener().remove_early(&mut headers);
        let route = self.proxy.listener().route(&headers);
        if let Some(cluster) = route.and_then(|route| route.cluster(&headers)) {
            self.proxy.tell(self.stream, &["xds", "cluster_name"], cluster);
        }
        self.proxy.run(|worker| worker.request_headers(self.stream, headers, is_all));
        loop {
            while let Ok(event) = self.events.try_recv() {
                self.event(event);
            }
            if matches!(self.client, Client::Done) {
                return;
            }
            match self.next().await {
                Next::Event(event) => self.event(event),
                Next::Request(frame) => self.request(frame),
                Next::Answer(step) => self.answer(step),
                Next::ClientGone => self.abort(CLIENT_GONE),
                Next::Room => {}
            }
        }
    }

    async fn next(&mut self) -> Next {
        let (request_full, response_full) = self.proxy.is_full(self.stream);
        let asked = self.ask.as_ref();
        let takes_request = !request_full && asked.is_none_or(Ask::has_room);
        let takes_response = !response_full && self.client.has_room();
        let rooms = (asked.and_then(Ask::room), self.client.room());
        let Self { events, client, body, ask, .. } = self;
        tokio::select! {
            biased;
            Some(event) = events.recv() => Next::Event(event),
            step = or_never(ask.as_mut().map(Ask::next)), if takes_response => Next::Answer(step),
            frame = or_never(body.as_mut().map(|body| body.frame())), if takes_request => {
                Next::Request(frame)
            }
            () = client.gone() => Next::ClientGone,
            () = or_never(rooms.0), if !takes_request => Next::Room,
            () = or_never(rooms.1), if !takes_response => Next::Room,
        }
    }

    /// More of the request comes from the client.
    fn request(&mut self, frame: Option<Result<Frame<Bytes>, hyper::Error>>) {
        let bytes = match frame {
            Some(Ok(frame)) => message::data(frame),
            Some(Err(_)) => return self.abort(CLIENT_GONE),
            None => {
                self.body = None;
                Bytes::new()
            }
        };
        if self.body.as_ref().is_some_and(Incoming::is_end_stream) {
            self.body = None;
        }
        let is_last = self.body.is_none();
        self.proxy.run(|worker| worker.request_body(self.stream, bytes, is_last));
    }

    /// More of the answer comes from the service.
    fn answer(&mut self, step: Step) {
        let stream = self.stream;
        match step {
            Step::Head(headers, is_all, flags) => {
                self.is_answered = true;
                self.came_by("via_upstream", flags);
                self.proxy.run(|worker| worker.response_headers(stream, headers, is_all));
            }
            Step::Body(bytes, is_last) => {
                self.proxy.run(|worker| worker.response_body(stream, bytes, is_last));
            }
            Step::Failed(failure) if self.is_answered => self.abort(failure),
            Step::Failed(failure) => self.answer_instead(failure, failure.details),
        }
    }

    /// Answers in the service's stead.
    fn answer_instead(&mut self, failure: Failure, text: &str) {
        let stream = self.stream;
        self.ask = None;
        self.is_answered = true;
        self.came_by(failure.details, failure.flags);
        let mut headers = Headers::from_iter([(":status", failure.status.to_string())]);
        if !text.is_empty() {
            headers.add("content-length", text.len().to_string());
            headers.add("content-type", "text/plain");
        }
        self.proxy.run(|worker| worker.response_headers(stream, headers, text.is_empty()));
        if !text.is_empty() {
            self.proxy.run(|worker| worker.response_body(stream, text, true));
        }
    }

    /// Does what has become of the stream.
    fn event(&mut self, event: Event) {
        match event {
            Event::Request(_, Part::Headers(headers, is_all)) => self.ask(headers, is_all),
            Event::Request(_, Part::Body(bytes, is_last)) => self.ask_more(bytes, is_last),
            Event::Request(_, Part::Trailers(_)) => self.ask_more(Vec::new(), true),
            Event::Response(_, Part::Headers(headers, is_all)) => self.respond(&headers, is_all),
            Event::Response(_, Part::Body(bytes, is_last)) => self.respond_more(bytes, is_last),
            Event::Response(_, Part::Trailers(_)) => self.respond_more(Vec::new(), true),
            Event::LocalReply(_, reply) => {
                self.ask = None;
                self.proxy.tell(self.stream, &["response", "code_details"], reply.details);
            }
            Event::Reset(_) => self.end(),
            Event::RouteCleared(_) | Event::Call(_) | Event::VmFailed(_) => {}
        }
    }

    /// The head of the request goes on to where it belongs by now.
    fn ask(&mut self, headers: Headers, is_all: bool) {
        let proxy = Rc::clone(&self.proxy);
        let Some(route) = proxy.listener().route(&headers) else {
            return self.answer_instead(ROUTE_NOT_FOUND, "");
        };
        match (route.cluster(&headers), &route.action) {
            (Some(cluster), _) => {
                proxy.tell(self.stream, &["xds", "cluster_name"], cluster);
                let cluster = cluster.to_owned();
                self.ask = Some(Ask::begin(&proxy.upstream, &cluster, route, headers, is_all));
            }
            (None, Action::Answer { status, body }) => {
                let at_once = Failure { status: *status, details: "direct_response", flags: 0 };
                self.answer_instead(at_once, body);
            }
            (None, _) => self.answer_instead(ROUTE_NOT_FOUND, ""),
        }
    }

    fn ask_more(&mut self, bytes: Vec<u8>, is_last: bool) {
        if let Some(ask) = &mut self.ask {
            ask.push(Bytes::from(bytes), is_last);
        }
    }

    /// The head of the answer goes on to the client.
    fn respond(&mut self, headers: &Headers, is_all: bool) {
        let Client::Waiting(client) = std::mem::replace(&mut self.client, Client::Done) else {
            return self.end();
        };
        let is_last = self.proxy.is_draining();
        let (sink, source) = if is_all { (None, Source::empty()) } else { some(pipe()) };
        // A head that cannot be sent cuts the stream off, as `client` goes unused.
        if let Ok(head) = message::response(headers, is_last, source) {
            // Should the client have gone, the sink will tell.
            let _ = client.send(head);
            if let Some(sink) = sink {
                self.client = Client::Receiving(sink);
                return;
            }
        }
        self.end();
    }

    fn respond_more(&mut self, bytes: Vec<u8>, is_last: bool) {
        if !is_last {
            if let Client::Receiving(sink) = &self.client {
                sink.push(Bytes::from(bytes));
            }
            return;
        }
        // As in Envoy the stream has ended before the client can know.
        let client = std::mem::replace(&mut self.client, Client::Done);
        self.end();
        if let Client::Receiving(sink) = client {
            sink.push(Bytes::from(bytes));
            sink.end();
        }
    }

    /// Ends the stream before its time.
    fn abort(&mut self, failure: Failure) {
        self.came_by(failure.details, failure.flags);
        self.end();
    }

    fn end(&mut self) {
        self.client = Client::Done;
        self.ask = None;
        self.proxy.close(self.stream);
    }

    fn came_by(&self, details: &str, flags: i64) {
        self.proxy.tell(self.stream, &["response", "code_details"], details);
        self.proxy.tell(self.stream, &["response", "flags"], flags.to_le_bytes());
    }
}

impl Client {
    fn has_room(&self) -> bool {
        match self {
            Self::Receiving(sink) => sink.has_room(),
            Self::Waiting(_) | Self::Done => true,
        }
    }

    fn room(&self) -> Option<impl Future<Output = ()> + use<>> {
        match self {
            Self::Receiving(sink) => Some(sink.room()),
            Self::Waiting(_) | Self::Done => None,
        }
    }

    async fn gone(&mut self) {
        match self {
            Self::Waiting(client) => client.closed().await,
            Self::Receiving(sink) => sink.closed().await,
            Self::Done => std::future::pending().await,
        }
    }
}

async fn or_never<T>(future: Option<impl Future<Output = T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

fn some((sink, source): (Sink, Source)) -> (Option<Sink>, Source) {
    (Some(sink), source)
}
