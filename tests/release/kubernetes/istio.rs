//! The samples for Istio in a real Envoy.

mod fields;
mod translate;

use std::net::SocketAddr;

use anyhow::Result;
use serde_json::{Value, json};
use services::{Mode, Services};
use tests::answered_by;
use tests::steering::{ROUTER_HEADERS, guard_routes, tell_what_comes};

use self::translate::{Context, Workload};
use crate::kubernetes::objects::Objects;
use crate::kubernetes::site::{Change, Site, services, unchanged};
use crate::kubernetes::{docs, removal};

const INGRESS: &[(&str, &str)] = &[("istio", "ingressgateway")];
const SHOP: &[(&str, &str)] = &[("app", "shop")];
const OTHER: &[(&str, &str)] = &[("app", "other")];

/// Where a service of the samples is.
fn endpoint(services: &Services, host: &str) -> Option<SocketAddr> {
    match host {
        "payments.default.svc.cluster.local" => Some(services.downstream()),
        "payments-fallback.default.svc.cluster.local" => Some(services.fallback()),
        _ => None,
    }
}

const GATEWAY_LISTENERS: [&str; 2] = ["0.0.0.0_80", "127.0.0.1_10001"];
const SIDECAR_LISTENERS: [&str; 2] = ["0.0.0.0_8080", "127.0.0.1_10001"];

/// The configuration of the ingress gateway's proxy.
fn gateway_config(objects: &Objects, services: &Services) -> Result<Value> {
    let tags = docs::extra_stat_tags()?;
    let ingress = Workload { context: Context::Gateway, labels: INGRESS, tags: &tags };
    let shop = [objects.get("VirtualService", "shop")?];
    let admin = [objects.get("VirtualService", "breaker-admin")?];
    let [public_name, admin_name] = GATEWAY_LISTENERS;
    let mut config = ingress
        .bootstrap(objects, &shop, |host| endpoint(services, host))?
        .listener(ingress.listener(objects, public_name, 80, &shop)?)
        .listener(ingress.listener(objects, admin_name, 10001, &admin)?)
        .build();
    config["stats_config"] = ingress.stats_config();
    Ok(config)
}

async fn gateway() -> Result<Site> {
    gateway_with(unchanged).await
}

/// The same with a change of the proxy's configuration.
async fn gateway_with(change: Change) -> Result<Site> {
    let services = services().await?;
    let mut config = gateway_config(&Objects::load("envoy/istio/gateway.yaml")?, &services)?;
    change(&mut config, GATEWAY_LISTENERS[0])?;
    Site::start(config, services, GATEWAY_LISTENERS, "shop.example.com").await
}

/// A workload's sidecar, as far as outbound calls go.
async fn sidecar(labels: &[(&str, &str)], host: &'static str) -> Result<Site> {
    sidecar_with(labels, host, unchanged).await
}

/// The same with a change of the proxy's configuration.
async fn sidecar_with(labels: &[(&str, &str)], host: &'static str, change: Change) -> Result<Site> {
    let objects = Objects::load("envoy/istio/sidecar.yaml")?;
    let tags = docs::extra_stat_tags()?;
    let workload = Workload { context: Context::SidecarOutbound, labels, tags: &tags };
    let payments = [objects.get("VirtualService", "payments")?];
    let services = services().await?;
    let mut config = workload
        .bootstrap(&objects, &payments, |host| endpoint(&services, host))?
        .listener(workload.listener(&objects, SIDECAR_LISTENERS[0], 8080, &payments)?)
        .listener(workload.listener(&objects, SIDECAR_LISTENERS[1], 10001, &[])?)
        .build();
    config["stats_config"] = workload.stats_config();
    change(&mut config, SIDECAR_LISTENERS[0])?;
    Site::start(config, services, SIDECAR_LISTENERS, host).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_an_istio_gateway_the_breaker_goes_its_whole_round() -> Result<()> {
    gateway().await?.goes_round().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_an_istio_sidecar_the_breaker_goes_its_whole_round() -> Result<()> {
    sidecar(SHOP, "payments:8080").await?.goes_round().await
}

/// After each step that the page has for the removal.
#[tokio::test]
async fn an_istio_gateway_serves_on_when_the_breaker_is_removed() -> Result<()> {
    let ingress = Workload { context: Context::Gateway, labels: INGRESS, tags: &[] };
    for objects in removal::steps("docs/istio.md", "envoy/istio/gateway.yaml")? {
        objects.get("Gateway", "shop")?;
        let shop = [objects.get("VirtualService", "shop")?];
        unguarded(&ingress, &objects, &shop, 80, "shop.example.com").await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_istio_sidecar_serves_on_when_the_breaker_is_removed() -> Result<()> {
    let shop = Workload { context: Context::SidecarOutbound, labels: SHOP, tags: &[] };
    for objects in removal::steps("docs/istio.md", "envoy/istio/sidecar.yaml")? {
        let payments = [objects.get("VirtualService", "payments")?];
        unguarded(&shop, &objects, &payments, 8080, "payments").await?;
    }
    Ok(())
}

/// What is left of a proxy serves, and there is no breaker in it.
async fn unguarded(
    workload: &Workload<'_>,
    objects: &Objects,
    virtual_services: &[&Value],
    port: u16,
    host: &'static str,
) -> Result<()> {
    let services = services().await?;
    let config = workload
        .bootstrap(objects, virtual_services, |host| endpoint(&services, host))?
        .listener(workload.listener(objects, "public", port, virtual_services)?)
        .build();
    let site = Site::start(config, services, ["public", "public"], host).await?;
    site.assert_serves_unguarded().await
}

#[tokio::test]
async fn clients_of_an_istio_gateway_control_nothing() -> Result<()> {
    gateway_with(guard_routes).await?.assert_clients_steer_nothing().await?;
    let came = gateway_with(tell_what_comes).await?.what_comes_through().await?;
    assert!(came.is_empty(), "{came:?}");
    Ok(())
}

/// It may ask for retries and time limits: it is the application that is guarded.
#[tokio::test]
async fn the_application_of_an_istio_sidecar_controls_no_breaker() -> Result<()> {
    sidecar_with(SHOP, "payments", guard_routes).await?.assert_clients_steer_nothing().await?;
    let site = sidecar_with(SHOP, "payments", tell_what_comes).await?;
    assert_eq!(site.what_comes_through().await?, ROUTER_HEADERS);
    Ok(())
}

#[test]
fn istios_admin_listeners_go_by_the_connections_address() -> Result<()> {
    let gateway = Objects::load("envoy/istio/gateway.yaml")?;
    let ingress = Workload { context: Context::Gateway, labels: INGRESS, tags: &[] };
    let sidecar = Objects::load("envoy/istio/sidecar.yaml")?;
    let shop = Workload { context: Context::SidecarOutbound, labels: SHOP, tags: &[] };
    for (workload, objects) in [(ingress, &gateway), (shop, &sidecar)] {
        let admin = workload.listener(objects, "admin", 10001, &[])?.build();
        let manager = &admin["filter_chains"][0]["filters"][0]["typed_config"];
        assert_eq!(manager["use_remote_address"], true);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_workloads_calls_are_left_alone() -> Result<()> {
    let site = sidecar(OTHER, "payments").await?;
    let answer = site.call_with("x-circuit-breaker-cluster", "any").await?;
    assert_eq!((answer.status.as_u16(), site.services.fallback_calls()), (200, 0), "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_api_is_not_on_an_istio_gateways_public_listener() -> Result<()> {
    gateway().await?.assert_admin_is_not_public().await?;
    let objects = Objects::load("envoy/istio/gateway.yaml")?;
    let servers = &objects.get("Gateway", "breaker-admin")?["spec"]["servers"];
    assert_eq!(
        (&servers[0]["bind"], &servers[0]["port"]["number"]),
        (&"127.0.0.1".into(), &10001.into())
    );
    assert_eq!(servers.as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_api_is_not_in_a_sidecars_other_listeners() -> Result<()> {
    sidecar(SHOP, "payments").await?.assert_admin_is_not_public().await?;
    let objects = Objects::load("envoy/istio/sidecar.yaml")?;
    let egress = &objects.get("Sidecar", "shop")?["spec"]["egress"][0];
    assert_eq!(
        (&egress["bind"], &egress["captureMode"], &egress["port"]["number"]),
        (&"127.0.0.1".into(), &"NONE".into(), &10001.into())
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outlier_detection_leaves_a_services_last_host_to_the_breaker() -> Result<()> {
    let objects = Objects::load("envoy/istio/gateway.yaml")?;
    let services = services().await?;
    let mut config = gateway_config(&objects, &services)?;
    // With all stats, those of outlier detection among them.
    config["stats_config"] = json!({});
    let site = Site::start(config, services, GATEWAY_LISTENERS, "shop.example.com").await?;
    site.steer("enable").await?;
    site.services.service("payments").set_failure_rate(1.0);
    site.services.service("payments").set_mode(Mode::Status(503));
    for _ in 0..3 {
        assert_eq!(answered_by(&site.call().await?), "replay");
    }
    assert_eq!(answered_by(&site.call().await?), "cluster");
    let stats = site.envoy.stats().await?;
    let stat = |name| {
        let cluster = "cluster.outbound|8080||payments.default.svc.cluster.local";
        stats.get(&format!("{cluster}.outlier_detection.{name}"))
    };
    // It has seen enough to eject the host, and has not.
    assert_eq!(stat("ejections_detected_consecutive_5xx"), Some(1), "{stats:?}");
    assert_eq!(stat("ejections_active"), Some(0));
    Ok(())
}

#[test]
fn an_object_that_the_translation_does_not_know_is_refused() -> Result<()> {
    let objects = Objects::load("envoy/istio/gateway.yaml")?;
    let mut changed: Value = objects.get("VirtualService", "shop")?.clone();
    changed["spec"]["http"][0]["mirror"] = json!({ "host": "elsewhere" });
    let ingress = Workload { context: Context::Gateway, labels: INGRESS, tags: &[] };
    let error = ingress.listener(&objects, "0.0.0.0_80", 80, &[&changed]).err();
    let error = error.map(|error| format!("{error:#}")).unwrap_or_default();
    assert!(error.contains("mirror"), "{error}");
    Ok(())
}
