//! What is there to copy into an Envoy is run in one.

use anyhow::{Context, Result};
use envoy_harness::client::RawConnection;
use envoy_harness::config::{Bootstrap, Listener, Route, Wasm, cluster};
use envoy_harness::{EnvoyOptions, parse_yaml};
use serde_json::{Value, json};
use services::{Health, Ports, Services};
use tests::pages::Page;
use tests::steering::{EARLY, early_removal};
use tests::{Edge, PATIENCE, PAYMENT, clusters, module};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const PATH: &str = "/payment-service/charge";

#[tokio::test]
async fn the_access_log_shows_all_that_the_breaker_did() -> Result<()> {
    let log = parse_yaml(Page::read("docs/operations.md")?.block("yaml access-log")?)?;
    let plugin = json!({
        "expose_state": "always",
        "services": [{
            "name": PAYMENT, "open": { "wait_duration": "5m" },
            "fallback": { "cluster": clusters::FALLBACK },
        }],
    });
    let edge = Edge::setup(plugin).option("access_log", json!([log])).start().await?;
    edge.services.service(PAYMENT).set_failure_rate(1.0);
    for _ in 0..4 {
        edge.get(PATH).await?;
    }
    let line = edge.envoy.wait_for_log("\"reason\":\"open\"", PATIENCE).await?;
    let line = line.lines().find(|it| it.contains("\"reason\":\"open\"")).context("no line")?;
    let line: Value = serde_json::from_str(line)?;
    assert_eq!((&line["breaker"], &line["state"]), (&json!(PAYMENT), &json!("OPEN")), "{line}");
    assert_eq!((&line["fallback"], &line["cluster"]), (&json!("cluster"), &json!("fallback")));
    assert_eq!((&line["status"], &line["path"]), (&json!(200), &json!(PATH)));
    let replayed = edge.envoy.log();
    let replayed = replayed.lines().find(|it| it.contains("\"fallback\":\"replay\""));
    let replayed: Value = serde_json::from_str(replayed.context("no replay")?)?;
    assert_eq!((&replayed["state"], &replayed["breaker"]), (&json!("CLOSED"), &Value::Null));
    // What the service has answered, and what its client got.
    assert_eq!((&replayed["service_status"], &replayed["status"]), (&json!("500"), &json!(200)));
    assert_eq!(replayed["details"], "via_upstream");
    assert_eq!(line["service_status"], Value::Null, "it was not asked: {line}");
    Ok(())
}

#[tokio::test]
async fn a_balancer_sees_health_and_nothing_else() -> Result<()> {
    let filters = parse_yaml(Page::read("docs/operations.md")?.block("yaml health-filters")?)?;
    let services = Services::start(Ports::default()).await?;
    let configured = json!([{ "name": PAYMENT, "open": { "wait_duration": "5m" } }]);
    let plugin = |fields: Value| {
        let wasm = Wasm::new("edge-breaker", &module()?).vm_id("edge-breaker");
        anyhow::Ok(wasm.configuration(&fields))
    };
    let traffic = Listener::new("traffic")
        .filter(plugin(json!({ "services": configured }))?)
        .route(Route::prefix("/").cluster(clusters::SERVICE));
    let mut health = Listener::new("health").route(Route::prefix("/").cluster(clusters::SERVICE));
    for filter in filters.as_array().context("a list of filters")? {
        health = health.filter(filter.clone());
    }
    let admin = json!({ "admin": { "token": "s3cret" }, "services": configured });
    let health = health.filter(plugin(admin)?);
    let config = Bootstrap::new()
        .cluster(cluster(clusters::SERVICE, services.downstream()))
        .listener(traffic)
        .listener(health)
        .build();
    let envoy = EnvoyOptions::new(config).start().await?;
    let client = envoy_harness::client::Client::new();
    let traffic = format!("http://{}", envoy.listener_addr("traffic").await?);
    let health = format!("http://{}", envoy.listener_addr("health").await?);
    let status = async |path: &str| {
        anyhow::Ok(client.get(&format!("{health}/circuit-breaker{path}")).await?.status.as_u16())
    };
    assert_eq!(status("/health").await?, 200);
    assert_eq!(status("/health/payment-service").await?, 200);
    for hidden in ["", "/", "/services", "/services/payment-service", "/events", "/healthy"] {
        assert_eq!(status(hidden).await?, 403, "{hidden}");
    }
    services.service(PAYMENT).set_failure_rate(1.0);
    for _ in 0..3 {
        client.get(&format!("{traffic}{PATH}")).await?;
    }
    assert_eq!(status("/health/payment-service").await?, 503);
    // That of all is kept for a second.
    let began = std::time::Instant::now();
    while status("/health").await? != 503 {
        assert!(began.elapsed() < PATIENCE, "it is well still");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}

/// The filter and the route of the page, in an Envoy: at first it only tells, and then it acts.
#[tokio::test]
async fn the_steps_for_envoy_lead_there() -> Result<()> {
    let mut filter = parse_yaml(Page::read("docs/envoy.md")?.block("yaml filter")?)?;
    let route = parse_yaml(Page::read("docs/envoy.md")?.block("yaml route")?)?;
    let early = parse_yaml(Page::read("docs/envoy.md")?.block("yaml early")?)?;
    assert_eq!(early[EARLY], early_removal()?, "as in the recipe");
    let services = Services::start(Ports::default()).await?;
    module()?;
    let value = "/typed_config/config/configuration/value";
    let written = filter.pointer(value).and_then(Value::as_str).context("no configuration")?;
    let plugin: Value = serde_json::from_str(written)?;
    assert_eq!(plugin["services"][0]["mode"], "metrics_only", "as it is written");
    for (mode, diverted) in [("metrics_only", 0), ("enabled", 10)] {
        let mut acting = plugin.clone();
        acting["services"][0]["mode"] = json!(mode);
        *filter.pointer_mut(value).context("no configuration")? = json!(acting.to_string());
        let listener = Listener::new("edge")
            .option(EARLY, early[EARLY].clone())
            .filter(filter.clone())
            .route(Route::diverted())
            .route(Route::prefix("/").cluster("payment"));
        let mut config = Bootstrap::new()
            .cluster(cluster("payment", services.downstream()))
            .cluster(cluster("payment-fallback", services.fallback()))
            .listener(listener)
            .build();
        let routes = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config\
                      /route_config/virtual_hosts/0/routes/0";
        *config.pointer_mut(routes).context("no routes")? = route.clone();
        let envoy = EnvoyOptions::new(config).start().await?;
        let url = format!("http://{}/payments/charge", envoy.listener_addr("edge").await?);
        let client = envoy_harness::client::Client::new();
        services.service("payments").set_failure_rate(1.0);
        // Or a check would pass if the calls below took longer than its interval.
        services.service("payments").set_health(Health::Sick);
        let mut by_fallback = 0;
        for _ in 0..30 {
            let response = client.get(&url).await?;
            let diverted = response.header("x-circuit-breaker-fallback") == Some("cluster");
            by_fallback += usize::from(diverted);
        }
        assert_eq!(by_fallback, diverted, "{mode}");
        let would = "wasmcustom.cb_service=.=payment-service;.;cb_to=.=open;.;\
                     cb_reason=.=failure_rate;.;edge_breaker_transitions_total";
        assert_eq!(envoy.counter(would).await?, 1, "{mode}");
    }
    Ok(())
}

/// The route of the page for diverted tunnels, before the service's own: a tunnel leads to the fallback when the breaker is open.
#[tokio::test]
async fn the_route_for_tunnels_leads_to_the_fallback() -> Result<()> {
    let page = Page::read("docs/envoy.md")?;
    let [route, tunnels] = ["yaml route", "yaml tunnel-routes"].map(|kind| page.block(kind));
    let mut routes = vec![parse_yaml(route?)?];
    let tunnels = parse_yaml(tunnels?)?;
    let tunnels = tunnels.as_array().context("no list of routes")?;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let fallback = TcpListener::bind("127.0.0.1:0").await?;
    let there = fallback.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = fallback.accept().await {
            let _ = stream.write_all(b"fallback").await;
        }
    });
    let plugin = json!({ "services": [{
        "name": "database", "match": { "hosts": ["db.internal"] },
        "trip": { "consecutive_failures": 1 }, "fallback": { "cluster": "db-fallback" },
    }] });
    // First without the route of the page that is for diverted tunnels: the general one does not see them.
    for (tunnels, diverted) in [(&tunnels[1..], false), (tunnels, true)] {
        routes.truncate(1);
        routes.extend_from_slice(tunnels);
        let filter = Wasm::new("edge-breaker", &module()?).configuration(&plugin);
        let hosts = json!([{ "name": "all", "domains": ["*"], "routes": routes }]);
        let listener = Listener::new("edge")
            .filter(filter)
            .option("upgrade_configs", json!([{ "upgrade_type": "CONNECT" }]))
            .option("route_config", json!({ "virtual_hosts": hosts }));
        let config = Bootstrap::new()
            .cluster(cluster("db", nobody))
            .cluster(cluster("db-fallback", there))
            .listener(listener)
            .build();
        let envoy = EnvoyOptions::new(config).start().await?;
        let address = envoy.listener_addr("edge").await?;
        for status in ["503", if diverted { "200" } else { "503" }] {
            let mut connection = RawConnection::connect(address).await?;
            connection
                .send("CONNECT db.internal:5432 HTTP/1.1\r\nhost: db.internal:5432\r\n\r\n")
                .await?;
            let read = String::from_utf8(connection.read_head().await?)?;
            assert!(read.starts_with(&format!("HTTP/1.1 {status} ")), "{read}");
            if status == "200" {
                let rest =
                    "fallback".len() - read.split_once("\r\n\r\n").map_or(0, |it| it.1.len());
                connection.read_exact(rest).await?;
            }
        }
        let unprotected = "wasmcustom.cb_reason=.=fallback_route;.;edge_breaker_unprotected_total";
        assert_eq!(envoy.counter(unprotected).await?, u64::from(!diverted));
    }
    Ok(())
}
