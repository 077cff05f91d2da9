//! Connections to services, and what the proxy says where there is no answer.

use std::collections::HashMap;

use host_test_proxy_wasm::Headers;
use hyper::http::uri::Authority;
use hyper::{Request, http};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::message;
use super::pipe::Source;
use super::plan::Cluster;

/// The clusters as one worker reaches them, each with its connections.
pub(super) struct Upstream(HashMap<String, (Authority, Client<HttpConnector, Source>)>);

/// Why there is no answer, or no more of it, as Envoy says it: the status of the answer in its
/// stead, the details, and the response flag's bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) details: &'static str,
    pub(super) flags: i64,
}

pub(super) const ROUTE_NOT_FOUND: Failure =
    Failure { status: 404, details: "route_not_found", flags: 1 << 8 };
pub(super) const CLUSTER_NOT_FOUND: Failure =
    Failure { status: 503, details: "cluster_not_found", flags: 1 << 24 };
pub(super) const TIMED_OUT: Failure =
    Failure { status: 504, details: "response_timeout", flags: 1 << 2 };
pub(super) const REFUSED: Failure = Failure {
    status: 503,
    details: "upstream_reset_before_response_started{remote_connection_failure}",
    flags: 1 << 5,
};
pub(super) const RESET: Failure = Failure {
    status: 503,
    details: "upstream_reset_before_response_started{connection_termination}",
    flags: 1 << 6,
};
/// The answer breaks off once it has begun.
pub(super) const BROKEN_OFF: Failure = Failure {
    status: 503,
    details: "upstream_reset_after_response_started{connection_termination}",
    flags: 1 << 6,
};
/// The filter has made something of the request that cannot be sent.
pub(super) const NOT_SENT: Failure = Failure {
    status: 503,
    details: "upstream_reset_before_response_started{local_reset}",
    flags: 1 << 3,
};

/// Envoy's flag of a call that failed after as many retries as it may have.
pub(super) const RETRIES_EXHAUSTED: i64 = 1 << 15;

/// Envoy's flag of a client that went away, and what it calls that.
pub(super) const CLIENT_GONE: Failure =
    Failure { status: 0, details: "downstream_remote_disconnect", flags: 1 << 14 };

impl Upstream {
    pub(super) fn new(clusters: &[Cluster]) -> http::Result<Self> {
        let reach = |cluster: &Cluster| {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            connector.set_connect_timeout(Some(cluster.connect_timeout));
            let authority: Authority = cluster.address.to_string().parse()?;
            let client = Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .build(connector);
            Ok((cluster.name.clone(), (authority, client)))
        };
        clusters.iter().map(reach).collect::<Result<_, http::Error>>().map(Self)
    }

    /// Sends a request. It is on its way while what is returned is asked for the answer.
    ///
    /// # Errors
    ///
    /// If it cannot be sent.
    pub(super) fn send(
        &self,
        cluster: &str,
        headers: &Headers,
        body: Source,
    ) -> Result<ResponseFuture, Failure> {
        let (authority, client) = self.0.get(cluster).ok_or(CLUSTER_NOT_FOUND)?;
        let request: Request<_> =
            message::request(headers, authority.clone(), body).map_err(|_| NOT_SENT)?;
        Ok(client.request(request))
    }
}

/// Why there was no answer.
pub(super) fn failure(error: &Error) -> Failure {
    if error.is_connect() { REFUSED } else { RESET }
}
