//! What a client sends in the breaker's own name chooses the route that filters before the breaker see: the breaker
//! removes it only when it is its turn. Each test shows that, and that the sample's removal ends it.

use anyhow::{Context, Result};
use envoy_harness::client::RawConnection;
use serde_json::{Value, json};
use tests::steering::{EARLY, early_removal};
use tests::{Edge, Setup};

mod failed;
mod guards;
mod names;
mod router;

/// How a client may write the header, naming this cluster.
fn spellings(cluster: &str) -> [String; 4] {
    [
        format!("x-circuit-breaker-cluster: {cluster}\r\n"),
        format!("X-CIRCUIT-BREAKER-CLUSTER: {cluster}\r\n"),
        format!("x-circuit-breaker-cluster: unknown\r\nX-Circuit-Breaker-Cluster: {cluster}\r\n"),
        format!(
            "x-circuit-breaker-reason: open\r\nx-circuit-breaker-state: OPEN\r\n\
             x-circuit-breaker-service: any\r\nx-circuit-breaker-cluster: {cluster}\r\n"
        ),
    ]
}

/// An answer, as far as it matters who gave it.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: String,
}

/// Sends a request with these header lines.
async fn send(edge: &Edge, path: &str, headers: &str) -> Result<Answer> {
    let mut connection = RawConnection::connect(edge.address).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: payment\r\nconnection: close\r\n{headers}\r\n");
    connection.send(request).await?;
    let answer = connection.read_to_end().await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| answer.to_string())?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok(Answer { status, body: body.to_owned() })
}

/// The same with the sample's removal, or without it. Envoy closes connections at once, for which clients here wait.
fn with_removal(setup: Setup, removal: bool) -> Result<Setup> {
    let setup = setup.option("delayed_close_timeout", json!("0s"));
    Ok(if removal { setup.option(EARLY, early_removal()?) } else { setup })
}
