//! Envoy with the sample.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use envoy_harness::{Envoy, EnvoyOptions, Sample};
use recipe::{BREAKER_ADMIN, INGRESS, Proxy, SERVICES, WORKERS, free_or_any};
use services::Services;

use crate::Form;

/// The port of the samples where Envoy itself can be asked.
const ENVOY_ADMIN: u16 = 9_901;

/// Finds Envoy, or installs it. Returns its version.
///
/// # Errors
///
/// If it cannot be had.
pub(crate) async fn version() -> Result<String> {
    let find = || envoy_harness::locate().and_then(|envoy| envoy_harness::version(&envoy));
    let full = tokio::task::spawn_blocking(find).await??;
    // A commit, the version, and how it was built, between slashes.
    Ok(full.split('/').nth(1).unwrap_or(&full).to_owned())
}

/// Starts Envoy before the services, on the sample's own ports where these are free. Dropped, it is stopped.
///
/// # Errors
///
/// If it does not start.
pub(crate) async fn start(
    version: &str,
    form: Form,
    services: &Services,
) -> Result<(Envoy, Proxy)> {
    let (sample, by) = match form {
        Form::Wasm => ("envoy/recipe.yaml", ""),
        Form::Native => ("envoy/recipe-native.yaml", ", by the dynamic module"),
    };
    let sample = Sample::load(sample)?
        .listen("ingress", free(INGRESS))?
        .listen("breaker-admin", free(BREAKER_ADMIN))?
        .endpoint(SERVICES.downstream, services.downstream())?
        .endpoint(SERVICES.fallback, services.fallback())?
        .endpoint(SERVICES.health, services.health())?;
    let options = EnvoyOptions::from(sample).admin_port(free_or_any(ENVOY_ADMIN));
    let envoy = options.concurrency(WORKERS.into()).start().await?;
    let admin = envoy.admin_addr();
    let proxy = Proxy {
        name: format!("Envoy {version}{by}"),
        ingress: envoy.listener_addr("ingress").await?,
        breaker_admin: envoy.listener_addr("breaker-admin").await?,
        metrics_url: Some(format!("http://{admin}/stats/prometheus?filter=edge_breaker")),
    };
    Ok((envoy, proxy))
}

fn free(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_or_any(port)).into()
}
