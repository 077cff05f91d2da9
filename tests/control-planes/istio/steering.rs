//! Filters before all others, which show what a client can steer.

use serde_json::{Value, json};
use tests::steering::{RBAC, rbac, rbac_refusing_all, tell};

use super::agent::Workload;

const MANAGER: &str = "envoy.filters.network.http_connection_manager";

/// Who takes the route `payments` is refused with 403.
pub(super) fn guard(context: &str, workload: &Workload) -> Value {
    let route = json!({
        "applyTo": "HTTP_ROUTE",
        "match": { "context": context, "routeConfiguration": { "vhost": { "route": { "name": "payments" } } } },
        "patch": {
            "operation": "MERGE",
            "value": { "typed_per_filter_config": { RBAC: rbac_refusing_all() } },
        },
    });
    filter("guard", workload, &[first(context, rbac()), route])
}

/// Each request is answered with the names of the headers that it has. Clients are trusted, or else Envoy would
/// remove some by itself.
pub(super) fn tell_what_comes(context: &str, workload: &Workload) -> Value {
    let trust = json!({
        "applyTo": "NETWORK_FILTER",
        "match": { "context": context, "listener": { "filterChain": { "filter": { "name": MANAGER } } } },
        "patch": {
            "operation": "MERGE",
            "value": { "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "use_remote_address": true,
                "internal_address_config": { "cidr_ranges": [
                    { "address_prefix": "10.77.0.0", "prefix_len": 16 },
                    { "address_prefix": "127.0.0.0", "prefix_len": 8 },
                ] },
            } },
        },
    });
    filter("tell", workload, &[first(context, tell()), trust])
}

fn first(context: &str, filter: Value) -> Value {
    json!({
        "applyTo": "HTTP_FILTER",
        "match": { "context": context, "listener": { "filterChain": { "filter": { "name": MANAGER } } } },
        "patch": { "operation": "INSERT_FIRST", "value": filter },
    })
}

fn filter(name: &str, workload: &Workload, patches: &[Value]) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": { "name": name, "namespace": workload.namespace },
        "spec": { "workloadSelector": { "labels": workload.labels() }, "configPatches": patches },
    })
}
