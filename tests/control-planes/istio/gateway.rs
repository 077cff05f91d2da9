//! `gateway.yaml` at an ingress gateway, with its `WasmPlugin`s and with the `TrafficExtension`s instead.

use std::net::TcpStream;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use services::{Mode, Services};
use tests::objects::Objects;

use super::agent::{GATEWAY, GATEWAY_PORTS};
use super::control_plane::Istio;
use super::steering;
use crate::applied::Applied;
use crate::load::Load;
use crate::pod::Pod;
use crate::site::{ADMIN, Site, Ways};

pub(super) const SAMPLE: &str = "envoy/istio/gateway.yaml";
const EXTENSIONS: &str = "envoy/istio/trafficextension.yaml";
/// How the sample's gateway is called.
pub(super) const WAYS: Ways<'_> =
    Ways { ports: GATEWAY_PORTS, host: "shop.example.com", token: None, attempts: 3 };

/// The sample in force, the services behind it, and a pod of the gateway.
pub(super) struct Gateway {
    pub(super) istio: &'static Istio,
    services: Services,
    pub(super) pod: Pod,
    pub(super) sample: Applied,
}

impl Gateway {
    async fn start(objects: &Objects) -> Result<Self> {
        Self::with_pod(objects, |istio| GATEWAY.pod(istio, 1)).await
    }

    /// The same with a pod of another kind.
    pub(super) async fn with_pod(
        objects: &Objects,
        pod: impl FnOnce(&'static Istio) -> Result<Pod>,
    ) -> Result<Self> {
        let istio = Istio::get().await?;
        let services = istio.cluster.services()?;
        let sample = Applied::apply(istio.cluster, objects)?;
        Ok(Self { istio, services, pod: pod(istio)?, sample })
    }

    pub(super) async fn site(&self) -> Result<Site<'_>> {
        self.site_of(&self.pod).await
    }

    pub(super) async fn site_of(&self, pod: &Pod) -> Result<Site<'_>> {
        Site::of(self.istio.cluster, pod, &self.services, WAYS).await
    }

    /// Applies an object with [`changed_fallback`] while the breaker is forced open, under load.
    pub(super) async fn assert_changes_keep_the_state(&self, object: &Value) -> Result<()> {
        let site = self.site().await?;
        site.steer("force-open").await?;
        site.assert_answered(200, "cluster").await?;
        let load = Load::start(site.public()?, WAYS.host);
        self.sample.add(object)?;
        site.wait_until_answered_by("response").await?;
        let answers = load.stop().await?;
        assert_eq!(answers.into_keys().collect::<Vec<_>>(), ["200 by cluster", "200 by response"]);
        assert_eq!(site.breaker().await?["state"], "FORCED_OPEN");
        Ok(())
    }

    async fn unguarded(&self, pod: &Pod) -> Result<Site<'_>> {
        Site::unguarded(self.istio.cluster, pod, &self.services, WAYS).await
    }
}

/// The sample with the newer kind in place of the `WasmPlugin`s.
fn with_extensions() -> Result<Objects> {
    let mut objects = Objects::load(SAMPLE)?;
    objects.0.retain(|object| object["kind"] != "WasmPlugin");
    objects.0.extend(Objects::load(EXTENSIONS)?.0);
    Ok(objects)
}

/// The plugin that guards, with another value in the configuration of its service.
fn plugin_with(field: &str, value: Value) -> Result<Value> {
    let objects = Objects::load(SAMPLE)?;
    let mut plugin = objects.get("WasmPlugin", "edge-breaker")?.clone();
    plugin["spec"]["pluginConfig"]["services"][0][field] = value;
    Ok(plugin)
}

pub(super) async fn the_breaker_goes_its_whole_round() -> Result<()> {
    let gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    gateway.site().await?.goes_round().await
}

pub(super) async fn with_traffic_extensions_the_breaker_goes_its_whole_round() -> Result<()> {
    let gateway = Gateway::start(&with_extensions()?).await?;
    gateway.site().await?.goes_round().await?;
    assert_admin_is_on_loopback(&gateway.pod)
}

pub(super) async fn the_admin_api_of_an_istio_gateway_is_on_loopback_only() -> Result<()> {
    let gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    gateway.site().await?.assert_admin_is_not_public(404).await?;
    assert_admin_is_on_loopback(&gateway.pod)
}

/// Connections from another address than the pod's own loopback are refused.
pub(super) fn assert_admin_is_on_loopback(pod: &Pod) -> Result<()> {
    let refused = TcpStream::connect(pod.at(ADMIN)).err().context("connected")?;
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{refused}");
    Ok(())
}

/// Whatever a client says of itself in a header.
pub(super) async fn the_admin_listener_of_an_istio_gateway_goes_by_the_connections_address()
-> Result<()> {
    let gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    gateway.site().await?.assert_admin_goes_by_the_connection().await
}

pub(super) async fn changed_settings_keep_the_state_and_lose_no_request() -> Result<()> {
    let gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    gateway.assert_changes_keep_the_state(&plugin_with("fallback", changed_fallback())?).await
}

/// Another fallback, whose answers show that it is in force.
pub(super) fn changed_fallback() -> Value {
    json!({ "response": { "status": 200, "body": "of the changed settings" } })
}

pub(super) async fn a_wrong_configuration_leaves_the_breaker_as_it_was_and_is_seen() -> Result<()> {
    let gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    let site = gateway.site().await?;
    site.steer("force-open").await?;
    gateway.sample.add(&plugin_with("trip", json!({ "consecutive_failures": 0 }))?)?;
    gateway.pod.wait_for_log("configuration refused")?;
    assert_eq!(site.breaker().await?["state"], "FORCED_OPEN");
    site.assert_answered(200, "cluster").await
}

/// Also where a good one was in force: the agent puts a filter in its place that lets all pass.
pub(super) async fn without_an_image_requests_pass_and_it_is_seen() -> Result<()> {
    let objects = Objects::load(SAMPLE)?;
    let gateway = Gateway::start(&objects).await?;
    let site = gateway.site().await?;
    site.steer("force-open").await?;
    site.assert_answered(200, "cluster").await?;
    for plugin in objects.of_kind("WasmPlugin") {
        let mut plugin = plugin.clone();
        plugin["spec"]["url"] = json!("oci://registry.example.com/edge-breaker:9.9.9");
        gateway.sample.add(&plugin)?;
    }
    gateway.pod.wait_for_log("error in converting the wasm config to local")?;
    site.wait_until_answered_by("downstream").await?;
    site.assert_serves_unguarded().await?;
    site.assert_shows_no_breaker().await
}

pub(super) async fn two_pods_have_breakers_of_their_own() -> Result<()> {
    let gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    let second = GATEWAY.pod(gateway.istio, 2)?;
    let (one, other) = (gateway.site().await?, gateway.site_of(&second).await?);
    one.steer("force-open").await?;
    assert_eq!(other.breaker().await?["state"], "METRICS_ONLY");
    one.assert_answered(200, "cluster").await?;
    other.assert_answered(200, "downstream").await
}

/// The agent pulls the image when it starts, and does not know by then what an earlier one has pulled. Running pods go on.
pub(super) async fn while_the_registry_is_away_who_starts_lets_requests_pass() -> Result<()> {
    let mut gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    gateway.site().await?;
    gateway.istio.cluster.stop_registry().await;
    let without = async {
        gateway.site().await?.assert_answered(200, "downstream").await?;
        gateway.pod.stop();
        GATEWAY.run_agent(gateway.istio, &mut gateway.pod, &json!({}))?;
        let new = GATEWAY.pod(gateway.istio, 2)?;
        for pod in [&gateway.pod, &new] {
            let site = gateway.unguarded(pod).await?;
            pod.wait_for_log("error in converting the wasm config to local")?;
            site.assert_serves_unguarded().await?;
            site.assert_shows_no_breaker().await?;
        }
        anyhow::Ok(())
    };
    let without = without.await;
    gateway.istio.cluster.start_registry().await?;
    without
}

/// Ejecting a service's only host would leave the breaker's checks nobody to ask.
pub(super) async fn outlier_detection_leaves_a_services_last_host_to_the_breaker() -> Result<()> {
    let istio = Istio::get().await?;
    let services = istio.cluster.services()?;
    let _sample = Applied::apply(istio.cluster, &Objects::load(SAMPLE)?)?;
    let all = json!({ "proxyStatsMatcher": { "inclusionRegexps": [".*outlier_detection.*"] } });
    let pod = GATEWAY.pod_with(istio, 1, &all)?;
    let site = Site::of(istio.cluster, &pod, &services, WAYS).await?;
    site.steer("enable").await?;
    site.payments().set_mode(Mode::Status(503));
    for by in ["replay", "replay", "replay", "cluster"] {
        site.assert_answered(200, by).await?;
    }
    let stats = istio.cluster.kubectl([
        "-n",
        &pod.namespace,
        "exec",
        &pod.name,
        "--",
        "pilot-agent",
        "request",
        "GET",
        "stats",
    ])?;
    let stat = |name: &str| {
        let cluster = "cluster.outbound|8080||payments.default.svc.cluster.local";
        let name = format!(".outlier_detection.{name}: ");
        let mut lines = stats.lines().filter(|line| line.starts_with(cluster));
        lines.find_map(|line| line.split_once(&name)?.1.parse::<u64>().ok())
    };
    // It has seen enough to eject the host, and has not.
    assert_eq!(stat("ejections_detected_consecutive_5xx"), Some(1), "{stats}");
    assert_eq!(stat("ejections_active"), Some(0));
    Ok(())
}

pub(super) async fn clients_of_an_istio_gateway_control_nothing() -> Result<()> {
    let mut objects = Objects::load(SAMPLE)?;
    objects.0.push(steering::guard("GATEWAY", &GATEWAY));
    let gateway = Gateway::start(&objects).await?;
    let site = gateway.site().await?;
    site.assert_clients_steer_nothing().await?;
    gateway.sample.add(&steering::tell_what_comes("GATEWAY", &GATEWAY))?;
    let nothing = async || Ok(site.what_comes_through().await?.is_empty());
    site.wait_until("requests without headers that steer", nothing).await
}
