//! Clusters: where requests go.

use std::net::SocketAddr;

use serde_json::{Value, json};

/// A cluster of one endpoint, which speaks HTTP/1.1. A connection may take long: on a busy machine
/// a second does not tell an endpoint that is down from one that waits for its turn.
#[must_use]
pub fn cluster(name: &str, endpoint: SocketAddr) -> Value {
    let address = json!({ "address": endpoint.ip(), "port_value": endpoint.port() });
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "10s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{
                "lb_endpoints": [{ "endpoint": { "address": { "socket_address": address } } }],
            }],
        },
    })
}

/// A cluster of one endpoint, which speaks HTTP/2, as gRPC does.
#[must_use]
pub fn http2_cluster(name: &str, endpoint: SocketAddr) -> Value {
    let mut cluster = cluster(name, endpoint);
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} },
        },
    });
    cluster
}
