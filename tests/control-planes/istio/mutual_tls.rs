//! `gateway.yaml` before services that take nothing but mutual TLS: sidecars in their pods see to it.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use anyhow::Result;
use serde_json::{Value, json};
use services::Services;
use tests::objects::Objects;

use super::agent::{GATEWAY, Workload};
use super::control_plane::Istio;
use super::gateway::WAYS;
use crate::applied::Applied;
use crate::cluster::{anywhere, endpoints};
use crate::pod::Pod;
use crate::process::until;
use crate::site::Site;

/// Where the services' own programs listen in their pods.
const APPLICATION: u16 = 19191;

/// Where the sidecars do.
const SIDECAR: u16 = 9191;

/// The services' pods, as the injector labels those that have a sidecar.
const WORKLOADS: [Workload; 2] = [
    Workload {
        role: "sidecar",
        namespace: "default",
        name: "payments",
        labels: &[("app", "payments"), ("security.istio.io/tlsMode", "istio")],
    },
    Workload {
        role: "sidecar",
        namespace: "default",
        name: "payments-fallback",
        labels: &[("app", "payments-fallback"), ("security.istio.io/tlsMode", "istio")],
    },
];

/// The sidecar takes what comes for the service, and gives it to the program.
fn sidecar(workload: &Workload) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": { "namespace": workload.namespace, "name": workload.name },
        "spec": {
            "workloadSelector": { "labels": { "app": workload.name } },
            "ingress": [{
                "port": { "number": SIDECAR, "name": "http", "protocol": "HTTP" },
                "defaultEndpoint": format!("127.0.0.1:{APPLICATION}"),
            }],
        },
    })
}

/// Puts the services back to where all other tests have them.
struct PutBack(&'static Istio);

impl Drop for PutBack {
    fn drop(&mut self) {
        if let Err(error) = self.0.cluster.publish_services() {
            eprintln!("the services were not put back: {error:#}");
        }
    }
}

pub(super) async fn health_checks_and_replays_go_by_mutual_tls() -> Result<()> {
    let istio = Istio::get().await?;
    let mut objects = Objects::load("envoy/istio/gateway.yaml")?;
    objects.0.extend(WORKLOADS.iter().map(sidecar));
    objects.0.push(json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": { "namespace": "default", "name": "default" },
        "spec": { "mtls": { "mode": "STRICT" } },
    }));
    let _sample = Applied::apply(istio.cluster, &objects)?;
    let _put_back = PutBack(istio);
    let pods = WORKLOADS.map(|workload| workload.pod(istio, 1));
    let [payments, fallback] = pods;
    let (payments, fallback) = (payments?, fallback?);
    for (workload, pod) in WORKLOADS.iter().zip([&payments, &fallback]) {
        let ports = [("http", SIDECAR)];
        let name = json!(pod.name);
        istio.cluster.apply(&endpoints("default", workload.name, &ports, &[pod.address], &name))?;
    }
    let application = |pod: &Pod| pod.listen((Ipv4Addr::LOCALHOST, APPLICATION).into());
    let sockets = [application(&payments)?, application(&fallback)?, anywhere()?, anywhere()?];
    let services = Services::on(sockets)?;
    for pod in [&payments, &fallback] {
        let sidecar = pod.at(SIDECAR);
        until(&format!("sidecar at {sidecar}"), || Ok(Some(TcpStream::connect(sidecar)?)))?;
        assert_plain_is_refused(sidecar).await?;
    }
    let gateway = GATEWAY.pod(istio, 1)?;
    let site = Site::of(istio.cluster, &gateway, &services, WAYS).await?;
    site.goes_round().await
}

/// A call without TLS gets no answer.
async fn assert_plain_is_refused(sidecar: SocketAddr) -> Result<()> {
    let answer = envoy_harness::client::Client::new().get(&format!("http://{sidecar}/")).await;
    assert!(answer.is_err(), "{answer:?}");
    Ok(())
}
