//! docs/envoy-gateway.md, taken at its word: each command on it is run, in the order in which a reader comes to it.

use anyhow::Result;
use tests::objects::Objects;

use super::control_plane::EnvoyGateway;
use super::gateway::{SAMPLE, token};
use super::proxy::{self, PORTS};
use crate::applied::Applied;
use crate::removal;
use crate::shell::{Shell, clone_with};
use crate::site::{Site, Ways};

const PAGE: &str = "docs/envoy-gateway.md";

pub(super) async fn each_command_on_the_page_does_what_it_says() -> Result<()> {
    let eg = EnvoyGateway::get().await?;
    let services = eg.cluster.services()?;
    let home = clone_with(eg.cluster, SAMPLE)?;
    let objects = Objects::load(SAMPLE)?;
    // The reader has a pod from the step before; here it is made when the sample has been applied.
    let sample = Applied::apply(eg.cluster, &objects)?;
    let pod = proxy::pod(eg, 1)?;
    let token = token(&objects)?;
    let gateway = pod.at(PORTS.public).to_string();
    let variables = [("GATEWAY", gateway.as_str()), ("TOKEN", &token)];
    let mut page = Shell::start(eg.cluster, PAGE, &home, &variables)?;

    page.block("breakerctl check")?;
    let shown = page.block("kubectl apply")?;
    assert!(shown.contains(r#""state":"METRICS_ONLY""#), "{shown}");
    let shown = page.block("$breaker/force-open")?;
    assert!(shown.contains("x-circuit-breaker-fallback: cluster"), "{shown}");
    let shown = page.block("$breaker/enable")?;
    assert!(shown.contains(r#""state":"CLOSED""#), "{shown}");
    let shown = page.inline("kubectl describe", &[])?;
    assert!(shown.contains("Accepted"), "{shown}");
    let shown = page.inline("egctl config envoy-proxy cluster", &[])?;
    assert!(shown.contains("httproute/default/payments/rule/0"), "{shown}");
    let shown = page.inline("curl -X POST", &[])?;
    assert!(shown.contains(r#""state":"DISABLED""#), "{shown}");

    let ways = Ways { ports: PORTS, host: "shop.example.com", token: Some(&token), attempts: 3 };
    let site = Site::unguarded(eg.cluster, &pod, &services, ways).await?;
    removal::follow(PAGE, &mut page, SAMPLE, &sample, &site).await?;
    page.assert_all_were_run();
    Ok(())
}
