//! A request and its answer.

#![allow(unsafe_code, reason = "the module's hooks are C functions")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use dynamic_module::abi::{BodyStatus, EnvoyFilter, HeadersStatus};
use dynamic_module::hooks::{
    envoy_dynamic_module_on_http_filter_destroy,
    envoy_dynamic_module_on_http_filter_http_callout_done, envoy_dynamic_module_on_http_filter_new,
    envoy_dynamic_module_on_http_filter_request_body,
    envoy_dynamic_module_on_http_filter_request_headers,
    envoy_dynamic_module_on_http_filter_request_trailers,
    envoy_dynamic_module_on_http_filter_response_body,
    envoy_dynamic_module_on_http_filter_response_headers,
    envoy_dynamic_module_on_http_filter_response_trailers,
    envoy_dynamic_module_on_http_filter_stream_complete,
};

use crate::configuration::{Call, Configuration, Handed, Inner as Config};

/// Names, in lower case, and values, in their order.
pub type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// Which headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// The request's.
    Request,
    /// The answer's.
    Response,
    /// The answer's trailers.
    ResponseTrailers,
}

/// What the module answers by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Its headers, without the status.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// What becomes of headers, of a piece of a body, or of trailers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They go on.
    Continue,
    /// They wait for a call.
    Hold(Call),
    /// The module has answered.
    Reply(Reply),
    /// The request runs again, and this stream is over: [`Stream::second`] is the other one.
    RunAgain,
}

/// A request that has come to a worker. Dropped, it is over.
#[derive(Debug)]
pub struct Stream(Rc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: Rc<Config>,
    pub(crate) worker: u32,
    module: Cell<*const dynamic_module::hooks::Stream<'static>>,
    pub(crate) maps: [RefCell<Option<Headers>>; 4],
    /// The pieces at hand: of the request, and of the answer.
    pub(crate) request_body: RefCell<Option<Vec<u8>>>,
    /// What is kept of the request's body; `None`: nothing is.
    kept: RefCell<Option<Vec<u8>>>,
    /// Whether all of the request has come.
    is_complete: Cell<bool>,
    /// The stream of its second run, and what became of that request.
    second: RefCell<Option<(Stream, Verdict)>>,
    pub(crate) response_body: RefCell<Option<Vec<u8>>>,
    pub(crate) texts: RefCell<BTreeMap<u32, Vec<u8>>>,
    pub(crate) numbers: RefCell<BTreeMap<u32, u64>>,
    pub(crate) cluster: RefCell<Option<Vec<u8>>>,
    pub(crate) found_cluster: RefCell<Option<Vec<u8>>>,
    pub(crate) filter_state: RefCell<BTreeMap<Vec<u8>, Vec<u8>>>,
    pub(crate) call: RefCell<Option<Call>>,
    pub(crate) reply: RefCell<Option<Reply>>,
    pub(crate) route_chosen: Cell<bool>,
    pub(crate) resumed: Cell<bool>,
}

impl Configuration {
    /// A request begins on a worker.
    #[must_use]
    pub fn stream(&self, worker: u32) -> Stream {
        let inner = Rc::new(Inner {
            config: Rc::clone(&self.0),
            worker,
            module: Cell::new(std::ptr::null()),
            maps: Default::default(),
            request_body: RefCell::default(),
            kept: RefCell::default(),
            is_complete: Cell::new(false),
            second: RefCell::default(),
            response_body: RefCell::default(),
            texts: RefCell::default(),
            numbers: RefCell::default(),
            cluster: RefCell::default(),
            found_cluster: RefCell::default(),
            filter_state: RefCell::default(),
            call: RefCell::default(),
            reply: RefCell::default(),
            route_chosen: Cell::new(false),
            resumed: Cell::new(false),
        });
        // SAFETY: the configuration is there for as long as the stream is.
        let module = self.0.process.run(|| unsafe {
            envoy_dynamic_module_on_http_filter_new(self.0.module.get(), inner.envoy())
        });
        inner.module.set(module);
        Stream(inner)
    }
}

impl Inner {
    /// As the module knows it.
    fn envoy(self: &Rc<Self>) -> *mut EnvoyFilter {
        Rc::as_ptr(self).cast_mut().cast()
    }

    pub(crate) fn map(&self, map: dynamic_module::abi::Map) -> &RefCell<Option<Headers>> {
        &self.maps[map as usize]
    }

    pub(crate) fn body(&self, body: dynamic_module::abi::Body) -> &RefCell<Option<Vec<u8>>> {
        match body {
            dynamic_module::abi::Body::Request => &self.request_body,
            dynamic_module::abi::Body::RequestKept => &self.kept,
            dynamic_module::abi::Body::Response => &self.response_body,
        }
    }

    /// The module's.
    pub(crate) fn module(&self) -> *const dynamic_module::hooks::Stream<'static> {
        self.module.get()
    }

    /// Where its route leads; a diverted request, where its header says, if there is a route for that.
    pub(crate) fn leads_to(&self) -> Option<Vec<u8>> {
        let request = self.maps[0].borrow();
        let mut headers = request.iter().flatten();
        let diverted = headers.find(|(name, _)| name == b"x-circuit-breaker-cluster");
        match diverted.filter(|_| self.config.process.has_diverted_route.get()) {
            Some((_, cluster)) => Some(cluster.clone()).filter(|name| {
                let unknown = self.config.process.unknown_clusters.borrow();
                !unknown.iter().any(|it| it.as_bytes() == name)
            }),
            None => self.cluster.borrow().clone(),
        }
    }

    /// The request runs again, and the stream is gone. `false`: not all of it has come.
    pub(crate) fn run_again(self: &Rc<Self>) -> bool {
        if !self.is_complete.get() {
            return false;
        }
        let headers = self.maps[0].borrow().clone().unwrap_or_default();
        let body = self.kept.borrow().clone().unwrap_or_default();
        self.end();
        let second = Configuration(Rc::clone(&self.config)).stream(self.worker);
        second.set_cluster(self.cluster.borrow().as_deref().map(text).as_deref());
        let mut verdict = second.request_headers(headers, body.is_empty());
        if verdict == Verdict::Continue && !body.is_empty() {
            verdict = second.request_body(&body, true);
        }
        *self.second.borrow_mut() = Some((second, verdict));
        true
    }

    /// The stream is gone: the module is told once.
    pub(crate) fn end(self: &Rc<Self>) {
        let module = self.module.replace(std::ptr::null());
        if !module.is_null() {
            // SAFETY: the module's stream is there, and is forgotten now.
            unsafe {
                envoy_dynamic_module_on_http_filter_stream_complete(self.envoy(), module);
                envoy_dynamic_module_on_http_filter_destroy(module);
            }
        }
    }
}

impl Stream {
    /// Where its route leads; `None`: nowhere that there is.
    pub fn set_cluster(&self, cluster: Option<&str>) {
        *self.0.cluster.borrow_mut() = cluster.map(|name| name.as_bytes().to_vec());
    }

    /// Has its body kept, as it comes, as for retries.
    pub fn keep_body(&self) {
        *self.0.kept.borrow_mut() = Some(Vec::new());
    }

    /// Another filter, or the route, adds a header to the request.
    pub fn set_request_header(&self, name: &str, value: &str) {
        let mut request = self.0.maps[0].borrow_mut();
        request.get_or_insert_default().push((name.into(), value.into()));
    }

    /// The stream of its second run, and what has become of that request, once.
    #[must_use]
    pub fn second(&self) -> Option<(Self, Verdict)> {
        self.0.second.take()
    }

    /// The name of its route.
    pub fn set_route(&self, route: &str) {
        self.0.texts.borrow_mut().insert(61, route.as_bytes().to_vec());
    }

    /// The number of its connection.
    pub fn set_connection(&self, connection: u64) {
        self.0.numbers.borrow_mut().insert(28, connection);
    }

    /// Its client's address and port.
    pub fn set_peer(&self, peer: &str) {
        self.0.texts.borrow_mut().insert(24, peer.as_bytes().to_vec());
    }

    /// How its answer came about, in Envoy's words.
    pub fn set_origin(&self, details: &str, flags: u64) {
        self.0.texts.borrow_mut().insert(16, details.as_bytes().to_vec());
        self.0.numbers.borrow_mut().insert(17, flags);
    }

    /// The request's headers come.
    #[must_use]
    pub fn request_headers(&self, headers: Headers, end: bool) -> Verdict {
        self.0.is_complete.set(end);
        self.headers(Map::Request, headers, |envoy, module| {
            // SAFETY: the stream is there.
            unsafe { envoy_dynamic_module_on_http_filter_request_headers(envoy, module, end) }
        })
    }

    /// A piece of the request's body comes.
    #[must_use]
    pub fn request_body(&self, piece: &[u8], end: bool) -> Verdict {
        *self.0.request_body.borrow_mut() = Some(piece.to_vec());
        self.0.is_complete.set(end);
        // SAFETY: the stream is there.
        let status = self.run(|envoy, module| unsafe {
            envoy_dynamic_module_on_http_filter_request_body(envoy, module, end)
        });
        *self.0.request_body.borrow_mut() = None;
        if let Some(kept) = &mut *self.0.kept.borrow_mut() {
            kept.extend_from_slice(piece);
        }
        match (status, self.0.reply.take()) {
            (BodyStatus::Continue, None) => Verdict::Continue,
            (BodyStatus::Drop, Some(reply)) => Verdict::Reply(reply),
            other => panic!("a piece and a reply that do not go together: {other:?}"),
        }
    }

    /// The request's trailers come.
    #[must_use]
    pub fn request_trailers(&self) -> Verdict {
        self.0.is_complete.set(true);
        // SAFETY: the stream is there.
        let status = self.run(|envoy, module| unsafe {
            envoy_dynamic_module_on_http_filter_request_trailers(envoy, module)
        });
        self.verdict(status)
    }

    /// The answer's headers come.
    #[must_use]
    pub fn response_headers(&self, headers: Headers, end: bool) -> Verdict {
        self.headers(Map::Response, headers, |envoy, module| {
            // SAFETY: the stream is there.
            unsafe { envoy_dynamic_module_on_http_filter_response_headers(envoy, module, end) }
        })
    }

    /// A piece of the answer's body comes. Returns what goes on in its place.
    #[must_use]
    pub fn response_body(&self, piece: &[u8], end: bool) -> Vec<u8> {
        *self.0.response_body.borrow_mut() = Some(piece.to_vec());
        // SAFETY: the stream is there.
        let status = self.run(|envoy, module| unsafe {
            envoy_dynamic_module_on_http_filter_response_body(envoy, module, end)
        });
        assert_eq!(status, BodyStatus::Continue);
        self.0.response_body.take().unwrap_or_default()
    }

    /// The answer's trailers come.
    #[must_use]
    pub fn response_trailers(&self, trailers: Headers) -> Verdict {
        self.headers(Map::ResponseTrailers, trailers, |envoy, module| {
            // SAFETY: the stream is there.
            unsafe { envoy_dynamic_module_on_http_filter_response_trailers(envoy, module) }
        })
    }

    /// The call that its answer waits for is answered; `None`: it has failed.
    #[must_use]
    pub fn answer(&self, call: u64, answer: Option<(&Headers, &[u8])>) -> Verdict {
        let handed = Handed::new(answer);
        self.0.resumed.set(false);
        // SAFETY: the stream is there, and the answer is until the hook returns.
        self.run(|envoy, module| unsafe {
            envoy_dynamic_module_on_http_filter_http_callout_done(
                envoy,
                module,
                call,
                handed.result,
                handed.headers.as_ptr(),
                handed.headers.len(),
                handed.body.as_ptr(),
                handed.body.len(),
            );
        });
        match (self.0.resumed.get(), self.0.reply.take()) {
            (true, None) => Verdict::Continue,
            (false, Some(reply)) => Verdict::Reply(reply),
            other => panic!("neither resumed nor answered, or both: {other:?}"),
        }
    }

    /// It is over. Nothing comes of it any more.
    pub fn end(&self) {
        self.0.config.process.run(|| self.0.end());
    }

    /// The headers as they are now.
    #[must_use]
    pub fn map(&self, map: Map) -> Headers {
        let map = match map {
            Map::Request => dynamic_module::abi::Map::Request,
            Map::Response => dynamic_module::abi::Map::Response,
            Map::ResponseTrailers => dynamic_module::abi::Map::ResponseTrailers,
        };
        self.0.map(map).borrow().clone().unwrap_or_default()
    }

    /// The first value of a header, as it is now.
    #[must_use]
    pub fn header(&self, map: Map, name: &str) -> Option<String> {
        let headers = self.map(map);
        let found = headers.iter().find(|(known, _)| known == name.as_bytes());
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    /// Whether the route was to be chosen anew since this was last asked.
    #[must_use]
    pub fn is_route_chosen(&self) -> bool {
        self.0.route_chosen.take()
    }

    /// What was noted of it for access logs.
    #[must_use]
    pub fn noted(&self, key: &str) -> Option<Vec<u8>> {
        self.0.filter_state.borrow().get(key.as_bytes()).cloned()
    }

    fn headers(
        &self,
        map: Map,
        headers: Headers,
        hook: impl FnOnce(
            *mut EnvoyFilter,
            *const dynamic_module::hooks::Stream<'static>,
        ) -> HeadersStatus,
    ) -> Verdict {
        let place = match map {
            Map::Request => 0,
            Map::Response => 2,
            Map::ResponseTrailers => 3,
        };
        *self.0.maps[place].borrow_mut() = Some(headers);
        let status = self.run(hook);
        self.verdict(status)
    }

    fn verdict(&self, status: HeadersStatus) -> Verdict {
        match (status, self.0.call.take(), self.0.reply.take()) {
            (HeadersStatus::Continue, None, None) => Verdict::Continue,
            (HeadersStatus::Hold, Some(call), None) => Verdict::Hold(call),
            (HeadersStatus::Stop, None, Some(reply)) => Verdict::Reply(reply),
            (HeadersStatus::Stop, None, None) if self.0.second.borrow().is_some() => {
                Verdict::RunAgain
            }
            other => panic!("they do not go together: {other:?}"),
        }
    }

    fn run<R>(
        &self,
        hook: impl FnOnce(*mut EnvoyFilter, *const dynamic_module::hooks::Stream<'static>) -> R,
    ) -> R {
        let module = self.0.module.get();
        self.0.config.process.run(|| hook(self.0.envoy(), module))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Drop for Stream {
    fn drop(&mut self) {
        Self::end(self);
    }
}
