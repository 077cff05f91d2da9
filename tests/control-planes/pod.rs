//! Pods: a network and mounts of their own, programs in them, and an object that says so.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};
use artifacts::run;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::network;
use crate::process::{Process, until};

/// A pod. Dropped, it is deleted, and its programs are killed.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    /// What its programs write.
    pub(crate) folder: PathBuf,
    programs: Vec<Process>,
    /// Keeps the namespaces while it sleeps.
    sleeper: Process,
    cluster: &'static Cluster,
}

impl Pod {
    /// Makes a pod with these labels and one container of this name, and says that it is ready.
    pub(crate) fn start(
        cluster: &'static Cluster,
        namespace: &str,
        name: &str,
        labels: &Value,
        container: &str,
    ) -> Result<Self> {
        static NUMBER: AtomicU8 = AtomicU8::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let address = network::of_pod(number);
        let folder = cluster.folder().join(format!("pod-{number}-{name}"));
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--propagation", "private", "sleep", "infinity"]);
        let sleeper = Process::start("sleeper", command, &folder)?;
        let program = PathBuf::from(format!("/proc/{}/comm", sleeper.id()));
        until("namespaces", || Ok((fs::read_to_string(&program)? == "sleep\n").then_some(())))?;
        network::connect(sleeper.id(), address)?;
        let ids = cluster.pods().join(namespace);
        fs::create_dir_all(&ids)?;
        fs::write(ids.join(name), sleeper.id().to_string())?;
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let pod = Self { namespace, name, address, folder, programs: Vec::new(), sleeper, cluster };
        pod.publish(labels, container)?;
        Ok(pod)
    }

    /// The object, as a kubelet would have it.
    fn publish(&self, labels: &Value, container: &str) -> Result<()> {
        self.cluster.apply(&json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "namespace": self.namespace, "name": self.name, "labels": labels },
            "spec": {
                "nodeName": "node",
                "serviceAccountName": "default",
                "containers": [{ "name": container, "image": "none" }],
            },
        }))?;
        let ready = [json!({ "type": "Ready", "status": "True" })];
        let running = json!({ "name": container, "image": "none", "imageID": "none", "ready": true,
            "restartCount": 0, "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } } });
        let status = json!({ "status": {
            "phase": "Running", "podIP": self.address, "podIPs": [{ "ip": self.address }],
            "conditions": ready, "containerStatuses": [running],
        } });
        self.cluster.kubectl([
            "-n",
            &self.namespace,
            "patch",
            "pod",
            &self.name,
            "--subresource=status",
            "--type=merge",
            "-p",
            &status.to_string(),
        ])?;
        Ok(())
    }

    /// Runs a script in it to its end.
    pub(crate) fn script(&self, script: &str) -> Result<String> {
        run(self.command(Path::new("/"), "sh").args(["-ec", script]))
    }

    /// A command that runs a program in it, in this folder.
    pub(crate) fn command(&self, folder: &Path, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.sleeper.id().to_string(), "--net", "--mount", "--"]);
        command.arg("env").arg("-C").arg(folder).arg(program.as_ref());
        // A container has one of its own: Envoy keeps modules there that it has fetched.
        command.env("TMPDIR", &self.folder);
        command
    }

    /// Starts a program in it.
    pub(crate) fn run(&mut self, name: &str, command: Command) -> Result<()> {
        self.programs.push(Process::start(name, command, &self.folder)?);
        Ok(())
    }

    /// Ends its programs, as a container that is restarted.
    pub(crate) fn stop(&mut self) {
        self.programs.clear();
    }

    /// Waits until one of its programs has said this.
    pub(crate) fn wait_for_log(&self, text: &str) -> Result<String> {
        self.programs.last().context("no program runs in the pod")?.wait_for_log(text)
    }

    /// An address of it.
    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.address, port))
    }

    /// A socket that listens in it.
    pub(crate) fn listen(&self, address: SocketAddr) -> Result<TcpListener> {
        let namespace = fs::File::open(format!("/proc/{}/ns/net", self.sleeper.id()))?;
        // Of this thread alone, which ends with it.
        let socket = std::thread::spawn(move || {
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET)?;
            anyhow::Ok(TcpListener::bind(address)?)
        });
        socket.join().ok().context("the thread in the pod has panicked")?
    }

    /// How commands name it.
    pub(crate) fn reference(&self) -> String {
        format!("pod/{}", self.name)
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.programs.clear();
        let deleted = self.cluster.kubectl([
            "-n",
            &self.namespace,
            "delete",
            &self.reference(),
            "--grace-period=0",
            "--force",
            "--ignore-not-found",
            "--wait=false",
        ]);
        if let Err(error) = deleted {
            eprintln!("{} was not deleted: {error:#}", self.name);
        }
    }
}
