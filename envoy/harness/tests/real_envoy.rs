//! The harness on a real Envoy.

use std::time::{Duration, Instant};

use anyhow::Result;
use envoy_harness::client::{Client, RawConnection};
use envoy_harness::config::{Bootstrap, LdsFile, Listener, Route, lua};
use envoy_harness::{Envoy, EnvoyOptions};

const WITHIN: Duration = Duration::from_secs(10);

fn answering(text: &str) -> Listener {
    Listener::new("ingress").route(Route::prefix("/").direct_response(200, text))
}

async fn started(listener: Listener) -> Result<(Envoy, String)> {
    let envoy = EnvoyOptions::new(Bootstrap::new().listener(listener).build()).start().await?;
    let url = format!("http://{}/", envoy.listener_addr("ingress").await?);
    Ok((envoy, url))
}

#[tokio::test]
async fn a_request_is_answered_and_counted() -> Result<()> {
    let (mut envoy, url) = started(answering("hello")).await?;
    let before = envoy.cpu_time()?;

    let answer = Client::new().get(&url).await?;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.header("server"), Some("envoy"));
    assert_eq!(Client::http2().get(&url).await?.status, 200);

    envoy.wait_for_counter("http.ingress.downstream_rq_2xx", 2, WITHIN).await?;
    let metrics = envoy.prometheus().await?;
    let labels =
        [("envoy_http_conn_manager_prefix", "ingress"), ("envoy_response_code_class", "2")];
    assert_eq!(metrics.value("envoy_http_downstream_rq_xx", &labels), Some(2.0));
    assert!(envoy.cpu_time()? > before);
    assert!(envoy.exit_status()?.is_none());
    Ok(())
}

#[tokio::test]
async fn all_workers_share_one_port() -> Result<()> {
    let connections = connections_of_four_workers(answering("hello")).await?;
    assert_eq!(connections.iter().sum::<u64>(), 16, "{connections:?}");
    Ok(())
}

#[tokio::test]
async fn a_balanced_listener_gives_each_worker_its_share() -> Result<()> {
    let connections = connections_of_four_workers(answering("hello").balanced()).await?;
    assert_eq!(connections, [4; 4]);
    Ok(())
}

/// How many of 16 connections each worker got.
async fn connections_of_four_workers(listener: Listener) -> Result<Vec<u64>> {
    let config = Bootstrap::new().listener(listener).build();
    let envoy = EnvoyOptions::new(config).concurrency(4).start().await?;
    let address = envoy.listener_addr("ingress").await?;
    let mut open = Vec::new();
    for _ in 0..16 {
        let mut connection = RawConnection::connect(address).await?;
        connection.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await?;
        assert!(connection.read_head().await?.starts_with(b"HTTP/1.1 200 OK\r\n"));
        open.push(connection);
    }
    let stats = envoy.stats().await?;
    Ok(stats
        .matching("127.0.0.1_0.worker_")
        .filter(|it| it.0.ends_with("cx_total"))
        .map(|it| it.1)
        .collect())
}

#[tokio::test]
async fn the_log_is_captured() -> Result<()> {
    let filter = lua("function envoy_on_request(handle) handle:logWarn('lua was here') end");
    let (envoy, url) = started(answering("hello").filter(filter)).await?;
    Client::new().get(&url).await?;
    let line = envoy.wait_for_log("lua was here", WITHIN).await?;
    assert!(line.contains("[warning]"), "{line}");
    assert!(envoy.log().contains(&line));
    Ok(())
}

#[tokio::test]
async fn what_envoy_says_of_a_bad_configuration_is_in_the_error() {
    let error = started(answering("hello").filter(lua("this is not Lua"))).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("Envoy ended at its start"), "{text}");
    assert!(text.contains("script load error"), "{text}");
}

#[tokio::test]
async fn a_listener_changes_while_envoy_runs_and_a_bad_one_is_rejected() -> Result<()> {
    let file = LdsFile::new(vec![answering("one")])?;
    let envoy = EnvoyOptions::new(Bootstrap::new().lds(&file).build()).start().await?;
    let address = envoy.listener_addr("ingress").await?;
    let url = format!("http://{address}/");
    assert_eq!(Client::new().get(&url).await?.text(), "one");

    file.write(vec![answering("two").address(address)])?;
    envoy.wait_for_counter("listener_manager.lds.update_success", 2, WITHIN).await?;
    // The update is counted before each worker has taken it: meanwhile the listener before it may
    // still answer, or close a connection that has come to it.
    let deadline = Instant::now() + WITHIN;
    while !Client::new().get(&url).await.is_ok_and(|answer| answer.text() == "two") {
        assert!(Instant::now() < deadline, "the new listener does not answer");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    file.write(vec![answering("three").address(address).filter(lua("this is not Lua"))])?;
    envoy.wait_for_counter("listener_manager.lds.update_rejected", 1, WITHIN).await?;
    assert_eq!(Client::new().get(&url).await?.text(), "two");
    Ok(())
}

#[tokio::test]
async fn no_envoy_outlives_its_handle() -> Result<()> {
    let (envoy, url) = started(answering("hello")).await?;
    drop(envoy);
    assert!(Client::new().get(&url).await.is_err());
    Ok(())
}
