//! A module that has failed, and lets requests pass: nobody removes anything then but the proxy.

use envoy_harness::EnvoyOptions;
use envoy_harness::config::{Bootstrap, FailurePolicy, Listener, Route, Wasm, cluster};

use super::*;
use crate::upstream::RawUpstream;

/// A module that fails with the first request.
const FAILING: &str = r#"(module
  (memory (export "memory") 2)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable))"#;

/// Two clusters, the service's and one that no client is meant to reach, and the names that requests have to reach the
/// second by.
async fn reached_behind_a_failed_module(removal: bool) -> Result<Vec<String>> {
    let answering = |body: &str| {
        RawUpstream::answering(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    let service = answering("service").await?;
    let internal = answering("internal").await?;
    let mut module = tempfile::NamedTempFile::new()?;
    std::io::Write::write_all(&mut module, &wat::parse_str(FAILING)?)?;
    let filter = Wasm::new("edge-breaker", module.path()).failure_policy(FailurePolicy::FailOpen);
    let mut listener = Listener::new("edge")
        .filter(filter)
        .route(Route::diverted())
        .route(Route::prefix("/").cluster("service"));
    if removal {
        listener = listener.option(EARLY, early_removal()?);
    }
    let config = Bootstrap::new()
        .cluster(cluster("service", service.address()))
        .cluster(cluster("internal", internal.address()))
        .listener(listener)
        .build();
    let envoy = EnvoyOptions::new(config).start().await?;
    let address = envoy.listener_addr("edge").await?;
    // The module fails with the first one, whatever becomes of that.
    let mut first = RawConnection::connect(address).await?;
    first.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
    first.read_to_end().await?;
    let mut reached = Vec::new();
    for headers in [String::new()].iter().chain(&spellings("internal")) {
        let mut connection = RawConnection::connect(address).await?;
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n");
        connection.send(request).await?;
        let answer = String::from_utf8(connection.read_to_end().await?)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        reached.push(body.to_owned());
    }
    Ok(reached)
}

#[tokio::test]
async fn a_client_reaches_no_other_cluster_behind_a_failed_module() -> Result<()> {
    assert_eq!(reached_behind_a_failed_module(true).await?, ["service"; 5]);
    Ok(())
}

/// Which is why the route with `cluster_header` must not stand without the removal.
#[tokio::test]
async fn without_the_removal_a_client_reaches_any_cluster_behind_a_failed_module() -> Result<()> {
    let reached = reached_behind_a_failed_module(false).await?;
    assert_eq!(reached[0], "service");
    assert_eq!(reached[1..3], ["internal"; 2], "{reached:?}");
    assert_eq!(reached[4], "internal", "{reached:?}");
    Ok(())
}
