//! The two services of the samples.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Result;
use serde_json::{Value, json};
use services::Services;

use crate::cluster::Cluster;
use crate::network;
use crate::process::until;

/// Where they listen: the guarded one, and the one that answers in its stead.
const PORTS: [u16; 2] = [9191, 9192];

/// Their names.
const NAMES: [&str; 2] = ["payments", "payments-fallback"];

/// What the endpoint controller would make: addresses of a service that serves these ports, the last one by the
/// pod of this name, if any.
pub(crate) fn endpoints(
    namespace: &str,
    service: &str,
    ports: &[(&str, u16)],
    addresses: &[Ipv4Addr],
    pod: &Value,
) -> Value {
    let ports: Vec<_> =
        ports.iter().map(|(name, port)| json!({ "name": name, "port": port })).collect();
    let endpoint = |address: &Ipv4Addr| {
        let mut endpoint =
            json!({ "addresses": [address], "conditions": { "ready": true }, "nodeName": "node" });
        if pod.is_string() {
            endpoint["targetRef"] = json!({ "kind": "Pod", "namespace": namespace, "name": pod });
        }
        endpoint
    };
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{service}-1"),
            "namespace": namespace,
            "labels": { "kubernetes.io/service-name": service },
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": addresses.iter().map(endpoint).collect::<Vec<_>>(),
    })
}

impl Cluster {
    /// Writes their objects, with endpoints where [`Self::services`] listens.
    pub(crate) fn publish_services(&self) -> Result<()> {
        for (name, port) in NAMES.into_iter().zip(PORTS) {
            self.apply(&json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": { "name": name, "namespace": "default" },
                "spec": { "ports": [{ "name": "http", "port": 8080, "targetPort": port }] },
            }))?;
            let (ports, none) = ([("http", port)], Value::Null);
            self.apply(&endpoints("default", name, &ports, &[network::SERVICES], &none))?;
        }
        Ok(())
    }

    /// The services, as new, where the objects say.
    pub(crate) fn services(&self) -> Result<Services> {
        let [downstream, fallback] = PORTS.map(|port| bind((network::SERVICES, port).into()));
        Ok(Services::on([downstream?, fallback?, anywhere()?, anywhere()?])?)
    }
}

/// Waits for what a test before has left, whose sockets are closed when its tasks have ended.
fn bind(address: SocketAddr) -> Result<TcpListener> {
    until(&format!("free {address}"), || Ok(Some(TcpListener::bind(address)?)))
}

/// For what no sample asks for: a listener of its own for health checks, and controls.
pub(crate) fn anywhere() -> Result<TcpListener> {
    bind((Ipv4Addr::LOCALHOST, 0).into())
}
