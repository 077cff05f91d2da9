//! The network: a bridge with addresses of its own, pods on it, and a name server.
//!
//! Loopback addresses would not do. Kubernetes refuses them as endpoints, and each pod has its own.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use artifacts::run;
use tests::debian::Tool;

use crate::process::Process;

/// This side of the bridge: the API server's node, the control plane, the registry and the name server.
pub(crate) const NODE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Where the samples' services are, unless they are in pods.
pub(crate) const SERVICES: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 11);

/// The registry of the samples.
pub(crate) const REGISTRY: &str = "registry.example.com";

/// The address of the pod of this number.
pub(crate) fn of_pod(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 1, number)
}

/// The bridge's hardware address. Without one of its own it would take another whenever a pod comes or goes, and
/// pods that had asked for it before would be cut off.
const BRIDGE: &str = "02:00:0a:4d:00:01";

/// Makes the bridge.
pub(crate) fn set_up() -> Result<()> {
    let script = format!(
        "set -e
         ip link set lo up
         ip link add pods address {BRIDGE} type bridge
         ip addr add {NODE}/16 dev pods
         ip addr add {SERVICES}/16 dev pods
         ip link set pods up"
    );
    run(Command::new("sh").args(["-c", &script])).context("no bridge for the pods' network")?;
    Ok(())
}

/// Connects the network namespace of a process to the bridge.
pub(crate) fn connect(process: u32, address: Ipv4Addr) -> Result<()> {
    let number = address.octets()[3];
    let script = format!(
        "set -e
         ip link add pod{number} type veth peer name eth0 netns {process}
         ip link set pod{number} master pods up
         inside='nsenter --target {process} --net ip'
         $inside addr add {address}/16 dev eth0
         $inside link set lo up
         $inside link set eth0 up
         $inside route add default via {NODE}"
    );
    run(Command::new("sh").args(["-c", &script])).context("no network for a pod")?;
    Ok(())
}

/// Starts the name server that all ask from now on: it knows the registry, and that all services of the
/// control planes are on the node.
pub(crate) fn serve_names(folder: &Path) -> Result<Process> {
    let tool = Tool::named("dnsmasq", "dnsmasq-base")?;
    let mut command = tool.command();
    command
        .args(["--keep-in-foreground", "--no-resolv", "--no-hosts", "--bind-interfaces"])
        .args(["--conf-file=/dev/null", "--pid-file=", "--user=root", "--group=root"])
        .arg(format!("--listen-address={NODE}"))
        .arg(format!("--address=/svc.cluster.local/{NODE}"))
        .arg(format!("--address=/svc/{NODE}"))
        .arg(format!("--address=/{REGISTRY}/{NODE}"));
    let server = Process::start("dnsmasq", command, folder)?;
    let asked = folder.join("resolv.conf");
    fs::write(&asked, format!("nameserver {NODE}\n"))?;
    let known = fs::canonicalize("/etc/resolv.conf")?;
    run(Command::new("mount").arg("--bind").arg(asked).arg(known))?;
    Ok(server)
}
