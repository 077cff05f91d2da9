//! Filters before all others, which show what a client can steer.

use serde_json::{Value, json};
use tests::steering::tell;

/// Who takes the service's route is refused with 403.
pub(super) fn guard() -> Value {
    json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "SecurityPolicy",
        "metadata": { "namespace": "default", "name": "guard" },
        "spec": {
            "targetRefs": [{
                "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "payments", "sectionName": "service",
            }],
            "authorization": { "defaultAction": "Deny" },
        },
    })
}

/// Each request is answered with the names of the headers that it has. Clients are trusted, or else Envoy would
/// remove some by itself.
pub(super) fn tell_what_comes() -> Value {
    let manager = "/default_filter_chain/filters/0/typed_config";
    let patch = |path: &str, value: Value| {
        json!({
            "type": "type.googleapis.com/envoy.config.listener.v3.Listener",
            "name": "default/shop/http",
            "operation": { "op": "add", "path": format!("{manager}/{path}"), "value": value },
        })
    };
    let trusted = json!({ "cidr_ranges": [{ "address_prefix": "10.77.0.0", "prefix_len": 16 }] });
    json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyPatchPolicy",
        "metadata": { "namespace": "default", "name": "tell" },
        "spec": {
            "targetRef": { "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "shop" },
            "type": "JSONPatch",
            "jsonPatches": [patch("http_filters/0", tell()), patch("internal_address_config", trusted)],
        },
    })
}
