//! The sample for Envoy Gateway in a real Envoy.

mod fields;
mod translate;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use services::Services;
use tests::steering::{guard_routes, tell_what_comes};

use crate::kubernetes::objects::Objects;
use crate::kubernetes::removal;
use crate::kubernetes::site::{Change, Site, services, unchanged};

const FILE: &str = "envoy/envoy-gateway/gateway.yaml";

async fn gateway() -> Result<Site> {
    gateway_with(unchanged).await
}

/// The proxy's configuration with these listeners of the gateway.
fn config(objects: &Objects, services: &Services, sections: &[&str]) -> Result<Value> {
    let listeners = sections.iter().map(|section| translate::listener(objects, section));
    let listeners = listeners.collect::<Result<Vec<_>>>()?;
    translate::config(objects, listeners, |service| match service {
        "payments" => Some(services.downstream()),
        "payments-fallback" => Some(services.fallback()),
        _ => None,
    })
}

/// The token that the docs tell to replace.
fn token(objects: &Objects) -> Result<&str> {
    let policy = objects.get("EnvoyExtensionPolicy", "edge-breaker")?;
    policy["spec"]["wasm"][0]["config"]["admin"]["token"].as_str().context("no token")
}

/// The same with a change of the proxy's configuration.
async fn gateway_with(change: Change) -> Result<Site> {
    let objects = Objects::load(FILE)?;
    let services = services().await?;
    let mut config = config(&objects, &services, &["http", "breaker-admin"])?;
    let names = ["default/shop/http", "default/shop/breaker-admin"];
    change(&mut config, names[0])?;
    let site = Site::start(config, services, names, "shop.example.com").await?;
    Ok(site.token(token(&objects)?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_envoy_gateway_the_breaker_goes_its_whole_round() -> Result<()> {
    gateway().await?.goes_round().await
}

/// After each step that the page has for the removal.
#[tokio::test]
async fn an_envoy_gateway_serves_on_when_the_breaker_is_removed() -> Result<()> {
    for objects in removal::steps("docs/envoy-gateway.md", FILE)? {
        objects.get("Gateway", "shop")?;
        let services = services().await?;
        let config = config(&objects, &services, &["http"])?;
        let names = ["default/shop/http"; 2];
        let site = Site::start(config, services, names, "shop.example.com").await?;
        site.assert_serves_unguarded().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_api_is_not_on_envoy_gateways_public_listener() -> Result<()> {
    gateway().await?.assert_admin_is_not_public().await
}

#[tokio::test]
async fn clients_of_an_envoy_gateway_control_nothing() -> Result<()> {
    gateway_with(guard_routes).await?.assert_clients_steer_nothing().await?;
    let came = gateway_with(tell_what_comes).await?.what_comes_through().await?;
    assert!(came.is_empty(), "{came:?}");
    Ok(())
}

#[test]
fn the_admin_listener_is_not_in_the_gateways_service() -> Result<()> {
    let objects = Objects::load(FILE)?;
    let listeners = &objects.get("Gateway", "shop")?["spec"]["listeners"];
    let listeners = listeners.as_array().context("no listeners")?;
    let admin = listeners.iter().find(|listener| listener["name"] == "breaker-admin");
    let port = &admin.context("no admin listener")?["port"];
    let patch = &objects.get("EnvoyProxy", "shop")?["spec"]["provider"]["kubernetes"]["envoyService"]
        ["patch"];
    assert_eq!(
        patch,
        &json!({
            "type": "StrategicMerge",
            "value": { "spec": { "ports": [{ "port": port, "$patch": "delete" }] } },
        })
    );
    Ok(())
}

#[test]
fn the_admin_apis_path_is_in_no_route_of_the_public_listener() -> Result<()> {
    let objects = Objects::load(FILE)?;
    let policy = objects.get("EnvoyExtensionPolicy", "edge-breaker")?;
    let prefix = policy["spec"]["wasm"][0]["config"]["admin"]["path_prefix"].as_str();
    let prefix = prefix.context("no admin API")?;
    for rule in
        objects.get("HTTPRoute", "payments")?["spec"]["rules"].as_array().into_iter().flatten()
    {
        let path = rule["matches"][0]["path"]["value"].as_str().context("no path")?;
        assert!(!prefix.starts_with(path) && !path.starts_with(prefix), "{path}");
    }
    Ok(())
}

#[test]
fn an_object_that_the_translation_does_not_know_is_refused() -> Result<()> {
    let mut objects = Objects::load(FILE)?;
    let route = objects.0.iter_mut().find(|object| object["metadata"]["name"] == "payments");
    let rule: &mut Value = &mut route.context("no route")?["spec"]["rules"][0];
    rule["timeouts"] = json!({ "request": "1s" });
    let error = translate::listener(&objects, "http").err();
    let error = error.map(|error| format!("{error:#}")).unwrap_or_default();
    assert!(error.contains("timeouts"), "{error}");
    Ok(())
}
