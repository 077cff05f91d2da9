//! A real registry of images, and how an operator pushes to it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::PATIENCE;
use crate::debian::Tool;
use artifacts::run;

/// A running registry. Dropped, it is killed.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    address: SocketAddr,
    /// What it keeps, if that ends with it.
    _folder: Option<TempDir>,
}

/// Paths of a certificate and its key.
pub type Tls<'p> = [&'p Path; 2];

impl Registry {
    /// One that is empty, on the loopback interface.
    ///
    /// # Errors
    /// When there is none, or when it does not start.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut registry = Self::start_in(folder.path(), "127.0.0.1:0", None).await?;
        registry._folder = Some(folder);
        Ok(registry)
    }

    /// One at an address that keeps in a folder what it is given.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_in(folder: &Path, address: &str, tls: Option<Tls<'_>>) -> Result<Self> {
        let tool =
            tokio::task::spawn_blocking(|| Tool::named("docker-registry", "docker-registry"))
                .await??;
        let (config, log) = (folder.join("config.yaml"), folder.join("log"));
        fs::write(&config, configuration(&folder.join("storage"), address, tls))?;
        let file = File::create(&log)?;
        let mut command = tool.command();
        command.arg("serve").arg(&config).stdout(file.try_clone()?).stderr(file);
        let mut process = command.spawn().context("the registry does not run")?;
        match wait(&mut process, &log).await {
            Ok(address) => Ok(Self { process, address, _folder: None }),
            Err(error) => {
                process.kill()?;
                Err(error)
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Pushes a tag of a layout, as an operator does.
    ///
    /// # Errors
    /// When skopeo is not to be had, or does not succeed.
    pub async fn push(&self, layout: &Path, tag: &str) -> Result<()> {
        let from = format!("oci:{}:{tag}", layout.display());
        let to = format!("docker://{}/edge-breaker:{tag}", self.address);
        skopeo(vec!["copy".to_owned(), "--dest-tls-verify=false".to_owned(), from, to]).await
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(storage: &Path, address: &str, tls: Option<Tls<'_>>) -> String {
    let tls = tls.map_or_else(String::new, |[certificate, key]| {
        format!(", tls: {{ certificate: {}, key: {} }}", certificate.display(), key.display())
    });
    format!(
        "version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: '{address}'{tls} }}\n",
        storage.display(),
    )
}

/// Where a registry listens, as soon as its log says so.
async fn wait(process: &mut Child, log: &Path) -> Result<SocketAddr> {
    let start = Instant::now();
    loop {
        let said = fs::read_to_string(log)?;
        let address = said.split_once("listening on ").and_then(|(_, rest)| {
            rest.split(|c: char| c == '"' || c == ',' || c.is_whitespace()).next()?.parse().ok()
        });
        if let Some(address) = address {
            return Ok(address);
        }
        if process.try_wait()?.is_some() || start.elapsed() > PATIENCE {
            bail!("the registry does not listen:\n{said}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Runs skopeo, which on a machine that has not been set up has no policy.
///
/// # Errors
/// When it is not to be had, or does not succeed.
pub async fn skopeo(arguments: Vec<String>) -> Result<()> {
    tokio::task::spawn_blocking(move || {
        let tool = Tool::named("skopeo", "skopeo")?;
        run(tool.command().arg("--insecure-policy").args(arguments))?;
        anyhow::Ok(())
    })
    .await?
}
