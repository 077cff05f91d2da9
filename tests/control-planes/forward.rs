//! Ports of pods, as `kubectl port-forward` brings them to this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::cluster::Cluster;
use crate::pod::Pod;
use crate::process::Process;

/// A port of a pod on the loopback interface.
pub(crate) struct Forward {
    cluster: &'static Cluster,
    namespace: String,
    pod: String,
    port: u16,
    folder: PathBuf,
    /// It ends with the first connection that the pod refuses, so it may have to be started again.
    running: Mutex<Option<(Process, SocketAddr)>>,
}

impl Forward {
    /// Of this port.
    pub(crate) fn of(cluster: &'static Cluster, pod: &Pod, port: u16) -> Result<Self> {
        let (namespace, folder) = (pod.namespace.clone(), pod.folder.clone());
        let running = Mutex::default();
        let forward = Self { cluster, namespace, pod: pod.reference(), port, folder, running };
        forward.address()?;
        Ok(forward)
    }

    /// Where it is at the moment.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((process, address)) = &mut *running
            && process.assert_runs().is_ok()
        {
            return Ok(*address);
        }
        *running = None;
        let mut command = self.cluster.binaries.command("kubectl");
        let port = format!(":{}", self.port);
        command.args(["-n", &self.namespace, "port-forward", &self.pod, &port]);
        self.cluster.environment(&mut command);
        let process = Process::start("port-forward", command, &self.folder)?;
        let said = process.wait_for_log("Forwarding from 127.0.0.1")?;
        let address = said.split(' ').nth(2).context("no address")?.parse()?;
        *running = Some((process, address));
        Ok(address)
    }
}
