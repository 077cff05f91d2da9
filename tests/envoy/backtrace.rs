//! What Envoy says of a module that fails, and how its functions get their names back.

use std::time::Duration;

use anyhow::Result;
use envoy_harness::EnvoyOptions;
use envoy_harness::client::RawConnection;
use envoy_harness::config::{Bootstrap, Listener, Route, Wasm};
use package::names;
use package::trim::trim;

/// A module that fails with the first request, two calls deep.
const FAILING: &str = r#"(module
  (memory (export "memory") 2)
  (func $version (export "proxy_abi_version_0_2_1"))
  (func $allocate (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
  (func $context (export "proxy_on_context_create") (param i32 i32))
  (func $_ZN7breaker7Breaker4trip17h0123456789abcdefE unreachable)
  (func $headers (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $_ZN7breaker7Breaker4trip17h0123456789abcdefE) (i32.const 0)))"#;

#[tokio::test]
async fn a_backtrace_of_the_module_is_by_number_and_gets_its_names_from_the_file_beside()
-> Result<()> {
    let trimmed = trim(&wat::parse_str(FAILING)?)?;
    let mut module = tempfile::NamedTempFile::new()?;
    std::io::Write::write_all(&mut module, &trimmed.module)?;
    let filter = Wasm::new("edge-breaker", module.path());
    let listener =
        Listener::new("edge").filter(filter).route(Route::prefix("/").direct_response(200, ""));
    let envoy = EnvoyOptions::new(Bootstrap::new().listener(listener).build()).start().await?;
    let mut client = RawConnection::connect(envoy.listener_addr("edge").await?).await?;
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
    client.read_to_end().await?;

    let within = Duration::from_secs(10);
    envoy.wait_for_log(" - headers", within).await?;
    let line = envoy.wait_for_log(" - unknown", within).await?;
    assert!(line.contains("(function index:"), "{line}");
    let line = names::named(&line, &names::of(&trimmed.named)?);
    assert!(line.ends_with(" - breaker::Breaker::trip"), "{line}");
    Ok(())
}
