//! Ends that a client can be the cause of, brought about by real clients: they say nothing of the
//! service. And those that none can: they count, whatever the client does.

use std::time::Duration;

use anyhow::Result;
use envoy_harness::client::{Client, RawConnection, full};
use envoy_harness::config::{cluster, http2_cluster};
use serde_json::json;
use services::Mode;
use tests::{Edge, Outcomes, PAYMENT, primary_route};
use tokio::io::AsyncWriteExt;

use super::{assert_shown, path, plugin};
use crate::upstream::{RawUpstream, Refusing, Upstream};

const SHORT: Duration = Duration::from_millis(400);

/// Three calls, none of which says anything.
const ABORTED: Outcomes = Outcomes { success: 0, failure: 0, ignored: 0, aborted: 3 };

/// An edge that trusts its clients, as one between an operator's own services does: it heeds what
/// they ask of its router.
async fn trusting() -> Result<Edge> {
    let loopback = json!({ "cidr_ranges": [{ "address_prefix": "127.0.0.0", "prefix_len": 8 }] });
    Edge::setup(plugin())
        .route(primary_route().timeout(SHORT))
        .option("use_remote_address", json!(true))
        .option("internal_address_config", loopback)
        .start()
        .await
}

/// Begins three requests that never come to their end, and waits for what becomes of them.
async fn three_unfinished(edge: &Edge) -> Result<()> {
    let mut connections = Vec::new();
    for _ in 0..3 {
        let mut connection = RawConnection::connect(edge.address).await?;
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: payment\r\ncontent-length: 100\r\n\r\nhalf",
            path(PAYMENT)
        );
        connection.send(head).await?;
        connections.push(connection);
    }
    for connection in &mut connections {
        // An answer of the proxy's, or none at all.
        let _ = connection.read_head().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_request_says_nothing_of_the_service() -> Result<()> {
    let short = json!("0.4s");
    for (field, value) in [
        ("request_timeout", short.clone()),
        ("stream_idle_timeout", short.clone()),
        ("common_http_protocol_options", json!({ "max_stream_duration": short })),
    ] {
        let edge = Edge::setup(plugin()).option(field, value).start().await?;
        three_unfinished(&edge).await?;
        assert_shown(&edge, PAYMENT, ("CLOSED", 0), ABORTED).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_service_that_resets_unfinished_requests_is_not_blamed() -> Result<()> {
    let impatient = RawUpstream::start(|_| tokio::time::sleep(SHORT)).await?;
    let upstream = cluster("impatient", impatient.address());
    let edge = Edge::setup(plugin()).upstream(upstream).start().await?;
    three_unfinished(&edge).await?;
    assert_shown(&edge, PAYMENT, ("CLOSED", 0), ABORTED).await
}

/// The other way round: there is nobody to send it to.
#[tokio::test]
async fn an_unfinished_request_to_nobody_is_a_failure() -> Result<()> {
    let failed = Outcomes { failure: 3, ..Outcomes::default() };
    let nobody = Refusing::bind()?;
    let refusing = cluster("refusing", nobody.address());
    let mut empty = cluster("empty", nobody.address());
    empty["load_assignment"]["endpoints"] = json!([]);
    for upstream in [refusing, empty] {
        let edge = Edge::setup(plugin()).upstream(upstream).start().await?;
        three_unfinished(&edge).await?;
        assert_shown(&edge, PAYMENT, ("OPEN", 3), failed).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_grpc_call_to_nobody_is_a_failure() -> Result<()> {
    let nobody = Refusing::bind()?;
    let upstream = http2_cluster("refusing", nobody.address());
    let edge = Edge::setup(plugin()).upstream(upstream).start().await?;
    let client = Client::http2();
    for _ in 0..3 {
        let mut request = edge.request("POST", &path(PAYMENT), full(&[0; 5][..]))?;
        request.headers_mut().insert("content-type", "application/grpc".parse()?);
        client.send(request).await?;
    }
    let failed = Outcomes { failure: 3, ..Outcomes::default() };
    assert_shown(&edge, PAYMENT, ("OPEN", 3), failed).await
}

#[tokio::test]
async fn a_request_for_grpc_makes_no_failure_of_plain_http() -> Result<()> {
    let edge = Edge::start(plugin(), 1).await?;
    let payment = edge.services.service(PAYMENT);
    for mode in [Mode::Status(200), Mode::Status(400), Mode::Status(429)] {
        payment.set_mode(mode);
        for _ in 0..3 {
            let mut request = edge.request("POST", &path(PAYMENT), full("{}"))?;
            request.headers_mut().insert("content-type", "application/grpc".parse()?);
            edge.client.send(request).await?;
        }
    }
    let good = Outcomes { success: 9, ..Outcomes::default() };
    assert_shown(&edge, PAYMENT, ("CLOSED", 0), good).await
}

#[tokio::test]
async fn a_short_deadline_of_the_clients_own_says_nothing_of_the_service() -> Result<()> {
    for (headers, outcomes) in [
        (&[("x-envoy-upstream-rq-timeout-ms", "100")][..], ABORTED),
        (&[("x-envoy-upstream-rq-per-try-timeout-ms", "100")], ABORTED),
        (&[], Outcomes { failure: 3, ..Outcomes::default() }),
    ] {
        let edge = trusting().await?;
        edge.services.service(PAYMENT).set_mode(Mode::Hang);
        for _ in 0..3 {
            let mut request =
                edge.request("GET", &path(PAYMENT), envoy_harness::client::empty())?;
            for (name, value) in headers {
                request.headers_mut().insert(*name, value.parse()?);
            }
            assert_eq!(edge.client.send(request).await?.status, 504, "{headers:?}");
        }
        let shown = if headers.is_empty() { ("OPEN", 3) } else { ("CLOSED", 0) };
        assert_shown(&edge, PAYMENT, shown, outcomes).await?;
    }
    Ok(())
}

#[tokio::test]
async fn retries_that_a_client_asks_for_make_no_failure_of_good_answers() -> Result<()> {
    let edge = trusting().await?;
    for _ in 0..3 {
        let mut request = edge.request("GET", &path(PAYMENT), envoy_harness::client::empty())?;
        for (name, value) in [
            ("x-envoy-retry-on", "retriable-status-codes"),
            ("x-envoy-retriable-status-codes", "200"),
            ("x-envoy-max-retries", "1000"),
        ] {
            request.headers_mut().insert(name, value.parse()?);
        }
        edge.client.send(request).await?;
    }
    assert!(edge.services.service(PAYMENT).calls() > 3, "the proxy has retried");
    let outcomes = edge.outcomes(PAYMENT).await?;
    assert_eq!(outcomes.failure, 0, "{outcomes:?}");
    assert_eq!(edge.breaker(PAYMENT).await?.state, "CLOSED");
    Ok(())
}

#[tokio::test]
async fn a_client_that_does_not_read_says_nothing_of_the_service() -> Result<()> {
    let large = RawUpstream::start(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n").await;
        let piece = vec![b'.'; 100_000];
        for _ in 0..1_000 {
            let _ = stream.write_all(&piece).await;
        }
    })
    .await?;
    let ignored = Outcomes { ignored: 3, ..Outcomes::default() };
    for idle in [None, Some(json!("0.4s"))] {
        let timeout = if idle.is_none() { SHORT } else { Duration::ZERO };
        let mut setup = Edge::setup(plugin())
            .cluster(cluster("large", large.address()))
            .route(primary_route().cluster("large").timeout(timeout));
        if let Some(idle) = idle {
            setup = setup.option("stream_idle_timeout", idle);
        }
        let edge = setup.start().await?;
        let mut connections = Vec::new();
        for _ in 0..3 {
            let mut connection = RawConnection::connect(edge.address).await?;
            let head = format!("GET {} HTTP/1.1\r\nhost: payment\r\n\r\n", path(PAYMENT));
            connection.send(head).await?;
            connection.read_head().await?;
            connections.push(connection);
        }
        assert_shown(&edge, PAYMENT, ("CLOSED", 0), ignored).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_timer_that_ends_a_whole_request_without_an_answer_is_a_failure() -> Result<()> {
    let silent = Upstream::start(|_| std::future::pending()).await?;
    let failed = Outcomes { failure: 3, ..Outcomes::default() };
    let short = json!("0.4s");
    for (field, value) in [
        ("stream_idle_timeout", short.clone()),
        ("common_http_protocol_options", json!({ "max_stream_duration": short })),
    ] {
        let edge = Edge::setup(plugin())
            .cluster(cluster("silent", silent.address()))
            .route(primary_route().cluster("silent").timeout(Duration::ZERO))
            .option(field, value)
            .start()
            .await?;
        for _ in 0..3 {
            let _ = edge.get(&path(PAYMENT)).await;
        }
        assert_shown(&edge, PAYMENT, ("OPEN", 3), failed).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_method_that_the_service_does_not_know_is_ignored() -> Result<()> {
    let edge = Edge::start(plugin(), 1).await?;
    let payment = edge.services.service(PAYMENT);
    for status in [501, 505, 501] {
        payment.set_mode(Mode::Status(status));
        assert_eq!(edge.get(&path(PAYMENT)).await?.status, status);
    }
    let ignored = Outcomes { ignored: 3, ..Outcomes::default() };
    assert_shown(&edge, PAYMENT, ("CLOSED", 0), ignored).await
}

#[tokio::test]
async fn a_status_that_is_none_is_a_failure() -> Result<()> {
    let odd = RawUpstream::answering("HTTP/1.1 600 Odd\r\ncontent-length: 0\r\n\r\n").await?;
    let edge = Edge::setup(plugin()).upstream(cluster("odd", odd.address())).start().await?;
    for _ in 0..3 {
        let mut connection = RawConnection::connect(edge.address).await?;
        let head = format!("GET {} HTTP/1.1\r\nhost: payment\r\n\r\n", path(PAYMENT));
        connection.send(head).await?;
        connection.read_head().await?;
    }
    let failed = Outcomes { failure: 3, ..Outcomes::default() };
    assert_shown(&edge, PAYMENT, ("OPEN", 3), failed).await
}

#[tokio::test]
async fn headers_of_a_service_about_a_breaker_are_removed() -> Result<()> {
    let boastful = RawUpstream::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nX-Circuit-Breaker-State: OPEN\r\n\
         x-circuit-breaker-fallback: cluster\r\nx-circuit-breaker-fallback: stale\r\n\r\n",
    )
    .await?;
    for expose in ["always", "fallback", "never"] {
        let mut plugin = plugin();
        plugin["expose_state"] = json!(expose);
        let upstream = cluster("boastful", boastful.address());
        let edge = Edge::setup(plugin).upstream(upstream).start().await?;
        let response = edge.get(&path(PAYMENT)).await?;
        let told = (expose == "always").then_some("CLOSED");
        assert_eq!(response.header("x-circuit-breaker-state"), told, "{expose}");
        assert_eq!(response.header("x-circuit-breaker-fallback"), None, "{expose}");
    }
    Ok(())
}
