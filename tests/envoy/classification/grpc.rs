//! gRPC: HTTP/2, and the outcome of a call in `grpc-status`, which comes last.

use anyhow::{Context, Result};
use envoy_harness::client::{Client, Response, full};
use envoy_harness::config::{Route, http2_cluster};
use tests::{Edge, Outcomes, PAYMENT};

use super::{assert_shown, plugin, plugin_of};
use crate::upstream::{self, Refusing, Upstream};

const UNAVAILABLE: u16 = 14;

/// gRPC's statuses that say nothing against a service (OK and NOT_FOUND), and those that do.
const GOOD: [u16; 2] = [0, 5];
const BAD: [u16; 5] = [2, 4, 13, UNAVAILABLE, 15];

/// Sends a call that is answered with this status, wherever it stands.
async fn call(edge: &Edge, client: &Client, service: &str) -> Result<Option<u16>> {
    let mut request = edge.request("POST", &super::path(service), full(&[0; 5][..]))?;
    let headers = request.headers_mut();
    headers.insert("content-type", "application/grpc".parse()?);
    headers.insert("te", "trailers".parse()?);
    let response = client.send(request).await?;
    assert_eq!(response.status, 200, "{service}: {response:?}");
    status(&response).with_context(|| format!("{service}: {response:?}"))
}

fn status(response: &Response) -> Result<Option<u16>> {
    let header = response.trailers.get("grpc-status");
    let header = header.or_else(|| response.headers.get("grpc-status"));
    header.map(|header| anyhow::Ok(header.to_str()?.parse()?)).transpose()
}

async fn assert_failure(edge: &Edge, service: &str, with_status: Option<u16>) -> Result<()> {
    let client = Client::http2();
    for failures in 1..=3 {
        assert_eq!(call(edge, &client, service).await?, with_status, "{service}");
        let breaker = edge.breaker(service).await?;
        assert_eq!(breaker.failure_count, failures, "{service}: {breaker:?}");
    }
    let failed = Outcomes { failure: 3, ..Outcomes::default() };
    assert_shown(edge, service, ("OPEN", 3), failed).await
}

async fn assert_success(edge: &Edge, service: &str, with_status: u16) -> Result<()> {
    let client = Client::http2();
    for _ in 0..4 {
        assert_eq!(call(edge, &client, service).await?, Some(with_status), "{service}");
    }
    let succeeded = Outcomes { success: 4, ..Outcomes::default() };
    assert_shown(edge, service, ("CLOSED", 0), succeeded).await
}

/// A service for each status, with an upstream that always answers it.
async fn assert_every_status<F>(upstream: impl Fn(u16) -> F) -> Result<()>
where
    F: Future<Output = Result<Upstream>>,
{
    let name = |status: u16| format!("answers-{status}");
    let statuses: Vec<u16> = GOOD.into_iter().chain(BAD).collect();
    let names: Vec<_> = statuses.iter().copied().map(name).collect();
    let mut setup = Edge::setup(plugin_of(&names));
    let mut upstreams = Vec::new();
    for (status, name) in statuses.into_iter().zip(&names) {
        let upstream = upstream(status).await?;
        setup = setup
            .cluster(http2_cluster(name, upstream.address()))
            .route(Route::prefix(&format!("/{name}")).cluster(name));
        upstreams.push(upstream);
    }
    let edge = setup.start().await?;
    for status in GOOD {
        assert_success(&edge, &name(status), status).await?;
    }
    for status in BAD {
        assert_failure(&edge, &name(status), Some(status)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_status_in_the_trailers_says_what_became_of_the_call() -> Result<()> {
    assert_every_status(Upstream::grpc).await
}

#[tokio::test]
async fn a_status_in_a_head_that_is_all_there_is_counts_as_well() -> Result<()> {
    assert_every_status(Upstream::grpc_without_message).await
}

#[tokio::test]
async fn envoys_own_answer_for_a_service_that_is_down_is_a_failure() -> Result<()> {
    let nobody = Refusing::bind()?;
    let down = http2_cluster("grpc", nobody.address());
    let edge = Edge::setup(plugin()).upstream(down).start().await?;
    assert_failure(&edge, PAYMENT, Some(UNAVAILABLE)).await
}

#[tokio::test]
async fn an_answer_that_ends_without_a_status_is_a_failure() -> Result<()> {
    let service = Upstream::start(|_| async {
        let response = http::Response::builder().header("content-type", "application/grpc");
        Ok(response.body(upstream::full(&[0; 5][..]))?)
    })
    .await?;
    let unfinished = http2_cluster("grpc", service.address());
    let edge = Edge::setup(plugin()).upstream(unfinished).start().await?;
    assert_failure(&edge, PAYMENT, None).await
}

#[tokio::test]
async fn an_answer_by_the_route_itself_is_ignored() -> Result<()> {
    let route = Route::prefix("/").direct_response(503, "by the route");
    let edge = Edge::setup(plugin()).route(route).start().await?;
    let client = Client::http2();
    for _ in 0..4 {
        assert_eq!(call(&edge, &client, PAYMENT).await?, Some(UNAVAILABLE));
    }
    let ignored = Outcomes { ignored: 4, ..Outcomes::default() };
    assert_shown(&edge, PAYMENT, ("CLOSED", 0), ignored).await
}
