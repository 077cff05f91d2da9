//! Requests that change the protocol of their connection.

use anyhow::Result;
use envoy_harness::client::RawConnection;
use envoy_harness::config::cluster;
use serde_json::json;
use tests::{Edge, Outcomes, PAYMENT};
use tokio::io::AsyncWriteExt;

use super::plugin;
use crate::upstream::RawUpstream;

const HANDSHAKE: &str = "GET /payment-service/live HTTP/1.1\r\nhost: payment\r\n\
    connection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";

async fn edge(service: &RawUpstream) -> Result<Edge> {
    Edge::setup(plugin(&json!({ "cluster": "fallback" })))
        .upstream(cluster("live", service.address()))
        .option("upgrade_configs", json!([{ "upgrade_type": "websocket" }]))
        .start()
        .await
}

#[tokio::test]
async fn a_websocket_works_and_counts_as_success_as_soon_as_it_is_there() -> Result<()> {
    let service = RawUpstream::start(|mut stream| async move {
        let switching = "HTTP/1.1 101 Switching Protocols\r\n\
            connection: upgrade\r\nupgrade: websocket\r\n\r\n";
        if stream.write_all(switching.as_bytes()).await.is_ok() {
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        }
    })
    .await?;
    let edge = edge(&service).await?;
    let mut connection = RawConnection::connect(edge.address).await?;
    connection.send(HANDSHAKE).await?;
    let head = String::from_utf8(connection.read_head().await?)?;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    edge.wait_for_outcomes(PAYMENT, Outcomes { success: 1, ..Outcomes::default() }).await?;
    for message in ["\u{81}\u{3}one", "\u{81}\u{3}two"] {
        connection.send(message).await?;
        assert_eq!(connection.read_exact(message.len()).await?, message.as_bytes());
    }
    drop(connection);
    edge.wait_for_outcomes(PAYMENT, Outcomes { success: 1, ..Outcomes::default() }).await?;
    Ok(())
}

#[tokio::test]
async fn a_refused_upgrade_passes_as_it_is() -> Result<()> {
    let refusal =
        "HTTP/1.1 503 Service Unavailable\r\nx-why: full\r\ncontent-length: 4\r\n\r\nfull";
    let service = RawUpstream::answering(refusal).await?;
    let edge = edge(&service).await?;
    for failures in 1..=3 {
        let mut connection = RawConnection::connect(edge.address).await?;
        connection.send(HANDSHAKE).await?;
        let head = String::from_utf8(connection.read_head().await?)?;
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(head.contains("x-why: full\r\n"), "{head}");
        assert!(!head.contains("x-circuit-breaker"), "{head}");
        assert_eq!(edge.breaker(PAYMENT).await?.failure_count, failures);
    }
    assert_eq!(edge.services.fallback_calls(), 0);
    assert_eq!(edge.breaker(PAYMENT).await?.state, "OPEN");
    Ok(())
}
