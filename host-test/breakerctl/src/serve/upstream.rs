//! Calls of services, and what the proxy says where one fails.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use wasm_host::Headers;

/// Headers that are between two neighbours, and not passed on.
pub(super) const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Connections to services.
pub(super) struct Upstream(Client<HttpConnector, Full<Bytes>>);

/// Why there is no answer, as Envoy says it: status, details, and the response flag's bit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) details: &'static str,
    pub(super) flags: i64,
}

const CLUSTER_NOT_FOUND: Failure =
    Failure { status: 503, details: "cluster_not_found", flags: 1 << 24 };
const TIMED_OUT: Failure = Failure { status: 504, details: "response_timeout", flags: 1 << 2 };
const REFUSED: Failure = Failure {
    status: 503,
    details: "upstream_reset_before_response_started{remote_connection_failure}",
    flags: 1 << 5,
};
const BROKEN_OFF: Failure = Failure {
    status: 503,
    details: "upstream_reset_before_response_started{connection_termination}",
    flags: 1 << 6,
};

impl Upstream {
    pub(super) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// Sends a request, and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(super) async fn send(
        &self,
        address: Option<SocketAddr>,
        headers: &Headers,
        body: Bytes,
        timeout: Duration,
    ) -> Result<(Headers, Bytes), Failure> {
        let address = address.ok_or(CLUSTER_NOT_FOUND)?;
        let text = |name| headers.text(name).unwrap_or_default();
        let uri = format!("http://{address}{}", text(":path"));
        let mut request = Request::builder().method(text(":method")).uri(uri);
        request = request.header("host", text(":authority"));
        for (name, value) in headers.iter().filter(|(name, _)| is_passed_on(name)) {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|_| BROKEN_OFF)?;
        let answer = async {
            let response = self.0.request(request).await;
            let response =
                response.map_err(|error| if error.is_connect() { REFUSED } else { BROKEN_OFF })?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|_| BROKEN_OFF)?.to_bytes();
            let mut headers = Headers::from_iter([(":status", head.status.as_str())]);
            for (name, value) in &head.headers {
                if is_passed_on(name.as_str().as_bytes()) {
                    headers.add(name, value);
                }
            }
            Ok((headers, body))
        };
        tokio::time::timeout(timeout, answer).await.map_err(|_| TIMED_OUT)?
    }
}

/// Whether a header goes on to the next neighbour. How long a body is, its sender says anew.
pub(super) fn is_passed_on(name: &[u8]) -> bool {
    !name.starts_with(b":")
        && name != b"content-length"
        && !HOP_BY_HOP.iter().any(|hop| hop.as_bytes() == name)
}
