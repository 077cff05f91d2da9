//! Clusters that the proxy does not have, or no longer: who answers, and who is told.

use std::time::Duration;

use anyhow::{Context, Result};
use envoy_harness::EnvoyOptions;
use envoy_harness::client::{Client, Response, empty, full};
use envoy_harness::config::{CdsFile, cluster};
use serde_json::{Value, json};
use services::{Mode, Ports, Services};
use tests::{Edge, Outcomes, PATIENCE, PAYMENT, bootstrap, clusters, primary_route, protected};

const PATH: &str = "/payment-service/charge";
const UNKNOWN: &str = "wasmcustom.cb_reason=.=unknown_cluster;.;edge_breaker_unprotected_total";

fn plugin(fields: &Value) -> Value {
    let mut service = json!({ "name": PAYMENT });
    for (field, value) in fields.as_object().into_iter().flatten() {
        service[field] = value.clone();
    }
    json!({ "services": [service] })
}

async fn trip(edge: &Edge) -> Result<()> {
    edge.services.service(PAYMENT).set_mode(Mode::Status(500));
    for _ in 0..3 {
        let response = edge.get(PATH).await?;
        assert_eq!((response.status.as_u16(), response.header("retry-after")), (500, None));
        assert_eq!(response.header("x-circuit-breaker-fallback"), None);
    }
    assert_eq!(edge.breaker(PAYMENT).await?.state, "OPEN");
    Ok(())
}

/// Told when to come again, and of no fallback.
fn assert_told_to_wait(response: &Response) {
    assert_eq!(response.status, 503, "{response:?}");
    let seconds = response.header("retry-after").and_then(|it| it.parse::<u64>().ok());
    assert!(seconds.is_some_and(|it| (1..=36).contains(&it)), "{response:?}");
    assert_eq!(response.header("x-circuit-breaker-fallback"), None);
    assert!(response.text().contains("Circuit breaker is open"), "{response:?}");
}

/// What the admin API says of the clusters that are not there.
async fn shown(edge: &Edge) -> Result<Vec<String>> {
    let url = format!("http://{}/circuit-breaker/services/{PAYMENT}", edge.admin);
    let shown = edge.client.get(&url).await?.json()?;
    let unknown = shown["unknown_clusters"].as_array().context("no list")?;
    Ok(unknown.iter().filter_map(|it| Some(it["name"].as_str()?.to_owned())).collect())
}

#[tokio::test]
async fn a_fallback_that_is_not_there_is_never_claimed() -> Result<()> {
    let edge = Edge::start(plugin(&json!({ "fallback": { "cluster": "gone" } })), 2).await?;
    assert_eq!(shown(&edge).await?, [""; 0]);
    trip(&edge).await?;
    assert_eq!(edge.envoy.counter(UNKNOWN).await?, 3, "three failed calls were not sent there");
    for client in [Client::new(), Client::http2()] {
        assert_told_to_wait(&client.get(&edge.url(PATH)).await?);
        assert_told_to_wait(&client.send(edge.request("POST", PATH, full("{}"))?).await?);
        let head = client.send(edge.request("HEAD", PATH, empty())?).await?;
        assert_eq!((head.status.as_u16(), head.header("x-circuit-breaker-fallback")), (503, None));
    }
    assert_eq!(edge.envoy.counter(UNKNOWN).await?, 9);
    let line = edge.envoy.wait_for_log("event=unknown_cluster", PATIENCE).await?;
    for part in ["warning", PAYMENT, "field=fallback.cluster", "cluster=gone", "remedy="] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(shown(&edge).await?, ["gone"]);
    let failed = Outcomes { failure: 3, ..Outcomes::default() };
    edge.wait_for_outcomes(PAYMENT, failed).await
}

#[tokio::test]
async fn a_diverted_grpc_call_to_nobody_gets_grpcs_own_status() -> Result<()> {
    let edge = Edge::start(plugin(&json!({ "fallback": { "cluster": "gone" } })), 1).await?;
    trip(&edge).await?;
    let mut request = edge.request("POST", PATH, full(&[0; 5][..]))?;
    request.headers_mut().insert("content-type", "application/grpc".parse()?);
    let response = Client::http2().send(request).await?;
    assert_eq!(response.header("grpc-status"), Some("14"), "{response:?}");
    assert_eq!(response.header("x-circuit-breaker-fallback"), None);
    Ok(())
}

#[tokio::test]
async fn a_diverted_call_without_a_route_or_a_host_is_told_to_wait() -> Result<()> {
    let mut nobody = cluster("nobody", "127.0.0.1:1".parse()?);
    nobody["load_assignment"]["endpoints"] = json!([]);
    let fallback = json!({ "fallback": { "cluster": "nobody", "on_failure": false } });
    let edge = Edge::setup(plugin(&fallback)).cluster(nobody).start().await?;
    trip(&edge).await?;
    assert_told_to_wait(&edge.get(PATH).await?);

    // Only what is not diverted has a route.
    let header = "x-circuit-breaker-cluster";
    let undiverted = json!([{ "name": header, "present_match": true, "invert_match": true }]);
    let route = json!({
        "match": { "prefix": "/", "headers": undiverted },
        "route": { "cluster": clusters::SERVICE },
    });
    let routes = json!({
        "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }],
    });
    let fallback = json!({ "fallback": { "cluster": clusters::FALLBACK, "on_failure": false } });
    let edge = Edge::setup(plugin(&fallback)).option("route_config", routes).start().await?;
    trip(&edge).await?;
    assert_told_to_wait(&edge.get(PATH).await?);
    let misrouted = "wasmcustom.cb_reason=.=fallback_route;.;edge_breaker_unprotected_total";
    assert_eq!(edge.envoy.counter(misrouted).await?, 1);
    edge.envoy.wait_for_log("event=misrouted", PATIENCE).await?;
    Ok(())
}

/// As a control plane takes clusters away, and gives them back.
#[tokio::test]
async fn clusters_may_come_and_go() -> Result<()> {
    const TAKEN: &str = "cluster_manager.cds.update_success";
    let services = Services::start(Ports::default()).await?;
    let file = CdsFile::new()?;
    let (payments, backup) =
        (cluster("payments", services.downstream()), cluster("backup", services.fallback()));
    file.write([payments.clone(), backup.clone()])?;
    let mut plugin = plugin(&json!({
        "trip": { "consecutive_failures": 4 },
        "open": { "wait_duration": "1s", "backoff_rate": 1, "jitter": 0 },
        "fallback": { "cluster": "backup" },
    }));
    plugin["admin"] = json!({});
    let routes = |cluster: &str| {
        let header = "x-circuit-breaker-cluster";
        let present = json!([{ "name": header, "present_match": true }]);
        json!({
            "validate_clusters": false,
            "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [
                { "match": { "prefix": "/", "headers": present },
                  "route": { "cluster_header": header } },
                { "match": { "prefix": "/" }, "route": { "cluster": cluster } },
            ] }],
        })
    };
    let listener = protected(&plugin, primary_route())?.option("route_config", routes("payments"));
    let config = bootstrap(&services).cds(&file).listener(listener).build();
    let envoy = EnvoyOptions::new(config).start().await?;
    let address = envoy.listener_addr("edge").await?;
    let edge =
        Edge { envoy: envoy.into(), services, client: Client::new(), address, admin: address };
    assert_eq!(edge.get(PATH).await?.status, 200);

    let taken = edge.envoy.counter(TAKEN).await?;
    file.write([backup.clone()])?;
    edge.envoy.wait_for_counter(TAKEN, taken + 1, PATIENCE).await?;
    // The service's is gone: a failure, that the fallback answers.
    for failures in 1..=4 {
        let response = edge.get(PATH).await?;
        assert_eq!(response.header("x-circuit-breaker-fallback"), Some("replay"), "{response:?}");
        let failed = Outcomes { success: 1, failure: failures, ..Outcomes::default() };
        edge.wait_for_outcomes(PAYMENT, failed).await?;
    }
    assert_eq!(edge.envoy.counter(UNKNOWN).await?, 0, "no field of the configuration names it");

    file.write([])?;
    edge.envoy.wait_for_counter(TAKEN, taken + 2, PATIENCE).await?;
    let response = loop {
        let response = edge.get(PATH).await?;
        // A trial, which finds nobody either.
        if response.header("retry-after").is_some() {
            break response;
        }
    };
    assert_told_to_wait(&response);
    assert_eq!(shown(&edge).await?, ["backup"]);

    file.write([payments, backup])?;
    edge.envoy.wait_for_counter(TAKEN, taken + 3, PATIENCE).await?;
    let start = std::time::Instant::now();
    while edge.breaker(PAYMENT).await?.state != "CLOSED" {
        assert!(start.elapsed() < PATIENCE, "{:?}", edge.breaker(PAYMENT).await?);
        edge.get(PATH).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_breaker_whose_checks_have_no_cluster_returns_by_a_trial() -> Result<()> {
    let edge = Edge::start(
        plugin(&json!({
            "open": { "max_wait_duration": "2s" },
            "health_check": { "cluster": "gone", "path": "/", "interval": "200ms" },
        })),
        2,
    )
    .await?;
    let began = std::time::Instant::now();
    trip(&edge).await?;
    let payment = edge.services.service(PAYMENT);
    payment.set_mode(Mode::Normal);
    edge.wait_for(PAYMENT, "HALF_OPEN", PATIENCE).await?;
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    let line = edge.envoy.wait_for_log("event=unknown_cluster", PATIENCE).await?;
    assert!(line.contains("field=health_check.cluster cluster=gone"), "{line}");
    assert!(edge.envoy.counter(UNKNOWN).await? > 0);
    assert_eq!(shown(&edge).await?, ["gone"]);
    let checks = edge.metric(PAYMENT, "cb_result=.=unhealthy;.;", "health_checks_total").await?;
    assert_eq!(checks, 0, "none was made");
    assert_eq!(edge.get(PATH).await?.status, 200);
    edge.wait_for(PAYMENT, "CLOSED", PATIENCE).await?;
    Ok(())
}

/// The proxy drops headers beyond its limit, and refuses the call with the status that it has for an
/// unknown cluster.
#[tokio::test]
async fn a_request_with_very_many_headers_makes_no_cluster_an_unknown_one() -> Result<()> {
    let limits = json!({ "max_headers_count": 2000 });
    let edge = Edge::setup(plugin(&json!({ "fallback": { "cluster": clusters::FALLBACK } })))
        .option("common_http_protocol_options", limits)
        .start()
        .await?;
    edge.services.service(PAYMENT).set_mode(Mode::Status(500));
    for headers in [1000, 1010, 1015, 1018, 1019, 1020, 1021, 1022, 1024, 1030, 1100] {
        let mut request = edge.request("GET", PATH, empty())?;
        for number in 0..headers {
            request.headers_mut().append(
                http::HeaderName::from_bytes(format!("x-{number}").as_bytes())?,
                "1".parse()?,
            );
        }
        let response = edge.client.send(request).await?;
        assert!([200, 431, 500].contains(&response.status.as_u16()), "{headers}: {response:?}");
        assert_eq!(edge.envoy.counter(UNKNOWN).await?, 0, "{headers} headers");
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_cluster_for_notifications_is_reported_too() -> Result<()> {
    let mut plugin = plugin(&json!({}));
    plugin["notify"] = json!({ "cluster": "gone" });
    let edge = Edge::start(plugin, 1).await?;
    trip(&edge).await?;
    let line = edge.envoy.wait_for_log("event=unknown_cluster", PATIENCE).await?;
    assert!(line.contains("field=notify.cluster cluster=gone"), "{line}");
    Ok(())
}
