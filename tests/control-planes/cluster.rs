//! What a cluster has beside its control plane: the API server, a node, the registry, and the samples' services.

mod api_server;
mod services;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use artifacts::run;
use envoy_harness::client::Client;
use serde_json::{Value, json};
use tests::debian::Tool;
use tests::registry::Registry;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, OnceCell};

use crate::binaries::Binaries;
use crate::namespaces;
use crate::network::{self, NODE, REGISTRY};
use crate::process::{PATIENCE, Process};

pub(crate) use self::services::{anywhere, endpoints};

/// The tag of the image in the samples.
const TAG: &str = "0.1.0";

/// The one runtime of all tests, on which the services run.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
    &RUNTIME
}

/// A cluster without its control plane.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) binaries: Binaries,
    folder: PathBuf,
    registry: Mutex<Option<Registry>>,
    _programs: Vec<Process>,
}

impl Cluster {
    /// The cluster of this process, started by who asks first.
    pub(crate) async fn get() -> Result<&'static Self> {
        static CLUSTER: OnceCell<Result<Cluster>> = OnceCell::const_new();
        let cluster = CLUSTER.get_or_init(Self::start).await;
        cluster.as_ref().map_err(|error| anyhow!("the cluster did not start: {error:#}"))
    }

    async fn start() -> Result<Self> {
        let binaries = Binaries::get()?;
        let folder = namespaces::folder()?;
        network::set_up()?;
        let mut programs = vec![network::serve_names(&folder)?];
        certificate(&folder)?;
        fs::create_dir_all(folder.join("pods"))?;
        fs::create_dir_all(folder.join("registry"))?;
        wrap_skopeo(&folder)?;
        programs.extend(api_server::start(&binaries, &folder)?);
        let cluster = Self { binaries, folder, registry: Mutex::default(), _programs: programs };
        cluster.wait_until_ready()?;
        cluster.start_registry().await?;
        let image = cluster.folder.join(namespaces::IMAGE);
        cluster.registry.lock().await.as_ref().context("no registry")?.push(&image, TAG).await?;
        cluster.apply(&node())?;
        cluster.publish_services()?;
        Ok(cluster)
    }

    /// The folder for what the tests write.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The dynamic module.
    pub(crate) fn dynamic_module(&self) -> PathBuf {
        self.folder.join(namespaces::MODULES).join(namespaces::DYNAMIC_MODULE)
    }

    /// The folder with the process ids of the pods, for `go/kubelet`.
    pub(crate) fn pods(&self) -> PathBuf {
        self.folder.join("pods")
    }

    fn wait_until_ready(&self) -> Result<()> {
        crate::process::until("API server", || {
            self.kubectl(["get", "--raw", "/readyz"]).map(Some)
        })?;
        Ok(())
    }

    /// Waits until this URL is answered with 200.
    pub(crate) async fn wait_for(&self, url: &str) -> Result<()> {
        let (client, start) = (Client::new(), Instant::now());
        while !client.get(url).await.is_ok_and(|answer| answer.status == 200) {
            ensure!(start.elapsed() < PATIENCE, "{url} does not answer in {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Starts the registry, with what it had before.
    pub(crate) async fn start_registry(&self) -> Result<()> {
        let tls = ["registry.crt", "registry.key"].map(|name| self.folder.join(name));
        let [certificate, key] = &tls;
        let address = format!("{NODE}:443");
        let folder = self.folder.join("registry");
        let started = Registry::start_in(&folder, &address, Some([certificate, key])).await?;
        *self.registry.lock().await = Some(started);
        Ok(())
    }

    /// Takes the registry away.
    pub(crate) async fn stop_registry(&self) {
        *self.registry.lock().await = None;
    }

    /// Sets what programs need that talk to the cluster and to its registry.
    pub(crate) fn environment<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let ours = [self.folder.join("bin"), self.binaries.folder().to_owned()];
        let path = std::env::join_paths(ours.into_iter().chain(std::env::split_paths(&inherited)));
        command
            .env("PATH", path.unwrap_or(inherited))
            .env("KUBECONFIG", self.folder.join("kubeconfig"))
            .env("SSL_CERT_FILE", self.folder.join("authorities.pem"))
    }

    /// Runs kubectl.
    pub(crate) fn kubectl<const N: usize>(&self, arguments: [&str; N]) -> Result<String> {
        run(self.environment(self.binaries.command("kubectl").args(arguments)))
    }

    /// An object, or a list of them.
    pub(crate) fn get_json<const N: usize>(&self, arguments: [&str; N]) -> Result<Value> {
        let mut command = self.binaries.command("kubectl");
        let said = run(self.environment(command.arg("get").args(arguments).args(["-o", "json"])))?;
        Ok(serde_json::from_str(&said)?)
    }

    /// Applies an object.
    pub(crate) fn apply(&self, object: &Value) -> Result<String> {
        self.with_file(object, |file| self.kubectl(["apply", "-f", file]))
    }

    /// Deletes what is there of an object, or of a list of them.
    pub(crate) fn delete(&self, object: &Value) -> Result<String> {
        let delete = |file: &str| self.kubectl(["delete", "--ignore-not-found", "-f", file]);
        self.with_file(object, delete)
    }

    fn with_file(
        &self,
        object: &Value,
        run: impl FnOnce(&str) -> Result<String>,
    ) -> Result<String> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        serde_json::to_writer(&mut file, object)?;
        file.flush()?;
        run(&file.path().display().to_string())
    }

    /// Applies definitions, which are too large to be applied as an operator's objects are.
    pub(crate) fn apply_definitions(&self, name: &str) -> Result<()> {
        let path = self.binaries.path(name).display().to_string();
        self.kubectl(["apply", "--server-side", "-f", &path])?;
        Ok(())
    }
}

/// A node that `go/kubelet` answers for.
fn node() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": "node" },
        "status": {
            "addresses": [{ "type": "InternalIP", "address": NODE }],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": api_server::KUBELET } },
        },
    })
}

/// Makes the registry's certificate, and what trusts it beside all else.
fn certificate(folder: &Path) -> Result<()> {
    let openssl = Tool::named("openssl", "openssl")?;
    run(openssl
        .command()
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
        .args(["-keyout", "registry.key", "-out", "registry.crt"])
        .args(["-subj", &format!("/CN={REGISTRY}")])
        .args(["-addext", &format!("subjectAltName=DNS:{REGISTRY},IP:{NODE}")]))?;
    let mut authorities = fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    authorities.extend(fs::read(folder.join("registry.crt"))?);
    fs::write(folder.join("authorities.pem"), authorities)?;
    Ok(())
}

/// A `skopeo` for the commands on the pages: on a machine that has not been set up it has no policy.
fn wrap_skopeo(folder: &Path) -> Result<()> {
    let tool = Tool::named("skopeo", "skopeo")?;
    let command = tool.command();
    let libraries =
        command.get_envs().find_map(|(name, value)| (name == "LD_LIBRARY_PATH").then_some(value?));
    let libraries = libraries.unwrap_or_default().to_string_lossy();
    let script = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{libraries}' exec '{}' --insecure-policy \"$@\"\n",
        tool.program().display()
    );
    let path = folder.join("bin/skopeo");
    fs::create_dir_all(folder.join("bin"))?;
    fs::write(&path, script)?;
    run(Command::new("chmod").arg("+x").arg(path))?;
    Ok(())
}
