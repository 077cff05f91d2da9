//! What is there to copy into an Envoy is run in one.

use anyhow::{Context, Result};
use edge_breaker_tests::pages::Page;
use edge_breaker_tests::steering::{EARLY, early_removal};
use edge_breaker_tests::{Edge, PATIENCE, PAYMENT, clusters, module};
use envoy_harness::config::{Bootstrap, Listener, Route, Wasm, cluster};
use envoy_harness::{EnvoyOptions, parse_yaml};
use recipe_services::{Ports, Services};
use serde_json::{Value, json};

const PATH: &str = "/payment-service/charge";

#[tokio::test]
async fn the_access_log_tells_all_there_is() -> Result<()> {
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
    assert_eq!(replayed["details"], "edge_breaker");
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
