//! `dynamicmodule.yaml`: the breaker as native code, from a file in the pods.

use std::net::TcpStream;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::objects::Objects;
use tests::pages::Page;

use super::agent::{GATEWAY, GATEWAY_PORTS};
use super::control_plane::Istio;
use super::gateway::{Gateway, SAMPLE, assert_admin_is_on_loopback, changed_fallback};
use crate::pod::Pod;

const NATIVE: &str = "envoy/istio/dynamicmodule.yaml";

/// The sample with the dynamic module in place of the `WasmPlugin`s.
fn sample() -> Result<Objects> {
    let mut objects = Objects::load(SAMPLE)?.replaced_by(NATIVE)?;
    objects.0.retain(|object| object["kind"] != "WasmPlugin");
    Ok(objects)
}

/// The filter, with another value in the configuration of its service.
fn filter_with(field: &str, value: Value) -> Result<Value> {
    let mut filter = sample()?.get("EnvoyFilter", "edge-breaker")?.clone();
    let config =
        &mut filter["spec"]["configPatches"][0]["patch"]["value"]["typed_config"]["filter_config"];
    config["value"]["services"][0][field] = value;
    Ok(filter)
}

/// A pod of the gateway with the file, if it should have it, where the sample says.
fn pod(istio: &Istio, number: u8, with_file: bool) -> Result<Pod> {
    let filter = sample()?.get("EnvoyFilter", "edge-breaker")?.clone();
    let filter = &filter["spec"]["configPatches"][0]["patch"]["value"]["typed_config"];
    let file = filter["dynamic_module_config"]["module"]["local"]["filename"].as_str();
    let file = file.context("no file")?;
    let mut pod = GATEWAY.pod_without_proxy(istio, number)?;
    if with_file {
        let module = istio.cluster.dynamic_module();
        pod.script(&format!("mkdir -p $(dirname {file}) && cp '{}' {file}", module.display()))?;
    }
    let flag = Page::read("docs/dynamic-module.md")?.for_all_proxies("runtimeValues")?;
    GATEWAY.run_agent(istio, &mut pod, &json!({ "runtimeValues": flag }))?;
    Ok(pod)
}

async fn gateway(objects: &Objects) -> Result<Gateway> {
    Gateway::with_pod(objects, |istio| pod(istio, 1, true)).await
}

pub(super) async fn a_dynamic_module_goes_the_whole_round() -> Result<()> {
    let gateway = gateway(&sample()?).await?;
    let site = gateway.site().await?;
    site.goes_round().await?;
    site.assert_admin_is_not_public(404).await?;
    assert_admin_is_on_loopback(&gateway.pod)
}

pub(super) async fn changed_settings_of_a_dynamic_module_keep_the_state_and_lose_no_request()
-> Result<()> {
    let gateway = gateway(&sample()?).await?;
    gateway.assert_changes_keep_the_state(&filter_with("fallback", changed_fallback())?).await
}

/// Pods that run go on with the listeners that they have; new ones have none.
pub(super) async fn a_wrong_configuration_of_a_dynamic_module_holds_the_listeners_up() -> Result<()>
{
    let gateway = gateway(&sample()?).await?;
    let site = gateway.site().await?;
    site.steer("force-open").await?;
    gateway.sample.add(&filter_with("trip", json!({ "consecutive_failures": 0 }))?)?;
    gateway.pod.wait_for_log("configuration refused")?;
    assert_eq!(site.breaker().await?["state"], "FORCED_OPEN");
    site.assert_answered(200, "cluster").await?;
    let new = pod(gateway.istio, 2, true)?;
    new.wait_for_log("configuration refused")?;
    assert_has_no_listener(&new);
    gateway.sample.add(&filter_with("trip", json!({ "consecutive_failures": 3 }))?)?;
    gateway.site_of(&new).await?.assert_answered(200, "downstream").await
}

pub(super) async fn without_its_file_a_new_pod_has_no_listeners() -> Result<()> {
    let gateway = gateway(&sample()?).await?;
    gateway.site().await?;
    let new = pod(gateway.istio, 2, false)?;
    new.wait_for_log("libedge_breaker.so")?;
    assert_has_no_listener(&new);
    Ok(())
}

/// Nobody listens where clients call.
fn assert_has_no_listener(pod: &Pod) {
    let address = pod.at(GATEWAY_PORTS.public);
    let connected = TcpStream::connect(address);
    assert!(connected.is_err(), "{address} is listened to");
}
