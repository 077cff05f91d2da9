//! `dynamicmodule.yaml`: the breaker as native code, which the proxies fetch by HTTP.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use package::image::Digest;
use serde_json::{Value, json};
use tests::objects::Objects;

use super::control_plane::EnvoyGateway;
use super::gateway::{Gateway, SAMPLE, changed_fallback, rejected_updates};
use crate::network::NODE;
use crate::process::{Process, until};

const NATIVE: &str = "envoy/envoy-gateway/dynamicmodule.yaml";

/// Where the module is served. That of the sample is one of Envoy Gateway's own here.
const PORT: u16 = 18090;

/// The sample in force, and who serves the module.
struct Native {
    gateway: Gateway,
    _modules: Process,
}

impl Native {
    async fn start(objects: &Objects) -> Result<Self> {
        let module = EnvoyGateway::get().await?.cluster.dynamic_module();
        Self::with_checksum(objects, Digest::of(&fs::read(module)?).hex()).await
    }

    /// With what a reader has filled in.
    async fn with_checksum(objects: &Objects, checksum: &str) -> Result<Self> {
        let cluster = EnvoyGateway::get().await?.cluster;
        let module = cluster.dynamic_module();
        let folder = module.parent().context("no folder")?;
        let mut server = Command::new("python3");
        server.args(["-u", "-m", "http.server", "--bind", &NODE.to_string(), &PORT.to_string()]);
        server.arg("--directory").arg(folder);
        let modules = Process::start("modules", server, cluster.folder())?;
        modules.wait_for_log("Serving HTTP")?;
        let mut objects = objects.clone();
        let remote = &mut objects.get_mut("EnvoyProxy", "shop")?["spec"]["dynamicModules"][0]["source"]
            ["remote"];
        let name = module.file_name().context("no name")?.to_string_lossy();
        remote["url"] = json!(format!("http://modules.default.svc.cluster.local:{PORT}/{name}"));
        remote["sha256"] = json!(checksum);
        Ok(Self { gateway: Gateway::start(&objects).await?, _modules: modules })
    }
}

/// As the page has it applied: first the one file, then the other.
fn sample() -> Result<Objects> {
    Objects::load(SAMPLE)?.replaced_by(NATIVE)
}

/// The policy, with another value in the configuration of its service.
fn policy_with(field: &str, value: Value) -> Result<Value> {
    let mut policy = sample()?.get("EnvoyExtensionPolicy", "edge-breaker")?.clone();
    policy["spec"]["dynamicModule"][0]["config"]["services"][0][field] = value;
    Ok(policy)
}

pub(super) async fn a_dynamic_module_goes_the_whole_round() -> Result<()> {
    let native = Native::start(&sample()?).await?;
    native.gateway.site().await?.goes_round().await
}

pub(super) async fn changed_settings_of_a_dynamic_module_keep_the_state_and_lose_no_request()
-> Result<()> {
    let native = Native::start(&sample()?).await?;
    let policy = policy_with("fallback", changed_fallback())?;
    native.gateway.assert_changes_keep_the_state(&policy).await
}

pub(super) async fn a_wrong_configuration_of_a_dynamic_module_holds_the_listeners_up_and_is_seen()
-> Result<()> {
    let gateway = Native::start(&sample()?).await?;
    let gateway = &gateway.gateway;
    let site = gateway.site().await?;
    site.steer("force-open").await?;
    gateway.sample.add(&policy_with("trip", json!({ "consecutive_failures": 0 }))?)?;
    gateway.pod.wait_for_log("configuration refused")?;
    site.wait_until("a refused update", async || Ok(rejected_updates(&site).await? > 0.0)).await?;
    assert_eq!(site.breaker().await?["state"], "FORCED_OPEN");
    site.assert_answered(200, "cluster").await?;
    assert_eq!(gateway.accepted()?["status"], "True");
    Ok(())
}

pub(super) async fn through_a_new_pod_whose_dynamic_module_is_wrong_requests_pass() -> Result<()> {
    let mut objects = sample()?;
    *objects.get_mut("EnvoyExtensionPolicy", "edge-breaker")? =
        policy_with("trip", json!({ "consecutive_failures": 0 }))?;
    let native = Native::start(&objects).await?;
    let gateway = &native.gateway;
    let site = gateway.unguarded(&gateway.pod).await?;
    gateway.pod.wait_for_log("configuration refused")?;
    site.assert_serves_unguarded().await?;
    site.assert_shows_no_breaker().await?;
    assert_eq!(gateway.accepted()?["status"], "True");
    gateway.sample.add(sample()?.get("EnvoyExtensionPolicy", "edge-breaker")?)?;
    gateway.site().await?.assert_answered(200, "downstream").await
}

/// That of the sample is of no file.
pub(super) async fn through_a_pod_that_takes_no_such_file_requests_pass() -> Result<()> {
    let native = Native::with_checksum(&sample()?, &"0".repeat(64)).await?;
    let gateway = &native.gateway;
    let site = gateway.unguarded(&gateway.pod).await?;
    site.assert_serves_unguarded().await?;
    site.assert_shows_no_breaker().await?;
    assert_eq!(gateway.accepted()?["status"], "True");
    Ok(())
}

/// Envoy Gateway lets no request pass then, and says of the policy why.
pub(super) async fn a_module_that_is_not_registered_has_all_routes_answer_500() -> Result<()> {
    let native = Native::start(&sample()?).await?;
    let gateway = &native.gateway;
    let site = gateway.site().await?;
    let good = sample()?.get("EnvoyExtensionPolicy", "edge-breaker")?.clone();
    let mut policy = good.clone();
    policy["spec"]["dynamicModule"][0]["name"] = json!("another");
    gateway.sample.add(&policy)?;
    let refused = async || Ok(site.call().await?.status == 500);
    site.wait_until("calls that are refused", refused).await?;
    assert_eq!(site.get("/circuit-breaker", &[]).await?.status, 404);
    let accepted = until("policy that is not accepted", || {
        let accepted = gateway.accepted()?;
        Ok((accepted["status"] == "False").then_some(accepted))
    })?;
    let message = accepted["message"].as_str().context("no message")?;
    assert!(message.contains("not registered"), "{message}");
    site.wait_until("no metric", async || Ok(!site.is_seen_by_the_alarm().await?)).await?;
    gateway.sample.add(&good)?;
    gateway.site().await?.assert_answered(200, "downstream").await
}
