//! One request and its answer.

use std::rc::Rc;

use breaker_filter::{
    Effects, Exchange, FallbackAnswer, FallbackVerdict, RequestAction, ResponseVerdict,
};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::host::{self, Buffer, Map};
use crate::root::Worker;

pub(crate) struct Stream {
    /// `None` only if the configuration was refused, and then no stream is created.
    worker: Option<Rc<Worker>>,
    exchange: Exchange,
}

impl Stream {
    pub(crate) fn new(worker: Option<Rc<Worker>>) -> Self {
        Self { worker, exchange: Exchange::default() }
    }

    /// Runs the filter, and applies what it wants done besides its verdict.
    fn run<R>(&mut self, f: impl FnOnce(&Worker, &mut Exchange, &mut Effects) -> R) -> Option<R> {
        let worker = self.worker.as_deref()?;
        Some(worker.run(|effects| f(worker, &mut self.exchange, effects)))
    }

    fn settle_leftover(&mut self) {
        self.run(|worker, exchange, effects| {
            worker.filter.on_stream_end(exchange, &worker.proxy(), effects);
        });
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let verdict = self.run(|worker, exchange, effects| {
            let headers = host::headers(Map::Request);
            let (begun, verdict) =
                worker.filter.on_request(headers, end_of_stream, &worker.proxy(), effects);
            *exchange = begun;
            verdict
        });
        let Some(verdict) = verdict else {
            return Action::Continue;
        };
        for name in &verdict.remove {
            host::remove_header(Map::Request, name);
        }
        match verdict.action {
            RequestAction::Continue => {
                if !verdict.remove.is_empty() {
                    host::clear_route_cache();
                }
                Action::Continue
            }
            RequestAction::Divert(headers) => {
                for (name, value) in headers {
                    host::set_header(Map::Request, name, &value);
                }
                host::clear_route_cache();
                Action::Continue
            }
            RequestAction::Reply(reply) => {
                host::reply(&reply);
                Action::Pause
            }
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.run(|worker, exchange, _| {
            let bytes = || host::buffer(Buffer::RequestBody, size);
            worker.filter.on_request_body(exchange, size, end_of_stream, bytes);
        });
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let verdict = self.run(|worker, exchange, effects| {
            if !worker.filter.wants_response(exchange) {
                return None;
            }
            let status = host::header(Map::Response, ":status")
                .and_then(|status| std::str::from_utf8(&status).ok()?.parse().ok());
            let filter = &worker.filter;
            Some(filter.on_response(exchange, status, end_of_stream, &worker.proxy(), effects))
        });
        match verdict.flatten() {
            None => Action::Continue,
            Some(ResponseVerdict::Continue(headers)) => {
                tell(&headers);
                Action::Continue
            }
            Some(ResponseVerdict::Ask(callout)) => match host::call(&callout) {
                Some(_) => Action::Pause,
                None => {
                    if let FallbackVerdict::Resume(headers) = self.fallback_verdict(None) {
                        tell(&headers);
                    }
                    Action::Continue
                }
            },
            Some(ResponseVerdict::Reply(reply)) => {
                host::reply(&reply);
                Action::Pause
            }
        }
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.run(|worker, exchange, _| {
            let bytes = || host::buffer(Buffer::ResponseBody, size);
            worker.filter.on_response_body(exchange, size, end_of_stream, bytes);
        });
        Action::Continue
    }

    fn on_log(&mut self) {
        self.settle_leftover();
    }
}

impl Stream {
    fn fallback_verdict(&mut self, answer: Option<FallbackAnswer>) -> FallbackVerdict {
        self.run(|worker, exchange, effects| {
            worker.filter.on_fallback_answer(exchange, answer, effects)
        })
        .unwrap_or(FallbackVerdict::Nothing)
    }
}

/// Sets headers of the answer.
fn tell(headers: &[(&'static str, &'static str)]) {
    for (name, value) in headers {
        host::set_header(Map::Response, name, value);
    }
}

impl Context for Stream {
    fn on_http_call_response(&mut self, _: u32, headers: usize, body: usize, _: usize) {
        // No headers: the call was reset, or its answer too large.
        let answer = (headers > 0).then(|| FallbackAnswer {
            headers: host::headers(Map::CallResponse),
            body: match body {
                0 => Vec::new(),
                size => host::buffer(Buffer::CallResponseBody, size).unwrap_or_default(),
            },
        });
        match self.fallback_verdict(answer) {
            FallbackVerdict::Nothing => {}
            FallbackVerdict::Reply(reply) => host::reply(&reply),
            FallbackVerdict::Resume(headers) => {
                tell(&headers);
                host::resume_response();
            }
        }
    }
}

impl Drop for Stream {
    /// The backstop of the backstop, where a proxy ends a stream without a log callback.
    fn drop(&mut self) {
        self.settle_leftover();
    }
}
