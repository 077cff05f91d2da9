//! A running Envoy.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::admin::Admin;
use crate::watchdog::Watchdog;
use crate::{EnvoyOptions, Prometheus, Stats, cpu, form};

const POLL: Duration = Duration::from_millis(10);

/// An Envoy that was ready. Dropped, it is killed; with a panic under way the end of its log is
/// printed first.
#[derive(Debug)]
pub struct Envoy {
    // Fields are dropped in this order: the watchdog lets go before the process ends.
    _watchdog: Watchdog,
    process: Process,
    admin: Admin,
    /// Where in its log that of its present user begins.
    logged: usize,
}

impl Envoy {
    /// Starts an Envoy in the root of the repository and waits until it is ready.
    ///
    /// # Errors
    /// When no Envoy is found, or when it ends or is not ready in time. The message then holds the
    /// end of its log, which says what was wrong with the configuration.
    pub async fn start(options: EnvoyOptions) -> Result<Self> {
        let (named, version) = (options.binary.clone(), options.version.clone());
        let binary = tokio::task::spawn_blocking(|| match (named, version) {
            (Some(named), _) => Ok(named),
            (None, Some(version)) => crate::install::installed(&version),
            (None, None) => crate::locate(),
        });
        let binary = binary.await??;
        let mut process = Process::spawn(&binary, &options)?;
        let watchdog = Watchdog::over(process.child.id(), process.directory.path())?;
        let ready = timeout(options.startup, process.wait_until_ready()).await;
        match ready {
            Ok(Ok(admin)) => Ok(Self { _watchdog: watchdog, process, admin, logged: 0 }),
            Ok(Err(error)) => Err(error),
            Err(_) => bail!("Envoy was not ready in {:?}:\n{}", options.startup, process.tail()),
        }
    }

    /// Begins anew for its next user: counters are at 0, and what was logged before is left out.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn renew(&mut self) -> Result<()> {
        // A connection is of the runtime that opened it, which may be gone.
        self.admin = Admin::new(self.admin.address());
        self.logged = self.process.log().len();
        self.admin.reset_counters().await
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Where the admin interface listens.
    #[must_use]
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Where the listener of this name listens. If it was configured with port 0, this is the port
    /// the kernel chose.
    ///
    /// # Errors
    /// When there is no such listener; the message names those that are there.
    pub async fn listener_addr(&self, name: &str) -> Result<SocketAddr> {
        self.admin.listener_addr(name).await
    }

    /// Every counter and gauge.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn stats(&self) -> Result<Stats> {
        self.admin.stats().await
    }

    /// The counters and gauges in whose names this regular expression matches: an Envoy of many
    /// listeners and clusters has thousands.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn stats_matching(&self, regex: &str) -> Result<Stats> {
        self.admin.stats_matching(regex).await
    }

    /// One counter or gauge; 0 if there is none of this name, as before its first increment.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn counter(&self, name: &str) -> Result<u64> {
        Ok(self.stats().await?.get(name).unwrap_or(0))
    }

    /// Waits until a counter or gauge is at least this much, and returns its value.
    ///
    /// # Errors
    /// When it is not so in time.
    pub async fn wait_for_counter(&self, name: &str, least: u64, within: Duration) -> Result<u64> {
        let deadline = Instant::now() + within;
        loop {
            let value = self.counter(name).await?;
            if value >= least {
                return Ok(value);
            }
            if Instant::now() >= deadline {
                bail!("{name} is {value}, not {least}, after {within:?}:\n{}", self.process.tail());
            }
            sleep(POLL).await;
        }
    }

    /// All metrics, as a Prometheus server would read them.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn prometheus(&self) -> Result<Prometheus> {
        self.admin.prometheus().await
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log().split_off(self.logged)
    }

    /// Waits until the log holds this text, and returns the line that does.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn wait_for_log(&self, text: &str, within: Duration) -> Result<String> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(line) = self.log().lines().find(|line| line.contains(text)) {
                return Ok(line.to_owned());
            }
            if Instant::now() >= deadline {
                bail!("no {text:?} in the log after {within:?}:\n{}", self.process.tail());
            }
            sleep(POLL).await;
        }
    }

    /// The CPU time that all its threads have used since it started.
    ///
    /// # Errors
    /// When the process is gone, or on a system that does not tell.
    pub fn cpu_time(&self) -> Result<Duration> {
        cpu::time_of(self.pid())
    }

    /// `None` while it runs, else how it ended: a test of robustness asks at its end.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.child.try_wait()?)
    }
}

/// The child, and the directory that holds its configuration and its log.
#[derive(Debug)]
struct Process {
    child: Child,
    directory: Arc<TempDir>,
}

impl Process {
    fn spawn(binary: &Path, options: &EnvoyOptions) -> Result<Self> {
        let directory = options.directory.clone();
        let directory = directory.map_or_else(EnvoyOptions::new_directory, Ok)?;
        let config = directory.path().join("envoy.json");
        fs::write(&config, serde_json::to_string_pretty(&options.config)?)?;
        // A file never fills up and needs nobody to read it, as a pipe does.
        let log = File::create(directory.path().join("log"))?;
        let mut command = options.command(binary, &config, &directory.path().join("admin-address"));
        command
            .current_dir(crate::repo_root())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let modules = options.modules.clone();
        if let Some(modules) =
            modules.map_or_else(|| form::search_path(&options.config), |it| Ok(Some(it)))?
        {
            command.env("ENVOY_DYNAMIC_MODULES_SEARCH_PATH", modules);
        }
        let child = in_own_process_group(&mut command)
            .spawn()
            .with_context(|| format!("cannot run {command:?}"))?;
        Ok(Self { child, directory })
    }

    async fn wait_until_ready(&mut self) -> Result<Admin> {
        let address = self.directory.path().join("admin-address");
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("Envoy ended at its start ({status}):\n{}", self.tail());
            }
            let written = fs::read_to_string(&address).unwrap_or_default();
            if let Ok(address) = written.trim().parse() {
                let admin = Admin::new(address);
                if admin.is_ready().await {
                    return Ok(admin);
                }
            }
            sleep(POLL).await;
        }
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn log(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn tail(&self) -> String {
        const LINES: usize = 40;
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the end of the log of Envoy {}:\n{}", self.child.id(), self.tail());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ctrl-C in a terminal goes to a whole process group: it is ours to say when Envoy ends.
pub(crate) fn in_own_process_group(command: &mut Command) -> &mut Command {
    command.process_group(0)
}
