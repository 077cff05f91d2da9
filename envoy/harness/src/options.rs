//! How an Envoy is started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Envoy, Sample, form};

/// How long Envoy may take to be ready. Compiling a module takes a debug build's largest part of it.
const STARTUP: Duration = Duration::from_secs(180);

/// The configuration of an Envoy and its command line.
#[derive(Clone, Debug)]
pub struct EnvoyOptions {
    pub(crate) config: Value,
    pub(crate) startup: Duration,
    concurrency: u32,
    log_level: String,
    component_log_level: String,
    cpus: Vec<usize>,
    environment: Vec<(String, OsString)>,
    hot_restart: Option<(u32, u32)>,
    arguments: Vec<OsString>,
    pub(crate) version: Option<String>,
    pub(crate) binary: Option<PathBuf>,
    pub(crate) modules: Option<PathBuf>,
    pub(crate) directory: Option<Arc<TempDir>>,
}

impl EnvoyOptions {
    /// An Envoy with this bootstrap configuration, one worker, and a log that holds warnings and
    /// whatever modules log at `info` or above.
    ///
    /// The address of the admin interface is replaced by a free port of the loopback interface.
    #[must_use]
    pub fn new(config: Value) -> Self {
        Self {
            config: with_admin_port(form::adapted(config), 0),
            startup: STARTUP,
            concurrency: 1,
            log_level: "warning".to_owned(),
            component_log_level: "wasm:info,dynamic_modules:info".to_owned(),
            cpus: Vec::new(),
            environment: Vec::new(),
            hot_restart: None,
            arguments: Vec::new(),
            version: None,
            binary: None,
            modules: None,
            directory: None,
        }
    }

    /// The same for a configuration in YAML.
    ///
    /// # Errors
    /// When the text is not YAML.
    pub fn from_yaml(text: &str) -> Result<Self> {
        Ok(Self::new(crate::parse_yaml(text)?))
    }

    /// Puts the admin interface on this port of the loopback interface rather than on a free one.
    #[must_use]
    pub fn admin_port(mut self, port: u16) -> Self {
        self.config = with_admin_port(self.config, port);
        self
    }

    /// The number of worker threads.
    #[must_use]
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// The level of the log as a whole: `info`, `debug` and so on.
    #[must_use]
    pub fn log_level(mut self, level: &str) -> Self {
        level.clone_into(&mut self.log_level);
        self
    }

    /// Levels of single components, as in `wasm:debug,lua:info`; empty for none.
    #[must_use]
    pub fn component_log_level(mut self, levels: &str) -> Self {
        levels.clone_into(&mut self.component_log_level);
        self
    }

    /// Keeps every thread of this Envoy on these CPUs.
    #[must_use]
    pub fn pin_to_cpus(mut self, cpus: &[usize]) -> Self {
        cpus.clone_into(&mut self.cpus);
        self
    }

    /// One more variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Takes over from the Envoy that has the same base id and the epoch before, if this one is above 0, and lets
    /// the next one take over. No other Envoy of the machine may have that base id.
    #[must_use]
    pub fn hot_restart(mut self, base_id: u32, epoch: u32) -> Self {
        self.hot_restart = Some((base_id, epoch));
        self
    }

    /// Keeps its configuration and its log in this directory, with what its user has there for it. It
    /// is removed with the Envoy, even if this process is killed.
    #[must_use]
    pub(crate) fn directory(mut self, directory: Arc<TempDir>) -> Self {
        self.directory = Some(directory);
        self
    }

    /// A directory that one may have for itself.
    pub(crate) fn new_directory() -> Result<Arc<TempDir>> {
        Ok(Arc::new(tempfile::Builder::new().prefix("envoy-").tempdir()?))
    }

    /// Runs the dynamic module wherever it is configured to run the module for proxies.
    #[must_use]
    pub fn native(mut self) -> Self {
        self.config = form::on_native(self.config);
        self
    }

    /// This version of Envoy, whatever the environment says; it is installed if it is not there yet.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        self.version = Some(version.to_owned());
        self
    }

    /// This very file, whatever the environment says.
    #[must_use]
    pub fn binary(mut self, file: &Path) -> Self {
        self.binary = Some(file.to_owned());
        self
    }

    /// Has it look for dynamic modules in this directory, rather than where the breaker's is built.
    #[must_use]
    pub fn modules(mut self, directory: &Path) -> Self {
        self.modules = Some(directory.to_owned());
        self
    }

    /// One more argument of the command line.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// How long Envoy may take until it is ready.
    #[must_use]
    pub fn startup_timeout(mut self, timeout: Duration) -> Self {
        self.startup = timeout;
        self
    }

    /// Starts it, and waits until it is ready.
    ///
    /// # Errors
    /// See [`Envoy::start`].
    pub async fn start(self) -> Result<Envoy> {
        Envoy::start(self).await
    }

    pub(crate) fn command(&self, envoy: &Path, config: &Path, admin_address: &Path) -> Command {
        // What it is run by: a tool that the environment names, on some of the CPUs.
        let mut words = Vec::new();
        if !self.cpus.is_empty() {
            let cpus: Vec<_> = self.cpus.iter().map(ToString::to_string).collect();
            words.extend(["taskset".into(), "-c".into(), cpus.join(",")]);
        }
        let tool = std::env::var("ENVOY_UNDER").unwrap_or_default();
        words.extend(tool.split_whitespace().map(str::to_owned));
        let mut command = match words.split_first() {
            None => Command::new(envoy),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(envoy);
                command
            }
        };
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("-c").arg(config).arg("--admin-address-path").arg(admin_address);
        command.args(["--concurrency", &self.concurrency.to_string()]);
        command.args(["--log-level", &self.log_level]);
        if !self.component_log_level.is_empty() {
            command.args(["--component-log-level", &self.component_log_level]);
        }
        match self.hot_restart {
            Some((base_id, epoch)) => {
                command.args(["--base-id", &base_id.to_string()]);
                command.args(["--restart-epoch", &epoch.to_string()]);
            }
            // Nothing is shared between the proxies of a machine.
            None => drop(command.arg("--disable-hot-restart")),
        }
        command.args(&self.arguments);
        command
    }
}

impl From<Sample> for EnvoyOptions {
    fn from(sample: Sample) -> Self {
        Self::new(sample.into_value())
    }
}

fn with_admin_port(mut config: Value, port: u16) -> Value {
    if let Some(bootstrap) = config.as_object_mut() {
        let admin = bootstrap.entry("admin").or_insert_with(|| json!({}));
        if let Some(admin) = admin.as_object_mut() {
            let address = json!({ "address": "127.0.0.1", "port_value": port });
            admin.insert("address".to_owned(), json!({ "socket_address": address }));
        }
    }
    config
}
