//! A real registry on the loopback interface, and what is pushed to it and pulled from it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use envoy_harness::client::{Client, Response, empty};
use package::image::Digest;
use serde_json::Value;
use tempfile::TempDir;
use tests::PATIENCE;
use tests::debian::{Tool, run};

use crate::image::puller;

/// What a client says that it takes.
const MANIFESTS: &str = "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// A registry that is empty at first. Dropped, it is killed.
pub(crate) struct Registry {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Registry {
    pub(crate) async fn start() -> Result<Self> {
        let tool =
            tokio::task::spawn_blocking(|| Tool::named("docker-registry", "docker-registry"))
                .await??;
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("config.yaml");
        let storage = folder.path().join("storage");
        fs::write(
            &config,
            format!(
                "version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: '127.0.0.1:0' }}\n",
                storage.display(),
            ),
        )?;
        let log = folder.path().join("log");
        let file = File::create(&log)?;
        let mut command = tool.command();
        command.arg("serve").arg(&config).stdout(file.try_clone()?).stderr(file);
        let process = command.spawn().context("the registry does not run")?;
        // Filled in below, and killed if it cannot be.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut registry = Self { process, address: nowhere, _folder: folder };
        registry.address = registry.wait(&log).await?;
        Ok(registry)
    }

    /// Where it listens, as soon as its log says so.
    async fn wait(&mut self, log: &Path) -> Result<SocketAddr> {
        let start = Instant::now();
        loop {
            let said = fs::read_to_string(log)?;
            let address = said.split_once("listening on ").and_then(|(_, rest)| {
                rest.split(|c: char| c == '"' || c.is_whitespace()).next()?.parse().ok()
            });
            if let Some(address) = address {
                return Ok(address);
            }
            if self.process.try_wait()?.is_some() || start.elapsed() > PATIENCE {
                bail!("the registry does not listen:\n{said}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Pushes a tag of a layout, as an operator does.
    pub(crate) async fn push(&self, layout: &Path, tag: &str) -> Result<()> {
        let from = format!("oci:{}:{tag}", layout.display());
        let to = format!("docker://{}/edge-breaker:{tag}", self.address);
        skopeo(vec!["copy".to_owned(), "--dest-tls-verify=false".to_owned(), from, to]).await
    }

    /// Asks the registry.
    pub(crate) async fn get(&self, path: &str) -> Result<Response> {
        let url = format!("http://{}/v2/edge-breaker/{path}", self.address);
        let request = http::Request::get(url).header("accept", MANIFESTS).body(empty())?;
        let response = Client::new().send(request).await?;
        ensure!(response.status == 200, "{path}: {} {}", response.status, response.text());
        Ok(response)
    }

    /// A manifest by its tag, as it is stored.
    pub(crate) async fn manifest(&self, tag: &str) -> Result<(Digest, Value)> {
        let response = self.get(&format!("manifests/{tag}")).await?;
        let digest = Digest::of(&response.body);
        let said = response.header("docker-content-digest");
        ensure!(said == Some(&digest.to_string()), "{said:?} is not {digest}");
        Ok((digest, response.json()?))
    }

    /// Pulls the module of a tag, as Istio does.
    pub(crate) async fn pull(&self, tag: &str) -> Result<Vec<u8>> {
        let (_, manifest) = self.manifest(tag).await?;
        let layer = puller::layer(&manifest)?;
        let content = self.get(&format!("blobs/{}", layer.digest)).await?.body;
        ensure!(Digest::of(&content).to_string() == layer.digest, "other bytes than asked for");
        puller::module(&layer, &content)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs skopeo, which on a machine that has not been set up has no policy.
pub(crate) async fn skopeo(arguments: Vec<String>) -> Result<()> {
    tokio::task::spawn_blocking(move || {
        let tool = Tool::named("skopeo", "skopeo")?;
        run(tool.command().arg("--insecure-policy").args(arguments))?;
        anyhow::Ok(())
    })
    .await?
}
