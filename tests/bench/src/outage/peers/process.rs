//! A server of Debian's.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use envoy_harness::Watchdog;
use tempfile::TempDir;
use tests::debian::Tool;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// How long a start may take on a busy machine.
const STARTUP: Duration = Duration::from_secs(60);

/// It ends when it is dropped, and with this process.
#[derive(Debug)]
pub(super) struct Process {
    _watchdog: Watchdog,
    child: Child,
    folder: TempDir,
}

/// An address that was free a moment ago.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

impl Process {
    /// Runs a program with this configuration, whose file and folder `arguments` puts in their place,
    /// and waits until it listens.
    pub(super) async fn start(
        tool: &Tool,
        configuration: impl FnOnce(&Path) -> String,
        arguments: impl FnOnce(&Path, &Path) -> Vec<String>,
        address: SocketAddr,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir()?;
        let (file, log) = (folder.path().join("configuration"), folder.path().join("log"));
        fs::write(&file, configuration(folder.path()))?;
        let log = fs::File::create(log)?;
        let mut command = tool.command();
        command.args(arguments(&file, folder.path())).stdout(log.try_clone()?).stderr(log);
        let child = command.process_group(0).spawn();
        let child = child.with_context(|| format!("cannot run {command:?}"))?;
        let watchdog = Watchdog::over(child.id(), folder.path())?;
        let mut process = Self { _watchdog: watchdog, child, folder };
        process.wait_until_it_listens(address).await?;
        Ok(process)
    }

    async fn wait_until_it_listens(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + STARTUP;
        while TcpStream::connect(address).await.is_err() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended at its start, {status}:\n{}", log());
            }
            if Instant::now() > deadline {
                bail!("it does not listen on {address} after {STARTUP:?}:\n{}", log());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
