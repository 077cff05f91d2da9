//! One request and its answer, driven as a proxy drives them.

use std::rc::Rc;

use filter::{
    AnswerHead, CalloutRequest, Exchange, FallbackAnswer, FallbackVerdict, Filter, Headers, Peer,
    Piece, Replacement, Reply, RequestAction, RequestVerdict, Rerun, ResponseAnnotations,
    ResponseVerdict, Substitute, TrailersVerdict,
};

use super::{Facts, World};

/// Envoy's response flags, by the position of their bit.
pub(crate) mod flag {
    pub(crate) const UH: u8 = 1;
    pub(crate) const UT: u8 = 2;
    pub(crate) const LR: u8 = 3;
    pub(crate) const UR: u8 = 4;
    pub(crate) const UF: u8 = 5;
    pub(crate) const UC: u8 = 6;
    pub(crate) const UO: u8 = 7;
    pub(crate) const NR: u8 = 8;
    pub(crate) const DI: u8 = 9;
    pub(crate) const FI: u8 = 10;
    pub(crate) const RL: u8 = 11;
    pub(crate) const UAEX: u8 = 12;
    pub(crate) const DC: u8 = 14;
    pub(crate) const URX: u8 = 15;
    pub(crate) const SI: u8 = 16;
    pub(crate) const IH: u8 = 17;
    pub(crate) const DPE: u8 = 18;
    pub(crate) const UMSDR: u8 = 19;
    pub(crate) const DT: u8 = 22;
    pub(crate) const UPE: u8 = 23;
    pub(crate) const NC: u8 = 24;
    pub(crate) const OM: u8 = 25;
    pub(crate) const DF: u8 = 26;
    pub(crate) const DO: u8 = 27;
    pub(crate) const DR: u8 = 28;
    pub(crate) const DROP_ALL: u8 = 29;
}

/// Who answered a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The service, or the proxy in its name.
    Service,
    /// The fallback cluster, through the route.
    Cluster,
    /// The fallback cluster, which was sent the failed call.
    Replay,
    /// The filter, with a static response.
    Response,
}

/// What the client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) by: By,
    pub(crate) status: u16,
    /// Headers that the filter added or made.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The headers of the contract: the breaker's state, and the kind of fallback.
    pub(crate) fn told(&self) -> (Option<&str>, Option<&str>) {
        (self.header("x-circuit-breaker-state"), self.header("x-circuit-breaker-fallback"))
    }
}

fn owned(told: ResponseAnnotations) -> Vec<(String, String)> {
    told.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn answer_of(by: By, reply: &Reply) -> Answer {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    Answer {
        by,
        status: reply.status,
        headers: reply.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        body: reply.body.clone(),
    }
}

/// A request to be sent.
pub(crate) struct Request {
    world: World,
    worker: usize,
    headers: Vec<(String, Vec<u8>)>,
    body: Body,
    facts: Facts,
}

/// The body of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    None,
    /// It comes right after the headers.
    Whole,
    /// Its pieces follow one by one.
    Follows,
}

impl Request {
    pub(crate) fn new(world: World, host: &str) -> Self {
        let headers = [(":method", "GET"), (":path", "/"), (":scheme", "http")];
        let mut headers: Vec<_> = headers.map(|(n, v)| (n.to_owned(), v.into())).into();
        headers.push((":authority".to_owned(), host.into()));
        Self { world, worker: 0, headers, body: Body::None, facts: Facts::default() }
    }

    pub(crate) fn on(mut self, worker: usize) -> Self {
        self.worker = worker;
        self
    }

    /// Sets a pseudo-header, or adds another value of any other header.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if name.starts_with(':') {
            self.headers.retain(|(known, _)| known != name);
        }
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn method(self, method: &str) -> Self {
        self.header(":method", method)
    }

    pub(crate) fn path(self, path: &str) -> Self {
        self.header(":path", path)
    }

    pub(crate) fn grpc(self) -> Self {
        self.method("POST").header("content-type", "application/grpc").with_whole_body()
    }

    /// The cluster of its route.
    pub(crate) fn cluster(mut self, cluster: &str) -> Self {
        self.facts.cluster = Some(cluster.into());
        self
    }

    /// It comes on the connection of this number.
    pub(crate) fn connection(mut self, number: u64) -> Self {
        self.facts.connection = Some(number);
        self
    }

    /// The name of its route.
    pub(crate) fn route(mut self, route: &str) -> Self {
        self.facts.route = Some(route.into());
        self
    }

    /// Who sends it.
    pub(crate) fn from(mut self, peer: Peer) -> Self {
        self.facts.peer = peer;
        self
    }

    /// A body follows the headers, piece by piece.
    pub(crate) fn with_body(mut self) -> Self {
        self.body = Body::Follows;
        self
    }

    /// A body comes right after the headers.
    pub(crate) fn with_whole_body(mut self) -> Self {
        self.body = Body::Whole;
        self
    }

    /// The headers come to the filter.
    pub(crate) fn send(self) -> Call {
        let headers = Headers::from_pairs(&self.headers);
        self.send_raw(headers)
    }

    pub(crate) fn send_raw(self, headers: Headers) -> Call {
        let Self { world, worker, body, facts, .. } = self;
        let no_body = body == Body::None;
        let filter = world.filter(worker);
        let mut exchange = Exchange::default();
        let verdict = world.apply(
            &filter,
            |host, effects| filter.on_request(&mut exchange, headers, no_body, host, effects),
            &facts,
        );
        // Only an admitted call is both let through and of interest.
        let admitted =
            verdict.action == RequestAction::Continue && filter.wants_response(&exchange);
        if admitted {
            world.0.admitted.set(world.0.admitted.get() + 1);
        }
        let mut call = Call {
            world,
            filter,
            exchange,
            facts,
            verdict,
            admitted,
            asked: None,
            tells_of_service: None,
        };
        if body == Body::Whole {
            call.body(b"message", true);
        }
        call
    }
}

/// A request that the filter has decided on. Dropped, its stream ends.
pub(crate) struct Call {
    world: World,
    filter: Rc<Filter>,
    exchange: Exchange,
    pub(crate) facts: Facts,
    pub(crate) verdict: RequestVerdict,
    admitted: bool,
    /// What the fallback was asked in the service's stead, and not answered yet.
    asked: Option<(CalloutRequest, u16)>,
    /// Whether the answer's head looks as if the service had given it; `None`: if it did.
    tells_of_service: Option<bool>,
}

impl Call {
    /// Whether it goes to its service, and its answer counts.
    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted
    }

    /// Whether it goes to its service, and nobody looks.
    pub(crate) fn is_left_alone(&self) -> bool {
        !self.admitted && self.verdict.action == RequestAction::Continue
    }

    /// The headers of the client's that are removed.
    pub(crate) fn removed(&self) -> Vec<&'static str> {
        self.verdict.remove.names().collect()
    }

    pub(crate) fn is_diverted(&self) -> bool {
        matches!(self.verdict.action, RequestAction::Divert(_))
    }

    /// The headers it is diverted with.
    pub(crate) fn diversion(&self) -> &[(&'static str, String)] {
        match &self.verdict.action {
            RequestAction::Divert(headers) => headers,
            other => panic!("not diverted: {other:?}"),
        }
    }

    /// The filter's own answer.
    pub(crate) fn reply(&self) -> Answer {
        match &self.verdict.action {
            RequestAction::Reply(reply) => answer_of(By::Response, reply),
            other => panic!("not answered: {other:?}"),
        }
    }

    // === The request goes on

    /// A piece of the body.
    pub(crate) fn body(&mut self, piece: &[u8], end: bool) -> &mut Self {
        let bytes = || Some(piece.to_vec());
        self.filter.on_request_body(&mut self.exchange, piece.len(), end, bytes);
        if end { self.request_end() } else { self }
    }

    /// All of the request has come, perhaps with trailers.
    pub(crate) fn request_end(&mut self) -> &mut Self {
        let Self { world, filter, exchange, facts, .. } = self;
        let reply = world.apply(
            filter,
            |host, effects| filter.on_request_end(exchange, host, effects),
            facts,
        );
        assert_eq!(reply, None, "the request goes on");
        self
    }

    /// All of the request has come; what the filter answers it with, if it does.
    pub(crate) fn complete(&mut self) -> Option<Answer> {
        let Self { world, filter, exchange, facts, .. } = self;
        let reply = world.apply(
            filter,
            |host, effects| filter.on_request_end(exchange, host, effects),
            facts,
        );
        reply.map(|reply| answer_of(By::Response, &reply))
    }

    /// A piece of the body; whether the filter wanted to have it.
    pub(crate) fn keeps(&mut self, piece: &[u8]) -> bool {
        let mut wanted = false;
        let bytes = || {
            wanted = true;
            Some(piece.to_vec())
        };
        self.filter.on_request_body(&mut self.exchange, piece.len(), false, bytes);
        wanted
    }

    /// A piece of the body which the proxy does not hand out.
    pub(crate) fn withheld_body(&mut self, len: usize, end: bool) -> &mut Self {
        self.filter.on_request_body(&mut self.exchange, len, end, || None);
        if end { self.request_end() } else { self }
    }

    // === The answer, piece by piece

    /// A header of the answer to come.
    pub(crate) fn response_header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.facts.response_headers.push((name, value.as_ref().to_vec()));
        self
    }

    /// How the answer came about.
    pub(crate) fn came_by(&mut self, details: &str, flags: &[u8]) -> &mut Self {
        self.facts.details = Some(details.into());
        self.flags(flags)
    }

    pub(crate) fn flags(&mut self, flags: &[u8]) -> &mut Self {
        let bits = flags.iter().fold(0_u64, |bits, flag| bits | 1 << flag);
        self.facts.flags = Some(bits.to_le_bytes().to_vec());
        self
    }

    /// Whether the head of the answer has the header that Envoy gives a service's, be it as it may.
    pub(crate) fn head_tells_of_service(mut self, tells: bool) -> Self {
        self.tells_of_service = Some(tells);
        self
    }

    /// The head of an answer, with whatever facts there are.
    pub(crate) fn head(&mut self, status: Option<u16>, end: bool) -> ResponseVerdict {
        let Self { world, filter, exchange, facts, tells_of_service, .. } = self;
        let of_service =
            tells_of_service.unwrap_or_else(|| facts.details.as_deref() == Some(b"via_upstream"));
        let head = || {
            let status = status.map(|status| (&b":status"[..], status.to_string().into_bytes()));
            let of_service =
                of_service.then(|| (&b"x-envoy-upstream-service-time"[..], b"0".to_vec()));
            let others = facts.response_headers.iter();
            let others = others.map(|(name, value)| (name.as_bytes(), value.clone()));
            let all: Vec<_> = status.into_iter().chain(of_service).chain(others).collect();
            AnswerHead::read(&Headers::from_pairs(&all))
        };
        let mut facts = facts.clone();
        facts.response_headers.extend(status.map(|it| (":status", it.to_string().into_bytes())));
        let verdict = world.apply(
            filter,
            |host, effects| filter.on_response(exchange, head, end, host, effects),
            &facts,
        );
        if let ResponseVerdict::Ask(callout) = &verdict {
            self.asked = Some((callout.clone(), status.unwrap_or_default()));
        }
        verdict
    }

    /// The head of an answer of the service, which a body follows.
    pub(crate) fn begin(&mut self, status: u16) -> ResponseVerdict {
        self.came_by("via_upstream", &[]);
        self.head(Some(status), false)
    }

    /// An answer takes the place of the one that failed.
    pub(crate) fn replace(&mut self, substitute: Substitute) -> Replacement {
        let Self { world, filter, exchange, facts, .. } = self;
        world.apply(filter, |host, _| filter.replace(exchange, substitute, host), facts)
    }

    /// The trailers of the answer come.
    pub(crate) fn response_trailers(&mut self) -> TrailersVerdict {
        let verdict = self.filter.on_response_trailers(&mut self.exchange);
        self.answer_end();
        verdict
    }

    /// A piece of the answer's body passes; what takes its place.
    pub(crate) fn response_body(&mut self, piece: &[u8], end: bool) -> Option<Vec<u8>> {
        let (bytes, len) = (|| Some(piece.to_vec()), piece.len());
        let mut taken = None;
        let put = |piece: &[u8]| taken = Some(piece.to_vec());
        let piece = Piece { len, end_of_stream: end, bytes, put };
        let Self { world, filter, exchange, facts, .. } = self;
        world.apply(
            filter,
            |host, effects| filter.on_response_body(exchange, piece, host, effects),
            facts,
        );
        taken
    }

    /// The trailers of the answer.
    pub(crate) fn trailers(&mut self, grpc_status: Option<&str>) {
        let trailers = grpc_status.map(|status| ("grpc-status", status.into()));
        self.facts.response_trailers.extend(trailers);
    }

    /// One more trailer.
    pub(crate) fn trailer(mut self, name: &'static str, value: &str) -> Self {
        self.facts.response_trailers.push((name, value.into()));
        self
    }

    /// All of the answer has come.
    pub(crate) fn answer_end(&mut self) {
        let Self { world, filter, exchange, facts, .. } = self;
        world.apply(filter, |host, effects| filter.on_answer_end(exchange, host, effects), facts);
    }

    /// The stream is over.
    pub(crate) fn over(&mut self) {
        let Self { world, filter, exchange, facts, .. } = self;
        world.apply(filter, |host, effects| filter.on_stream_end(exchange, host, effects), facts);
    }

    /// Its request is run again, as this: another stream, with all of the request.
    pub(crate) fn run_again(self, rerun: &Rerun, headers: &[(&str, &str)]) -> Self {
        let (world, filter) = (self.world.clone(), Rc::clone(&self.filter));
        let facts =
            Facts { cluster: self.facts.diverted_to.clone().map(Into::into), ..Facts::default() };
        drop(self);
        let mut exchange = Exchange::default();
        let verdict = filter.on_rerun(&mut exchange, rerun, &Headers::from_pairs(headers));
        let (admitted, asked, tells_of_service) = (false, None, None);
        Self { world, filter, exchange, facts, verdict, admitted, asked, tells_of_service }
    }

    /// What the fallback was asked in the service's stead.
    pub(crate) fn replayed(&self) -> &CalloutRequest {
        &self.asked.as_ref().expect("the fallback was asked").0
    }

    /// The fallback answers, or does not.
    pub(crate) fn fallback_verdict(&mut self, answer: Option<FallbackAnswer>) -> FallbackVerdict {
        let Self { world, filter, exchange, facts, .. } = self;
        world.apply(
            filter,
            |_, effects| filter.on_fallback_answer(exchange, answer, effects),
            facts,
        )
    }

    /// The fallback answers with this status, these headers, and a body.
    pub(crate) fn fallback_answers(
        &mut self,
        status: &str,
        headers: &[(&str, &[u8])],
    ) -> FallbackVerdict {
        let mut all = vec![(":status", status.as_bytes())];
        all.extend_from_slice(headers);
        let body = b"from the fallback".to_vec();
        self.fallback_verdict(Some(FallbackAnswer { headers: Headers::from_pairs(&all), body }))
    }

    // === The whole of an answer

    /// The service answers, with a body, and whoever is asked in its stead answers well.
    pub(crate) fn respond(mut self, status: u16) -> Answer {
        if self.facts.details.is_none() {
            self.came_by("via_upstream", &[]);
        }
        self.finish(Some(status))
    }

    /// The service answers, and the proxy knows nothing of how.
    pub(crate) fn respond_untold(mut self, status: u16) -> Answer {
        self.finish(Some(status))
    }

    /// The proxy answers itself.
    pub(crate) fn respond_by_proxy(mut self, status: u16, details: &str, flags: &[u8]) -> Answer {
        self.came_by(details, flags);
        self.finish(Some(status))
    }

    /// The answer says that it is gRPC.
    pub(crate) fn in_grpc(self) -> Self {
        self.response_header("content-type", "application/grpc")
    }

    /// The service answers a gRPC call, with a message and trailers.
    pub(crate) fn respond_grpc(self, grpc_status: Option<&str>) {
        let mut call = self.in_grpc();
        call.begin(200);
        call.trailers(grpc_status);
        call.answer_end();
        call.over();
    }

    /// The service answers a gRPC call with trailers only, which are its head.
    pub(crate) fn respond_grpc_head(self, status: u16, grpc_status: Option<&str>) {
        let mut call = self.in_grpc();
        if call.facts.details.is_none() {
            call.came_by("via_upstream", &[]);
        }
        if let Some(code) = grpc_status {
            call.facts.response_headers.push(("grpc-status", code.into()));
        }
        call.head(Some(status), true);
    }

    /// The client goes away before there is an answer.
    pub(crate) fn abort(mut self) {
        self.came_by("downstream_remote_disconnect", &[flag::DC]);
    }

    /// The service begins a good answer, and is cut off.
    pub(crate) fn reset_mid_body(mut self) {
        self.begin(200);
        self.came_by("upstream_reset_after_response_started{connection_termination}", &[flag::UC]);
    }

    /// The worker is gone, and nothing of the call comes back.
    pub(crate) fn vanish(self) {
        std::mem::forget(self);
    }

    fn finish(&mut self, status: Option<u16>) -> Answer {
        match &self.verdict.action {
            RequestAction::Reply(reply) => return answer_of(By::Response, &reply.clone()),
            RequestAction::Divert(headers) => {
                let cluster = headers.iter().find(|(name, _)| *name == "x-circuit-breaker-cluster");
                self.facts.cluster = cluster.map(|(_, cluster)| cluster.clone().into());
                let verdict = self.head(Some(200), false);
                self.answer_end();
                self.over();
                let ResponseVerdict::Continue(told) = verdict else {
                    panic!("the fallback's answer was not let through: {verdict:?}");
                };
                let headers = owned(told);
                return Answer { by: By::Cluster, status: 200, headers, body: Vec::new() };
            }
            RequestAction::Continue => {}
        }
        let status = status.unwrap_or_default();
        let service =
            |told| Answer { by: By::Service, status, headers: owned(told), body: Vec::new() };
        match self.head(Some(status), false) {
            ResponseVerdict::Continue(told) => {
                self.answer_end();
                self.over();
                service(told)
            }
            ResponseVerdict::Replace(it) => answer_of(By::Response, &it.reply),
            ResponseVerdict::Rerun(rerun) => panic!("it is to run again: {rerun:?}"),
            ResponseVerdict::Ask(_) => match self.fallback_answers("200", &[]) {
                FallbackVerdict::Replace(it) => answer_of(By::Replay, &it.reply),
                FallbackVerdict::Resume(told) => service(told),
                FallbackVerdict::Nothing => panic!("nothing was held back"),
            },
        }
    }
}

impl Drop for Call {
    /// A proxy logs a stream and then deletes it.
    fn drop(&mut self) {
        self.over();
        self.over();
    }
}
