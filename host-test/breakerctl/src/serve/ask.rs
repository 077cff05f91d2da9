//! A request on its way to its service, and the answer on its way back: with the retries of the
//! route, and within its time.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use host_test_proxy_wasm::Headers;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::{Body as _, Incoming};
use hyper_util::client::legacy::{Error, ResponseFuture};
use tokio::time::{Sleep, sleep};

use super::message;
use super::pipe::{Sink, Source, pipe};
use super::plan::{Retries, Route};
use super::upstream::{self, BROKEN_OFF, Failure, RETRIES_EXHAUSTED, TIMED_OUT, Upstream};

/// A request whose body is longer than this is not kept, and so not made again: as in Envoy.
const MOST_KEPT: usize = 1 << 20;

/// A call of a service.
pub(super) struct Ask {
    upstream: Rc<Upstream>,
    cluster: String,
    headers: Headers,
    retries: Retries,
    timeout: Option<Duration>,
    /// How often the request was sent.
    attempts: u32,
    kept: Kept,
    /// Where the body of the request goes. `None`: all of it has.
    sink: Option<Sink>,
    state: State,
    /// Runs from the end of the request on.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// What was sent of the body, for the next attempt.
#[derive(Default)]
struct Kept {
    pieces: Vec<Bytes>,
    size: usize,
    ended: bool,
}

enum State {
    /// Until the next attempt.
    Waiting(Pin<Box<Sleep>>),
    Asking(ResponseFuture),
    Answering(Incoming),
    Failed(Failure),
    Over,
}

/// What comes next of an answer.
pub(super) enum Step {
    /// Its head, whether this is all, and flags.
    Head(Headers, bool, i64),
    /// A piece of its body, and whether it is the last.
    Body(Bytes, bool),
    /// There is no answer, or no more of it.
    Failed(Failure),
}

impl Ask {
    /// Sends a request, of which a body is to follow unless its head is all.
    pub(super) fn begin(
        upstream: &Rc<Upstream>,
        cluster: &str,
        route: &Route,
        headers: Headers,
        is_all: bool,
    ) -> Self {
        let mut ask = Self {
            upstream: Rc::clone(upstream),
            cluster: cluster.to_owned(),
            headers,
            retries: route.retries.clone(),
            timeout: route.timeout,
            attempts: 0,
            kept: Kept { ended: is_all, ..Kept::default() },
            sink: None,
            state: State::Over,
            deadline: None,
        };
        ask.send();
        if is_all {
            ask.start_clock();
        }
        ask
    }

    /// A piece of the request's body.
    pub(super) fn push(&mut self, bytes: Bytes, is_last: bool) {
        let is_waiting = matches!(self.state, State::Waiting(_));
        if self.retries.most > 0 || is_waiting {
            self.kept.size += bytes.len();
            self.kept.pieces.push(bytes.clone());
        }
        if self.kept.size > MOST_KEPT {
            self.retries.most = 0;
            // The attempt that is waited for still needs them.
            if !is_waiting {
                self.kept.pieces.clear();
            }
        }
        if let Some(sink) = &self.sink {
            sink.push(bytes);
        }
        if is_last {
            self.kept.ended = true;
            self.end_body();
            self.start_clock();
        }
    }

    /// Whether more of the request's body can be taken: not while the next attempt is waited for.
    pub(super) fn has_room(&self) -> bool {
        self.sink.as_ref().is_some_and(Sink::has_room)
    }

    /// Waits until the service has taken some of it.
    pub(super) fn room(&self) -> Option<impl Future<Output = ()> + use<>> {
        self.sink.as_ref().map(Sink::room)
    }

    /// What comes next. Nothing is lost if it is not waited for to the end.
    pub(super) async fn next(&mut self) -> Step {
        loop {
            let Self { state, deadline, .. } = self;
            let next = async {
                match state {
                    State::Waiting(sleep) => {
                        sleep.await;
                        Next::Send
                    }
                    State::Asking(answer) => Next::Head(answer.await),
                    State::Answering(body) => Next::Frame(body.frame().await),
                    State::Failed(failure) => Next::Failed(*failure),
                    State::Over => std::future::pending().await,
                }
            };
            let late = async {
                match deadline {
                    Some(deadline) => deadline.await,
                    None => std::future::pending().await,
                }
            };
            let next = tokio::select! {
                biased;
                next = next => next,
                () = late => Next::Failed(TIMED_OUT),
            };
            if let Some(step) = self.take(next) {
                return step;
            }
        }
    }

    fn take(&mut self, next: Next) -> Option<Step> {
        match next {
            Next::Send => {
                self.send();
                None
            }
            Next::Head(Ok(response)) => {
                let may_retry = self.retries.on.status(response.status().as_u16());
                if may_retry && self.retry() {
                    return None;
                }
                Some(self.begin_answer(response, may_retry))
            }
            Next::Head(Err(error)) => {
                let mut failure = upstream::failure(&error);
                let on = self.retries.on;
                let connect = failure == upstream::REFUSED;
                let may_retry =
                    on.server_error || if connect { on.connect_failure } else { on.reset };
                if may_retry && self.retry() {
                    return None;
                }
                failure.flags |= self.exhausted(may_retry);
                Some(self.fail(failure))
            }
            Next::Frame(Some(Ok(frame))) => {
                let is_last = matches!(&self.state, State::Answering(body) if body.is_end_stream());
                if is_last {
                    self.state = State::Over;
                }
                Some(Step::Body(message::data(frame), is_last))
            }
            Next::Frame(None) => {
                self.state = State::Over;
                Some(Step::Body(Bytes::new(), true))
            }
            Next::Frame(Some(Err(_))) => Some(self.fail(BROKEN_OFF)),
            Next::Failed(failure) => Some(self.fail(failure)),
        }
    }

    fn begin_answer(&mut self, response: Response<Incoming>, failed: bool) -> Step {
        let flags = self.exhausted(failed);
        let (head, body) = response.into_parts();
        let is_all = body.is_end_stream();
        self.state = if is_all { State::Over } else { State::Answering(body) };
        Step::Head(message::response_headers(&head), is_all, flags)
    }

    fn fail(&mut self, failure: Failure) -> Step {
        self.state = State::Over;
        self.sink = None;
        Step::Failed(failure)
    }

    /// Sends the request, with what there is of its body.
    fn send(&mut self) {
        self.attempts += 1;
        let (sink, source) = match self.kept.ended && self.kept.pieces.is_empty() {
            true => (None, Source::empty()),
            false => {
                let (sink, source) = pipe();
                (Some(sink), source)
            }
        };
        self.state = match self.upstream.send(&self.cluster, &self.headers, source) {
            Ok(answer) => State::Asking(answer),
            Err(failure) => State::Failed(failure),
        };
        if let Some(sink) = &sink {
            self.kept.pieces.iter().for_each(|piece| sink.push(piece.clone()));
        }
        self.sink = sink;
        if self.kept.ended {
            self.end_body();
        }
    }

    /// Whether the request is made again, after a wait.
    fn retry(&mut self) -> bool {
        if self.attempts > self.retries.most {
            return false;
        }
        let wait = self.retries.longest_wait(self.attempts).mul_f64(fastrand::f64());
        self.sink = None;
        self.state = State::Waiting(Box::pin(sleep(wait)));
        true
    }

    /// All of the body has been sent.
    fn end_body(&mut self) {
        if let Some(sink) = self.sink.take() {
            sink.end();
        }
    }

    fn exhausted(&self, failed: bool) -> i64 {
        if failed && self.retries.most > 0 { RETRIES_EXHAUSTED } else { 0 }
    }

    fn start_clock(&mut self) {
        self.deadline = self.timeout.map(|timeout| Box::pin(sleep(timeout)));
    }
}

/// What was waited for.
enum Next {
    Send,
    Head(Result<Response<Incoming>, Error>),
    Frame(Option<Result<hyper::body::Frame<Bytes>, hyper::Error>>),
    Failed(Failure),
}
