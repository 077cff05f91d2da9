//! What steers Envoy's router: retries, time limits.

use std::net::SocketAddr;
use std::time::Duration;

use envoy_harness::client::Client;
use envoy_harness::{EnvoyOptions, Sample};
use services::{Ports, Services};
use tests::PAYMENT;
use tests::steering::{OWN_HEADERS, ROUTER_HEADERS};
use tests::steering::{manager, removed};

use super::*;

const PATH: &str = "/payment-service/charge";

/// What Envoy's router reads of a client that is trusted, and what it would come to.
const STEERING: [(&str, &str); 3] = [
    (
        "a good answer is asked for again and again",
        "x-envoy-retry-on: retriable-status-codes\r\nx-envoy-retriable-status-codes: 200\r\n\
         x-envoy-max-retries: 5\r\n",
    ),
    (
        "a good answer with a header of the client's choice is asked for again",
        "x-envoy-retry-on: retriable-headers\r\nX-Envoy-Retriable-Header-Names: content-type\r\n\
         x-envoy-max-retries: 2\r\n",
    ),
    ("the service has a second", "x-envoy-upstream-rq-timeout-ms: 1000\r\n"),
];

/// How long the service takes for each of them: none, or twice what it then has.
const LATENCY: [Duration; 3] = [Duration::ZERO, Duration::ZERO, Duration::from_secs(2)];

/// The recipe with clients on this machine trusted, and nothing or all of its removal left.
async fn recipe(removal: bool) -> Result<Edge> {
    let services = Services::start(Ports::default()).await?;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = Sample::load("envoy/recipe.yaml")?
        .listen("ingress", any)?
        .listen("breaker-admin", any)?
        .endpoint(8081, services.downstream())?
        .endpoint(8082, services.fallback())?
        .endpoint(8083, services.health())?
        .into_value();
    let ingress = manager(&mut config, "ingress")?;
    let here = json!({ "address_prefix": "127.0.0.0", "prefix_len": 8 });
    ingress["use_remote_address"] = json!(true);
    ingress["internal_address_config"] = json!({ "cidr_ranges": [here] });
    if !removal {
        ingress.as_object_mut().context("no manager")?.remove(EARLY);
    }
    let envoy = EnvoyOptions::new(config).start().await?;
    let address = envoy.listener_addr("ingress").await?;
    let admin = envoy.listener_addr("breaker-admin").await?;
    Ok(Edge { envoy: envoy.into(), services, client: Client::new(), address, admin })
}

/// How often the service is called for each of these, and how that ends.
async fn calls(removal: bool) -> Result<Vec<(u64, u16)>> {
    let edge = recipe(removal).await?;
    let payment = edge.services.service(PAYMENT);
    payment.set_failure_rate(0.0);
    let mut seen = Vec::new();
    for ((_, headers), latency) in STEERING.into_iter().zip(LATENCY) {
        payment.set_latency(latency);
        let before = payment.calls();
        let status = send(&edge, PATH, headers).await?.status;
        seen.push((payment.calls() - before, status));
    }
    Ok(seen)
}

#[tokio::test]
async fn a_trusted_client_controls_neither_retries_nor_time_limits_of_the_sample() -> Result<()> {
    assert_eq!(calls(true).await?, [(1, 200); 3]);
    Ok(())
}

#[tokio::test]
async fn without_the_removal_a_trusted_client_controls_retries_and_time_limits() -> Result<()> {
    assert_eq!(calls(false).await?, [(6, 200), (3, 200), (1, 504)]);
    Ok(())
}

#[test]
fn the_sample_removes_all_headers_that_control_the_router_and_no_others() -> Result<()> {
    let wanted: Vec<_> = OWN_HEADERS.iter().chain(&ROUTER_HEADERS).copied().collect();
    assert_eq!(removed(&early_removal()?), wanted);
    Ok(())
}
