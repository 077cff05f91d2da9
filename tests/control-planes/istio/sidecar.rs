//! `sidecar.yaml`: one workload's calls of a service.

use anyhow::Result;
use services::Services;
use tests::objects::Objects;
use tests::steering::ROUTER_HEADERS;

use super::agent::{SHOP, SIDECAR_PORTS, Workload};
use super::control_plane::Istio;
use super::gateway::assert_admin_is_on_loopback;
use super::steering;
use crate::applied::Applied;
use crate::pod::Pod;
use crate::site::{Site, Ways};

const SAMPLE: &str = "envoy/istio/sidecar.yaml";

/// Another one in the same namespace.
const OTHER: Workload =
    Workload { role: "sidecar", namespace: "default", name: "other", labels: &[("app", "other")] };

/// The sample in force, the services behind it, and a pod with a sidecar.
struct Sidecar {
    istio: &'static Istio,
    services: Services,
    pod: Pod,
    sample: Applied,
}

impl Sidecar {
    async fn of(workload: Workload, objects: &Objects) -> Result<Self> {
        let istio = Istio::get().await?;
        let services = istio.cluster.services()?;
        let sample = Applied::apply(istio.cluster, objects)?;
        let pod = workload.pod(istio, 1)?;
        Ok(Self { istio, services, pod, sample })
    }

    async fn site(&self, host: &'static str) -> Result<Site<'_>> {
        let ways = Ways { ports: SIDECAR_PORTS, host, token: None, attempts: 3 };
        Site::of(self.istio.cluster, &self.pod, &self.services, ways).await
    }
}

pub(super) async fn the_breaker_goes_its_whole_round() -> Result<()> {
    let sidecar = Sidecar::of(SHOP, &Objects::load(SAMPLE)?).await?;
    sidecar.site("payments:8080").await?.goes_round().await
}

pub(super) async fn the_admin_api_of_an_istio_sidecar_is_on_loopback_only() -> Result<()> {
    let sidecar = Sidecar::of(SHOP, &Objects::load(SAMPLE)?).await?;
    sidecar.site("payments").await?.assert_admin_is_not_public(503).await?;
    assert_admin_is_on_loopback(&sidecar.pod)
}

/// Whatever a client says of itself in a header.
pub(super) async fn the_admin_listener_of_an_istio_sidecar_goes_by_the_connections_address()
-> Result<()> {
    let sidecar = Sidecar::of(SHOP, &Objects::load(SAMPLE)?).await?;
    sidecar.site("payments").await?.assert_admin_goes_by_the_connection().await
}

pub(super) async fn another_workloads_calls_are_left_alone() -> Result<()> {
    let sidecar = Sidecar::of(OTHER, &Objects::load(SAMPLE)?).await?;
    let ways = Ways { ports: SIDECAR_PORTS, host: "payments", token: None, attempts: 3 };
    let site =
        Site::unguarded(sidecar.istio.cluster, &sidecar.pod, &sidecar.services, ways).await?;
    site.assert_serves_unguarded().await
}

/// It may ask for retries and time limits: it is the application that is guarded.
pub(super) async fn the_application_of_an_istio_sidecar_controls_no_breaker() -> Result<()> {
    let mut objects = Objects::load(SAMPLE)?;
    objects.0.push(steering::guard("SIDECAR_OUTBOUND", &SHOP));
    let sidecar = Sidecar::of(SHOP, &objects).await?;
    let site = sidecar.site("payments").await?;
    site.assert_clients_steer_nothing().await?;
    sidecar.sample.add(&steering::tell_what_comes("SIDECAR_OUTBOUND", &SHOP))?;
    let these = async || Ok(site.what_comes_through().await? == ROUTER_HEADERS);
    site.wait_until("requests with the router's headers only", these).await
}
