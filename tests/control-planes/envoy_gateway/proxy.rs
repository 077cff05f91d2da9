//! Pods of the proxy, as the `Deployment` that Envoy Gateway writes describes them.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use super::control_plane::{EnvoyGateway, NAMESPACE, mount_secret};
use crate::pod::Pod;
use crate::process::until;
use crate::site::Ports;

/// Where the listeners of the sample are: below 1024, 10000 is added.
pub(super) const PORTS: Ports = Ports { public: 10080, within: false, metrics: 19001 };

/// The object of this kind that Envoy Gateway has written for the sample's gateway.
pub(super) fn object(gateway: &EnvoyGateway, kind: &str) -> Result<Value> {
    until(kind, || {
        let all = gateway.cluster.get_json([
            "-n",
            NAMESPACE,
            kind,
            "-l",
            "gateway.envoyproxy.io/owning-gateway-name=shop",
        ])?;
        Ok(all["items"].get(0).cloned())
    })
}

/// Starts a pod of it with this number.
pub(super) fn pod(gateway: &EnvoyGateway, number: u8) -> Result<Pod> {
    let deployment = object(gateway, "deployment")?;
    let template = &deployment["spec"]["template"];
    let name = deployment["metadata"]["name"].as_str().context("no name")?;
    let labels = &template["metadata"]["labels"];
    let pod = Pod::start(gateway.cluster, NAMESPACE, &format!("{name}-{number}"), labels, "envoy")?;
    mount_secret(gateway.cluster, &pod, "envoy", "/certs")?;
    let sds = pod.folder.join("sds");
    fs::create_dir(&sds)?;
    let map = gateway.cluster.get_json(["-n", NAMESPACE, "configmap", name])?;
    for (file, text) in map["data"].as_object().context("no data")? {
        fs::write(sds.join(file), text.as_str().context("no text")?)?;
    }
    pod.script(&format!("mount --bind '{}' /sds", sds.display()))?;
    let containers = template["spec"]["containers"].as_array().context("no containers")?;
    let envoy = containers.iter().find(|it| it["name"] == "envoy").context("no Envoy")?;
    let mut command = pod.command(&pod.folder, envoy_harness::locate()?);
    for argument in envoy["args"].as_array().context("no arguments")? {
        let argument = argument.as_str().context("no text")?;
        // What a kubelet takes from the pod and its node.
        let argument = argument.replace("$(ENVOY_POD_NAME)", &pod.name);
        command.arg(argument.replace("$(ENVOY_SERVICE_ZONE)", ""));
    }
    let mut pod = pod;
    pod.run("envoy", command)?;
    Ok(pod)
}
