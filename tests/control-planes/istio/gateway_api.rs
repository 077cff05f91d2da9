//! `gateway-api.yaml`: a gateway by the Gateway API. Without the injector's templates istiod writes no `Deployment` and
//! no `Service` for it, so these are the test's.

use anyhow::{Context, Result};
use serde_json::json;
use services::Services;
use tests::objects::Objects;

use super::agent::{GATEWAY_PORTS, Workload};
use super::control_plane::Istio;
use crate::applied::Applied;
use crate::cluster::endpoints;
use crate::pod::Pod;
use crate::site::{ADMIN, Site, Ways};

pub(super) const SAMPLE: &str = "envoy/istio/gateway-api.yaml";

/// What istiod would make of the `Gateway`.
const SHOP: Workload = Workload {
    role: "router",
    namespace: "default",
    name: "shop-istio",
    labels: &[
        ("gateway.networking.k8s.io/gateway-name", "shop"),
        ("gateway.networking.k8s.io/gateway-class-name", "istio"),
        ("service.istio.io/canonical-name", "shop-istio"),
    ],
};

/// The sample in force, the services behind it, and a pod of the gateway.
pub(super) struct Gateway {
    istio: &'static Istio,
    services: Services,
    pod: Pod,
    token: String,
    pub(super) sample: Applied,
}

impl Gateway {
    pub(super) async fn start() -> Result<Self> {
        let istio = Istio::get().await?;
        let services = istio.cluster.services()?;
        let mut objects = Objects::load(SAMPLE)?;
        let plugin = objects.get("WasmPlugin", "edge-breaker")?;
        let token = plugin["spec"]["pluginConfig"]["admin"]["token"].as_str();
        let token = token.context("no token")?.to_owned();
        objects.0.push(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "namespace": SHOP.namespace,
                "name": SHOP.name,
                "labels": { "gateway.networking.k8s.io/gateway-name": "shop" },
            },
            "spec": { "ports": [{ "name": "http", "port": 80 }, { "name": "breaker-admin", "port": ADMIN }] },
        }));
        let pod = SHOP.pod(istio, 1)?;
        let ports = [("http", 80), ("breaker-admin", ADMIN)];
        let name = json!(pod.name);
        objects.0.push(endpoints(SHOP.namespace, SHOP.name, &ports, &[pod.address], &name));
        let sample = Applied::apply(istio.cluster, &objects)?;
        Ok(Self { istio, services, pod, token, sample })
    }

    pub(super) async fn site(&self) -> Result<Site<'_>> {
        let token = Some(self.token.as_str());
        let ways = Ways { ports: GATEWAY_PORTS, host: "shop.example.com", token, attempts: 1 };
        Site::of(self.istio.cluster, &self.pod, &self.services, ways).await
    }
}

pub(super) async fn the_breaker_goes_its_whole_round() -> Result<()> {
    let gateway = Gateway::start().await?;
    gateway.site().await?.goes_round().await
}

pub(super) async fn the_admin_api_wants_its_token() -> Result<()> {
    let gateway = Gateway::start().await?;
    let site = gateway.site().await?;
    site.assert_admin_is_not_public(404).await?;
    site.assert_admin_wants_its_token(gateway.pod.at(ADMIN)).await
}
