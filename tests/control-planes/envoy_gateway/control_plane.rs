//! Envoy Gateway.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use artifacts::run;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::cluster::Cluster;
use crate::pod::Pod;
use crate::process::Process;

/// Its namespace, in which the proxies are, too.
pub(super) const NAMESPACE: &str = "envoy-gateway-system";

/// A cluster with Envoy Gateway.
#[derive(Debug)]
pub(super) struct EnvoyGateway {
    pub(super) cluster: &'static Cluster,
    _controller: Process,
}

impl EnvoyGateway {
    /// The one of this process, started by the test that asks first.
    pub(super) async fn get() -> Result<&'static Self> {
        static GATEWAY: OnceCell<Result<EnvoyGateway>> = OnceCell::const_new();
        let gateway = GATEWAY.get_or_init(Self::start).await;
        gateway.as_ref().map_err(|error| anyhow!("Envoy Gateway did not start: {error:#}"))
    }

    async fn start() -> Result<Self> {
        let cluster = Cluster::get().await?;
        cluster.apply_definitions("gateway-api-crds.yaml")?;
        cluster.apply_definitions("envoy-gateway-crds")?;
        cluster.kubectl(["create", "namespace", NAMESPACE])?;
        cluster.apply(&json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": { "name": "eg" },
            "spec": { "controllerName": "gateway.envoyproxy.io/gatewayclass-controller" },
        }))?;
        let folder = cluster.folder().join("envoy-gateway");
        fs::create_dir(&folder)?;
        run(command(cluster)
            .args(["certgen", "--disable-topology-injector"])
            .current_dir(&folder))?;
        run(Command::new("mount").args(["-t", "tmpfs", "none", "/certs"]))?;
        for (name, text) in secret(cluster, "envoy-gateway")? {
            fs::write(Path::new("/certs").join(name), text)?;
        }
        fs::write(folder.join("gateway.json"), configuration().to_string())?;
        let mut controller = command(cluster);
        controller.args(["server", "--config-path", "gateway.json"]);
        let controller = Process::start("envoy-gateway", controller, &folder)?;
        let accepted = ["wait", "--for=condition=Accepted", "gatewayclass/eg", "--timeout=90s"];
        cluster.kubectl(accepted).with_context(|| controller.tail())?;
        Ok(Self { cluster, _controller: controller })
    }
}

/// As its chart has it, but for what needs webhooks: which zone a pod is in.
fn configuration() -> serde_json::Value {
    json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": { "controllerName": "gateway.envoyproxy.io/gatewayclass-controller" },
        "provider": { "type": "Kubernetes", "kubernetes": {
            "leaderElection": { "disable": true },
            // With it, proxies wait for the endpoints of their own Service, which nobody makes here.
            "proxyTopologyInjector": { "disabled": true },
        } },
        "extensionApis": { "enableEnvoyPatchPolicy": true, "enableBackend": true },
    })
}

fn command(cluster: &Cluster) -> Command {
    let mut command = cluster.binaries.command("envoy-gateway");
    cluster.environment(&mut command).env("ENVOY_GATEWAY_NAMESPACE", NAMESPACE);
    command
}

/// The files of a secret.
pub(super) fn secret(cluster: &Cluster, name: &str) -> Result<Vec<(String, String)>> {
    let secret = cluster.get_json(["-n", NAMESPACE, "secret", name])?;
    let files = secret["data"].as_object().context("no data")?;
    let decoded = files.keys().map(|file| {
        let text = cluster.kubectl([
            "-n",
            NAMESPACE,
            "get",
            "secret",
            name,
            "-o",
            &format!("go-template={{{{index .data {file:?} | base64decode}}}}"),
        ])?;
        Ok((file.clone(), text))
    });
    decoded.collect()
}

/// Writes a secret to a folder of a pod.
pub(super) fn mount_secret(cluster: &Cluster, pod: &Pod, name: &str, at: &str) -> Result<()> {
    let staged = pod.folder.join(name);
    fs::create_dir_all(&staged)?;
    for (file, text) in secret(cluster, name)? {
        fs::write(staged.join(file), text)?;
    }
    pod.script(&format!("mount --bind '{}' {at}", staged.display()))?;
    Ok(())
}
