//! Envoy with this filter, and Envoy with what it has itself.

use std::net::SocketAddr;

use anyhow::Result;
use envoy_harness::config::{Bootstrap, Listener, Route, cluster};
use envoy_harness::{Envoy, EnvoyOptions};
use serde_json::{Value, json};

use crate::cpu::filters;
use crate::outage::peers::{AGAIN, AT_ONCE, CALL, FAILURES, seconds};
use crate::outage::service::HEALTH;

const SERVICE: &str = "service";
const FALLBACK: &str = "fallback";

pub(super) async fn wasm(service: SocketAddr, fallback: SocketAddr) -> Result<(Envoy, SocketAddr)> {
    let filter = filters::wasm(&artifacts::proxy_wasm()?, &breaker())?;
    guarded(filter, service, fallback).await
}

pub(super) async fn native(
    service: SocketAddr,
    fallback: SocketAddr,
) -> Result<(Envoy, SocketAddr)> {
    let filter = filters::native(&breaker())?;
    guarded(filter, service, fallback).await
}

fn breaker() -> Value {
    json!({ "services": [{
        "name": "payment-service",
        "trip": { "consecutive_failures": FAILURES },
        "health_check": { "cluster": SERVICE, "path": HEALTH, "interval": seconds(AGAIN) },
        "bulkhead": { "max_concurrent_calls": AT_ONCE },
        "fallback": { "cluster": FALLBACK },
    }] })
}

async fn guarded(
    filter: Value,
    service: SocketAddr,
    fallback: SocketAddr,
) -> Result<(Envoy, SocketAddr)> {
    // A retry policy, though without retries, has the router keep what a replay needs.
    let mut primary = Route::prefix("/").cluster(SERVICE).timeout(CALL).build();
    primary["route"]["retry_policy"] = json!({ "num_retries": 0 });
    let listener = Listener::new("ingress").filter(filter).route(Route::diverted());
    let listener = listener.route(Route::from(primary));
    let clusters = [cluster(SERVICE, service), cluster(FALLBACK, fallback)];
    started(listener, clusters.into()).await
}

/// An aggregate cluster: the fallback takes over when no host of the service is left, for which
/// failing calls and failing health checks count. A call that failed is tried once more, at the
/// fallback.
pub(super) async fn outlier_detection(
    service: SocketAddr,
    fallback: SocketAddr,
) -> Result<(Envoy, SocketAddr)> {
    let mut primary = cluster(SERVICE, service);
    primary["outlier_detection"] = json!({
        "consecutive_5xx": FAILURES,
        "consecutive_gateway_failure": FAILURES,
        "enforcing_consecutive_gateway_failure": 100,
        "interval": "1s",
        "base_ejection_time": seconds(AGAIN),
        "max_ejection_percent": 100,
    });
    primary["health_checks"] = json!([{
        "timeout": "1s",
        "interval": seconds(AGAIN),
        "no_traffic_interval": seconds(AGAIN),
        "unhealthy_threshold": 1,
        "healthy_threshold": 1,
        "http_health_check": { "path": HEALTH },
    }]);
    let mut secondary = cluster(FALLBACK, fallback);
    for one in [&mut primary, &mut secondary] {
        // Or else Envoy would go on calling a cluster none of whose hosts is well.
        one["common_lb_config"] = json!({ "healthy_panic_threshold": { "value": 0 } });
    }
    let both = json!({
        "name": "both",
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {
            "name": "envoy.clusters.aggregate",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig",
                "clusters": [SERVICE, FALLBACK],
            },
        },
    });
    let mut route = Route::prefix("/").cluster("both").timeout(CALL * 3).build();
    route["route"]["retry_policy"] = json!({
        "retry_on": "5xx,reset,connect-failure,refused-stream",
        "num_retries": 1,
        "per_try_timeout": seconds(CALL),
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
                "update_frequency": 1,
            },
        },
    });
    let listener = Listener::new("ingress").route(Route::from(route));
    started(listener, vec![primary, secondary, both]).await
}

async fn started(listener: Listener, clusters: Vec<Value>) -> Result<(Envoy, SocketAddr)> {
    let bootstrap = clusters.into_iter().fold(Bootstrap::new(), Bootstrap::cluster);
    let options = EnvoyOptions::new(bootstrap.listener(listener).build())
        .env("ENVOY_DYNAMIC_MODULES_SEARCH_PATH", filters::modules());
    let envoy = options.start().await?;
    let address = envoy.listener_addr("ingress").await?;
    Ok((envoy, address))
}
