//! `gateway.yaml`.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use services::Services;
use tests::objects::Objects;

use super::control_plane::EnvoyGateway;
use super::proxy::{self, PORTS};
use super::steering;
use crate::applied::Applied;
use crate::load::Load;
use crate::pod::Pod;
use crate::site::{ADMIN, Site, Ways};

pub(super) const SAMPLE: &str = "envoy/envoy-gateway/gateway.yaml";

/// The sample in force, the services behind it, and a pod of the proxy.
pub(super) struct Gateway {
    eg: &'static EnvoyGateway,
    services: Services,
    pub(super) pod: Pod,
    token: String,
    pub(super) sample: Applied,
}

impl Gateway {
    pub(super) async fn start(objects: &Objects) -> Result<Self> {
        let eg = EnvoyGateway::get().await?;
        let services = eg.cluster.services()?;
        let sample = Applied::apply(eg.cluster, objects)?;
        let pod = proxy::pod(eg, 1)?;
        Ok(Self { eg, services, pod, token: token(objects)?, sample })
    }

    pub(super) async fn site(&self) -> Result<Site<'_>> {
        self.site_of(&self.pod).await
    }

    async fn site_of(&self, pod: &Pod) -> Result<Site<'_>> {
        Site::of(self.eg.cluster, pod, &self.services, self.ways()).await
    }

    pub(super) async fn unguarded(&self, pod: &Pod) -> Result<Site<'_>> {
        Site::unguarded(self.eg.cluster, pod, &self.services, self.ways()).await
    }

    /// Applies a policy with [`changed_fallback`] while the breaker is forced open, under load.
    pub(super) async fn assert_changes_keep_the_state(&self, policy: &Value) -> Result<()> {
        let site = self.site().await?;
        site.steer("force-open").await?;
        site.assert_answered(200, "cluster").await?;
        let load = Load::start(site.public()?, self.ways().host);
        self.sample.add(policy)?;
        site.wait_until_answered_by("response").await?;
        let answers = load.stop().await?;
        assert_eq!(answers.into_keys().collect::<Vec<_>>(), ["200 by cluster", "200 by response"]);
        assert_eq!(site.breaker().await?["state"], "FORCED_OPEN");
        Ok(())
    }

    /// What the policy says of itself: its condition `Accepted`.
    pub(super) fn accepted(&self) -> Result<Value> {
        let policy = self.eg.cluster.get_json(["envoyextensionpolicy", "edge-breaker"])?;
        let conditions = policy["status"]["ancestors"][0]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        conditions.find(|it| it["type"] == "Accepted").cloned().context("no such condition")
    }

    fn ways(&self) -> Ways<'_> {
        Ways { ports: PORTS, host: "shop.example.com", token: Some(&self.token), attempts: 3 }
    }
}

/// The token that the docs tell to replace.
pub(super) fn token(objects: &Objects) -> Result<String> {
    let policy = objects.get("EnvoyExtensionPolicy", "edge-breaker")?;
    let configs = ["wasm", "dynamicModule"].map(|form| &policy["spec"][form][0]["config"]);
    let token = configs.into_iter().find_map(|config| config["admin"]["token"].as_str());
    Ok(token.context("no token")?.to_owned())
}

pub(super) async fn the_breaker_goes_its_whole_round() -> Result<()> {
    let gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    gateway.site().await?.goes_round().await
}

pub(super) async fn the_admin_api_wants_its_token() -> Result<()> {
    let gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    let site = gateway.site().await?;
    site.assert_admin_is_not_public(404).await?;
    site.assert_admin_wants_its_token(gateway.pod.at(ADMIN)).await
}

/// Its port is of the pods, not of the Service.
pub(super) async fn the_admin_listener_is_not_in_the_service() -> Result<()> {
    let gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    let service = proxy::object(gateway.eg, "service")?;
    let ports = service["spec"]["ports"].as_array().context("no ports")?;
    let ports: Vec<_> = ports.iter().map(|port| &port["port"]).collect();
    assert_eq!(ports, [80]);
    Ok(())
}

/// A policy of the service's route holds for all that a client can do.
pub(super) async fn clients_of_an_envoy_gateway_control_nothing() -> Result<()> {
    let mut objects = Objects::load(SAMPLE)?;
    objects.0.push(steering::guard());
    let gateway = Gateway::start(&objects).await?;
    let site = gateway.site().await?;
    site.wait_until("a guarded route", async || Ok(site.call().await?.status == 403)).await?;
    site.assert_clients_steer_nothing().await?;
    gateway.sample.add(&steering::tell_what_comes())?;
    let nothing = async || Ok(site.what_comes_through().await?.is_empty());
    site.wait_until("requests without headers that steer", nothing).await
}

/// The policy, with another value in the configuration of its service.
fn policy_with(field: &str, value: Value) -> Result<Value> {
    let objects = Objects::load(SAMPLE)?;
    let mut policy = objects.get("EnvoyExtensionPolicy", "edge-breaker")?.clone();
    policy["spec"]["wasm"][0]["config"]["services"][0][field] = value;
    Ok(policy)
}

pub(super) async fn changed_settings_keep_the_state_and_lose_no_request() -> Result<()> {
    let gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    gateway.assert_changes_keep_the_state(&policy_with("fallback", changed_fallback())?).await
}

/// Another fallback, whose answers show that it is in force.
pub(super) fn changed_fallback() -> Value {
    json!({ "response": { "status": 200, "body": "of the changed settings" } })
}

/// The listeners stay as they were, later changes of them included, until the configuration is put right. All that
/// Kubernetes shows meanwhile is that the policy is accepted.
pub(super) async fn a_wrong_configuration_holds_the_listeners_up_and_is_seen() -> Result<()> {
    let gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    let site = gateway.site().await?;
    site.steer("force-open").await?;
    let good = Objects::load(SAMPLE)?.get("EnvoyExtensionPolicy", "edge-breaker")?.clone();
    gateway.sample.add(&policy_with("trip", json!({ "consecutive_failures": 0 }))?)?;
    gateway.pod.wait_for_log("configuration refused")?;
    site.wait_until("a refused update", async || Ok(rejected_updates(&site).await? > 0.0)).await?;
    assert_eq!(site.breaker().await?["state"], "FORCED_OPEN");
    site.assert_answered(200, "cluster").await?;
    assert_eq!(gateway.accepted()?["status"], "True");

    let refused = rejected_updates(&site).await?;
    let mut clients = Objects::load(SAMPLE)?.get("ClientTrafficPolicy", "shop")?.clone();
    clients["spec"]["headers"]["enableEnvoyHeaders"] = json!(true);
    gateway.sample.add(&clients)?;
    let held = async || Ok(rejected_updates(&site).await? > refused);
    site.wait_until("a later update that is refused, too", held).await?;
    let shows = async || Ok(site.call().await?.header("x-envoy-upstream-service-time").is_some());
    assert!(!shows().await?, "the later change is in force");

    gateway.sample.add(&good)?;
    site.wait_until("the later change", shows).await?;
    assert_eq!(site.breaker().await?["state"], "FORCED_OPEN");
    Ok(())
}

/// How often the proxy has refused an update of its listeners.
pub(super) async fn rejected_updates(site: &Site<'_>) -> Result<f64> {
    let name = "envoy_listener_manager_lds_update_rejected";
    let metrics = site.metrics().await?;
    metrics.value(name, &[]).with_context(|| format!("no {name}"))
}

/// It fetches the module first, and has its listeners before it knows.
pub(super) async fn through_a_new_pod_with_a_wrong_configuration_requests_pass() -> Result<()> {
    let good = Objects::load(SAMPLE)?;
    let mut objects = good.clone();
    objects.0.retain(|object| object["kind"] != "EnvoyExtensionPolicy");
    objects.0.push(policy_with("trip", json!({ "consecutive_failures": 0 }))?);
    let gateway = Gateway::start(&objects).await?;
    let site = gateway.unguarded(&gateway.pod).await?;
    gateway.pod.wait_for_log("configuration refused")?;
    site.assert_serves_unguarded().await?;
    site.assert_shows_no_breaker().await?;
    assert_eq!(gateway.accepted()?["status"], "True");
    gateway.sample.add(good.get("EnvoyExtensionPolicy", "edge-breaker")?)?;
    gateway.site().await?.assert_answered(200, "downstream").await
}

/// Envoy Gateway pulls the image itself, and says of the policy why it cannot.
pub(super) async fn without_an_image_requests_pass_and_it_is_seen() -> Result<()> {
    let mut objects = Objects::load(SAMPLE)?;
    for object in objects.0.iter_mut().filter(|it| it["kind"] == "EnvoyExtensionPolicy") {
        let url = &mut object["spec"]["wasm"][0]["code"]["image"]["url"];
        *url = json!("registry.example.com/edge-breaker:9.9.9");
    }
    let gateway = Gateway::start(&objects).await?;
    let site = gateway.unguarded(&gateway.pod).await?;
    site.assert_serves_unguarded().await?;
    site.assert_shows_no_breaker().await?;
    let accepted = gateway.accepted()?;
    assert_eq!(accepted["status"], "False", "{accepted}");
    Ok(())
}

pub(super) async fn two_pods_have_breakers_of_their_own() -> Result<()> {
    let gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    let second = proxy::pod(gateway.eg, 2)?;
    let (one, other) = (gateway.site().await?, gateway.site_of(&second).await?);
    one.steer("force-open").await?;
    assert_eq!(other.breaker().await?["state"], "METRICS_ONLY");
    one.assert_answered(200, "cluster").await?;
    other.assert_answered(200, "downstream").await
}

/// Envoy Gateway itself keeps the module.
pub(super) async fn without_the_registry_a_new_pod_is_guarded() -> Result<()> {
    let gateway = Gateway::start(&Objects::load(SAMPLE)?).await?;
    gateway.site().await?;
    gateway.eg.cluster.stop_registry().await;
    let new = async {
        let new = proxy::pod(gateway.eg, 2)?;
        gateway.site_of(&new).await?.assert_answered(200, "downstream").await
    };
    let new = new.await;
    gateway.eg.cluster.start_registry().await?;
    new
}
