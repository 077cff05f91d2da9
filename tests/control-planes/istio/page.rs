//! docs/istio.md, taken at its word: each command on it is run, in the order in which a reader comes to it.

use anyhow::Result;
use envoy_harness::repo_root;
use tests::objects::Objects;

use super::agent::{GATEWAY, SHOP, SIDECAR_PORTS};
use super::control_plane::Istio;
use super::gateway::WAYS;
use super::gateway_api::{self, Gateway};
use crate::applied::Applied;
use crate::removal;
use crate::shell::{Shell, clone_with};
use crate::site::{Site, Ways};

const PAGE: &str = "docs/istio.md";

pub(super) async fn each_command_on_the_page_does_what_it_says() -> Result<()> {
    let istio = Istio::get().await?;
    let services = istio.cluster.services()?;
    let sample = "envoy/istio/gateway.yaml";
    let home = clone_with(istio.cluster, sample)?;
    let deployment = Objects(vec![GATEWAY.deployment()]);
    let _deployment = Applied::apply(istio.cluster, &deployment)?;
    let pod = GATEWAY.pod(istio, 1)?;
    let address = pod.address.to_string();
    let mut page = Shell::start(istio.cluster, PAGE, &home, &[("GATEWAY", &address)])?;

    page.inside(&repo_root(), |page| page.block("skopeo copy"))?;
    page.block("breakerctl check")?;
    let applied = Applied::expected(istio.cluster, &Objects::load(sample)?);
    let shown = page.block("kubectl apply")?;
    assert!(shown.contains(r#""state":"METRICS_ONLY""#), "{shown}");
    let shown = page.block("$breaker/force-open")?;
    assert!(shown.contains("x-circuit-breaker-fallback: cluster"), "{shown}");
    let shown = page.block("$breaker/enable")?;
    assert!(shown.contains(r#""state":"CLOSED""#), "{shown}");
    let shown = page.block("pilot-agent request")?;
    assert!(shown.contains(r#"edge_breaker_state{cb_service="payments""#), "{shown}");
    let shown = page.block("for pod in")?;
    assert!(shown.contains(r#""state":"FORCED_OPEN""#), "{shown}");
    let deployment = "deployment/istio-ingressgateway -n istio-system";
    let shown = page.inline("istioctl proxy-config", &[("DEPLOYMENT", deployment)])?;
    assert!(shown.contains("payments-fallback.default.svc.cluster.local"), "{shown}");
    page.inline("istioctl x describe", &[])?;
    let shown = page.inline("curl -X POST", &[])?;
    assert!(shown.contains(r#""state":"DISABLED""#), "{shown}");

    let site = Site::unguarded(istio.cluster, &pod, &services, WAYS).await?;
    removal::follow(PAGE, &mut page, sample, &applied, &site).await?;
    drop((site, pod, applied));

    let sample = "envoy/istio/sidecar.yaml";
    let applied = Applied::apply(istio.cluster, &Objects::load(sample)?)?;
    let pod = SHOP.pod(istio, 1)?;
    let ways = Ways { ports: SIDECAR_PORTS, host: "payments", token: None, attempts: 3 };
    let site = Site::of(istio.cluster, &pod, &services, ways).await?;
    removal::follow(PAGE, &mut page, sample, &applied, &site).await?;
    drop((site, pod, applied));
    drop(services);

    let gateway = Gateway::start().await?;
    let site = gateway.site().await?;
    removal::follow(PAGE, &mut page, gateway_api::SAMPLE, &gateway.sample, &site).await?;

    page.assert_all_were_run();
    Ok(())
}
