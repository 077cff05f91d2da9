//! istiod.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, anyhow};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::cluster::Cluster;
use crate::process::Process;

/// The name and port by which proxies find it.
pub(super) const ADDRESS: &str = "istiod.istio-system.svc:15012";

/// A cluster with Istio.
#[derive(Debug)]
pub(super) struct Istio {
    pub(super) cluster: &'static Cluster,
    _istiod: Process,
}

impl Istio {
    /// The one of this process, started by the test that asks first.
    pub(super) async fn get() -> Result<&'static Self> {
        static ISTIO: OnceCell<Result<Istio>> = OnceCell::const_new();
        let istio = ISTIO.get_or_init(Self::start).await;
        istio.as_ref().map_err(|error| anyhow!("Istio did not start: {error:#}"))
    }

    async fn start() -> Result<Self> {
        let cluster = Cluster::get().await?;
        cluster.apply_definitions("gateway-api-crds.yaml")?;
        cluster.apply_definitions("istio-crds.yaml")?;
        cluster.kubectl(["create", "namespace", "istio-system"])?;
        // A controller that does not run would make them.
        for namespace in ["istio-system", "default"] {
            cluster.kubectl(["-n", namespace, "create", "serviceaccount", "default"])?;
        }
        let folder = cluster.folder().join("istiod");
        fs::create_dir(&folder)?;
        let istiod = Process::start("istiod", command(cluster, &folder)?, &folder)?;
        cluster.wait_for("http://127.0.0.1:18880/ready").await?;
        Ok(Self { cluster, _istiod: istiod })
    }
}

/// istiod as its chart runs it, but for what needs filters of Istio's own proxy, and webhooks.
fn command(cluster: &Cluster, folder: &Path) -> Result<Command> {
    let mesh = json!({
        "defaultConfig": { "discoveryAddress": ADDRESS },
        // Istio's own statistics, which are a filter of its proxy.
        "defaultProviders": {},
    });
    fs::write(folder.join("mesh.json"), mesh.to_string())?;
    let mut command = cluster.binaries.command("pilot-discovery");
    command
        .args(["discovery", "--meshConfig", "mesh.json", "--networksConfig", "/dev/null"])
        .arg("--kubeconfig")
        .arg(cluster.folder().join("kubeconfig"))
        .args(["--grpcAddr", "", "--secureGRPCAddr", ":15012", "--httpAddr", "127.0.0.1:18880"])
        .args(["--httpsAddr", "", "--monitoringAddr", "127.0.0.1:15014", "--ctrlz_port", "0"])
        .env("POD_NAMESPACE", "istio-system")
        .env("ROOT_CA_DIR", folder)
        .envs(
            ["METADATA_EXCHANGE", "ALPN_FILTER", "TELEMETRY_LABEL"]
                .map(|it| (format!("PILOT_ENABLE_{it}"), "false")),
        )
        .envs([("INJECTION_WEBHOOK_CONFIG_NAME", ""), ("VALIDATION_WEBHOOK_CONFIG_NAME", "")])
        .env("ENABLE_LEADER_ELECTION", "false");
    Ok(command)
}
