//! Pods with pilot-agent and the proxy that it runs.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::pages::Page;

use super::control_plane::{ADDRESS, Istio};
use crate::pod::Pod;
use crate::process::until;
use crate::site::Ports;

/// A workload whose pods have a proxy.
#[derive(Clone, Copy)]
pub(super) struct Workload {
    /// `router` for a gateway, `sidecar` for all others.
    pub(super) role: &'static str,
    pub(super) namespace: &'static str,
    /// The name of its `Deployment`.
    pub(super) name: &'static str,
    /// The labels of its pods.
    pub(super) labels: &'static [(&'static str, &'static str)],
}

/// The ingress gateway of the samples.
pub(super) const GATEWAY: Workload = Workload {
    role: "router",
    namespace: "istio-system",
    name: "istio-ingressgateway",
    labels: &[("app", "istio-ingressgateway"), ("istio", "ingressgateway")],
};

/// The workload whose calls `sidecar.yaml` guards.
pub(super) const SHOP: Workload =
    Workload { role: "sidecar", namespace: "default", name: "shop", labels: &[("app", "shop")] };

impl Workload {
    pub(super) fn labels(&self) -> Value {
        self.labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// Its `Deployment`, of which no controller makes pods here.
    pub(super) fn deployment(&self) -> Value {
        let labels = self.labels();
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "namespace": self.namespace, "name": self.name },
            "spec": {
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": { "containers": [{ "name": "istio-proxy", "image": "none" }] },
                },
            },
        })
    }

    /// A pod of it, whose proxy has been started.
    pub(super) fn pod(&self, istio: &Istio, number: u8) -> Result<Pod> {
        self.pod_with(istio, number, &json!({}))
    }

    /// The same with more of a proxy's configuration, as the annotation `proxy.istio.io/config` has it.
    pub(super) fn pod_with(&self, istio: &Istio, number: u8, more: &Value) -> Result<Pod> {
        let mut pod = self.pod_without_proxy(istio, number)?;
        self.run_agent(istio, &mut pod, more)?;
        Ok(pod)
    }

    /// The same before its proxy is started.
    pub(super) fn pod_without_proxy(&self, istio: &Istio, number: u8) -> Result<Pod> {
        let name = format!("{}-{number}", self.name);
        let pod = Pod::start(istio.cluster, self.namespace, &name, &self.labels(), "istio-proxy")?;
        // What a pod mounts: a folder for modules, a token for the certificate authority, and its certificate.
        pod.script("mount -t tmpfs none /var/lib && mkdir -p /var/lib/istio/data")?;
        let secrets = pod.folder.join("var/run/secrets");
        fs::create_dir_all(secrets.join("tokens"))?;
        fs::create_dir_all(secrets.join("istio"))?;
        let token = istio.cluster.kubectl([
            "-n",
            self.namespace,
            "create",
            "token",
            "default",
            "--audience",
            "istio-ca",
        ])?;
        fs::write(secrets.join("tokens/istio-token"), token.trim())?;
        let authority = until("certificate of Istio", || {
            let map = istio.cluster.get_json([
                "-n",
                self.namespace,
                "configmap",
                "istio-ca-root-cert",
            ])?;
            Ok(map["data"]["root-cert.pem"].as_str().map(str::to_owned))
        })?;
        fs::write(secrets.join("istio/root-cert.pem"), authority)?;
        Ok(pod)
    }

    /// Starts the agent in a pod, once more if it was stopped.
    pub(super) fn run_agent(&self, istio: &Istio, pod: &mut Pod, more: &Value) -> Result<()> {
        let folder = pod.folder.clone();
        let mut config = json!({
            "discoveryAddress": ADDRESS,
            "binaryPath": envoy_harness::locate()?,
            "configPath": folder.join("etc"),
            "statusPort": 15020,
            "extraStatTags": Page::read("docs/istio.md")?.for_all_proxies("extraStatTags")?,
        });
        let more = more.as_object().context("no fields")?;
        config.as_object_mut().context("no object")?.extend(more.clone());
        let mut command = pod.command(&folder, istio.cluster.binaries.path("pilot-agent"));
        istio.cluster.environment(&mut command);
        command
            .args([
                "proxy",
                self.role,
                "--domain",
                &format!("{}.svc.cluster.local", self.namespace),
            ])
            .args(["--proxyLogLevel=warning", "--proxyComponentLogLevel=misc:error"])
            .args(["--concurrency", "2", "--templateFile"])
            .arg(istio.cluster.binaries.path("envoy_bootstrap.json"))
            .env("POD_NAME", &pod.name)
            .env("POD_NAMESPACE", self.namespace)
            .env("SERVICE_ACCOUNT", "default")
            .env("INSTANCE_IP", pod.address.to_string())
            .env("POD_IP", pod.address.to_string())
            .env("CA_ADDR", ADDRESS)
            .env("JWT_POLICY", "third-party-jwt")
            .env("PILOT_CERT_PROVIDER", "istiod")
            .env("PROXY_CONFIG", config.to_string())
            .env("ISTIO_META_CLUSTER_ID", "Kubernetes")
            .env("ISTIO_META_WORKLOAD_NAME", self.name)
            .env("ISTIO_METAJSON_LABELS", self.labels().to_string());
        if self.role == "sidecar" {
            // There is nothing here that would lead its connections to the proxy, so its listeners have ports.
            command.env("ISTIO_META_INTERCEPTION_MODE", "NONE");
        }
        pod.run("istio-proxy", command)
    }
}

/// Where the listeners of a gateway are.
pub(super) const GATEWAY_PORTS: Ports = Ports { public: 80, within: false, metrics: 15090 };

/// Where those of a sidecar are.
pub(super) const SIDECAR_PORTS: Ports = Ports { public: 8080, within: true, metrics: 15090 };
