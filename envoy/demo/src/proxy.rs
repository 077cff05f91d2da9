//! The proxy in front of the services: Envoy, or `breakerctl serve` where Envoy cannot be had. Both run
//! the same configuration.

use std::env;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use envoy_harness::{Envoy, EnvoyOptions, Sample, repo_root};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::Form;

const TOOL: &str = "breakerctl";

/// A proxy that runs. Dropped, it is stopped.
pub(crate) struct Proxy {
    pub(crate) ingress: SocketAddr,
    pub(crate) breaker_admin: SocketAddr,
    kind: Kind,
}

enum Kind {
    Envoy { envoy: Box<Envoy>, version: String, form: Form },
    Serve { why: String, _tool: Box<Child>, _room: TempDir },
}

impl Proxy {
    /// Starts Envoy or, where there is none and none can be installed, the tool, which has no dynamic modules.
    pub(crate) async fn start(
        sample: Sample,
        form: Form,
        admin_port: u16,
        workers: u32,
    ) -> Result<Self> {
        let version = tokio::task::spawn_blocking(|| {
            envoy_harness::locate().and_then(|envoy| envoy_harness::version(&envoy))
        });
        let full = match version.await? {
            Ok(full) => full,
            Err(why) if form == Form::Native => {
                return Err(why.context("only an Envoy runs the dynamic module"));
            }
            Err(why) => return Self::serve(sample, workers, format!("{why:#}")).await,
        };
        let options = EnvoyOptions::from(sample).admin_port(admin_port).concurrency(workers);
        let envoy = options.start().await?;
        // A commit, the version, and how it was built, between slashes.
        let version = full.split('/').nth(1).unwrap_or(&full).to_owned();
        Ok(Self {
            ingress: envoy.listener_addr("ingress").await?,
            breaker_admin: envoy.listener_addr("breaker-admin").await?,
            kind: Kind::Envoy { envoy: Box::new(envoy), version, form },
        })
    }

    async fn serve(sample: Sample, workers: u32, why: String) -> Result<Self> {
        let room = tempfile::tempdir()?;
        let file = room.path().join("recipe.json");
        std::fs::write(&file, sample.into_value().to_string())?;
        let mut tool = Command::new(tool().await?)
            .args(["serve", "--json", "--workers", &workers.to_string(), "--config"])
            .arg(&file)
            .current_dir(repo_root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // The breaker's log: what it tells is shown anyway.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut line = String::new();
        let told = tool.stdout.take().context("its output")?;
        BufReader::new(told).read_line(&mut line).await?;
        let told: Value = serde_json::from_str(&line)
            .with_context(|| format!("{TOOL} serve has ended: try it with envoy/recipe.yaml"))?;
        let address = |name: &str| -> Result<SocketAddr> {
            let address = told["listeners"][name].as_str();
            Ok(address.with_context(|| format!("no listener {name}: {told}"))?.parse()?)
        };
        Ok(Self {
            ingress: address("ingress")?,
            breaker_admin: address("breaker-admin")?,
            kind: Kind::Serve { why, _tool: Box::new(tool), _room: room },
        })
    }

    /// Where its metrics are shown, if they are.
    pub(crate) fn metrics_url(&self) -> Option<String> {
        match &self.kind {
            Kind::Envoy { envoy, .. } => {
                let admin = envoy.admin_addr();
                Some(format!("http://{admin}/stats/prometheus?filter=edge_breaker"))
            }
            Kind::Serve { .. } => None,
        }
    }

    /// Why it is not Envoy, if it is not.
    pub(crate) fn why_not_envoy(&self) -> Option<&str> {
        match &self.kind {
            Kind::Envoy { .. } => None,
            Kind::Serve { why, .. } => Some(why),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Envoy { version, form: Form::Wasm, .. } => write!(f, "Envoy {version}"),
            Kind::Envoy { version, form: Form::Native, .. } => {
                write!(f, "Envoy {version}, by the dynamic module")
            }
            Kind::Serve { .. } => write!(f, "{TOOL} serve"),
        }
    }
}

/// The tool, which was built beside this program, or is now.
async fn tool() -> Result<PathBuf> {
    let tool = env::current_exe()?.with_file_name(TOOL);
    if !tool.exists() {
        let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "-p", TOOL]).current_dir(repo_root());
        ensure!(build.status().await?.success(), "{TOOL} was not built");
    }
    Ok(tool)
}
