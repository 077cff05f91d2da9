//! The client of the tests: whole answers with a time limit, answers as they stream, and raw bytes.

mod body;
mod raw;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

pub use self::body::{Body, chunks, empty, full};
pub use self::raw::RawConnection;

/// Far more than anything takes: a busy machine may stand still for half a minute.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An HTTP client that keeps its connections. Clones share them.
///
/// To abort a request, drop the future that waits for it: the connection is closed, or with HTTP/2
/// the stream reset.
#[derive(Clone, Debug)]
pub struct Client {
    inner: legacy::Client<HttpConnector, Body>,
    timeout: Duration,
}

impl Client {
    /// A client that speaks HTTP/1.1 and waits a minute for an answer.
    #[must_use]
    pub fn new() -> Self {
        Self::with(legacy::Client::builder(TokioExecutor::new()))
    }

    /// A client that speaks HTTP/2 without asking, as gRPC does.
    #[must_use]
    pub fn http2() -> Self {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.http2_only(true);
        Self::with(builder)
    }

    fn with(mut builder: legacy::Builder) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let inner = builder.pool_timer(TokioTimer::new()).build(connector);
        Self { inner, timeout: TIMEOUT }
    }

    /// The same client with another time limit for one whole request.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Gets a URL.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn get(&self, url: &str) -> Result<Response> {
        self.send(Request::get(url).body(empty())?).await
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When the connection fails, when the answer breaks off, or when the time is up.
    pub async fn send(&self, request: Request<Body>) -> Result<Response> {
        let what = format!("{} {}", request.method(), request.uri());
        let whole = async {
            let (head, body) = self.open(request).await?.into_parts();
            let body = body.collect().await.context("the answer broke off")?;
            let trailers = body.trailers().cloned().unwrap_or_default();
            let (status, headers) = (head.status, head.headers);
            anyhow::Ok(Response { status, headers, body: body.to_bytes(), trailers })
        };
        let answer = tokio::time::timeout(self.timeout, whole).await;
        answer.with_context(|| format!("{what}: no answer in {:?}", self.timeout))?.context(what)
    }

    /// Sends a request and returns the answer once its head is there, for reading as it streams.
    /// No time limit applies.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn open(&self, request: Request<Body>) -> Result<http::Response<Incoming>> {
        let target = request.uri();
        ensure!(target.authority().is_some(), "{target} is not a whole URL");
        Ok(self.inner.request(request).await?)
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// What came after the body: a gRPC status, for one.
    pub trailers: HeaderMap,
}

impl Response {
    /// The first value of a header, if there is one and it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text, with a mark in place of what is not UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is something else; the message shows it.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }
}
