//! A real etcd, on the loopback interface.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use artifacts::run;
use envoy_harness::client::{Client, full};
use serde_json::json;
use tempfile::TempDir;

use crate::PATIENCE;
use crate::debian::Tool;

/// A running etcd. Dropped, it is killed.
#[derive(Debug)]
pub struct Etcd {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Etcd {
    /// One that is empty.
    ///
    /// # Errors
    /// When there is none, or when it does not start.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = free_address()?;
        let process = spawn(&folder, address).await?;
        let mut etcd = Self { process, address, folder };
        etcd.wait().await?;
        Ok(etcd)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it. Connections are refused from then on.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts it again, with what it has kept.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart(&mut self) -> Result<()> {
        self.process = spawn(&self.folder, self.address).await?;
        self.wait().await
    }

    /// Has it hang, or go on: connections are taken, and nothing is answered.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn hang(&self, hangs: bool) -> Result<()> {
        let signal = if hangs { "-STOP" } else { "-CONT" };
        run(Command::new("kill").arg(signal).arg(self.process.id().to_string())).map(drop)
    }

    async fn wait(&mut self) -> Result<()> {
        let client = Client::new();
        let begun = Instant::now();
        loop {
            let all = json!({ "key": "AA==", "range_end": "AA==", "limit": 1 }).to_string();
            let request = http::Request::post(format!("http://{}/v3/kv/range", self.address));
            if let Ok(answer) = client.send(request.body(full(all))?).await
                && answer.status == 200
            {
                return Ok(());
            }
            let log = self.folder.path().join("log");
            if let Some(status) = self.process.try_wait()? {
                bail!("etcd has ended, {status}: {}", std::fs::read_to_string(log)?);
            }
            if begun.elapsed() > PATIENCE {
                bail!("etcd does not answer: {}", std::fs::read_to_string(log)?);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn spawn(folder: &TempDir, address: SocketAddr) -> Result<Child> {
    let tool = tokio::task::spawn_blocking(|| Tool::named("etcd", "etcd-server")).await??;
    let log = File::create(folder.path().join("log"))?;
    let (clients, peers) = (format!("http://{address}"), format!("http://{}", free_address()?));
    let mut command = tool.command();
    command
        .args(["--name", "one", "--logger", "zap", "--data-dir"])
        .arg(folder.path().join("data"))
        .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
        .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
        .args(["--initial-cluster", &format!("one={peers}")])
        .stdout(log.try_clone()?)
        .stderr(log);
    command.spawn().context("etcd does not run")
}

/// One that nobody had a moment ago.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
