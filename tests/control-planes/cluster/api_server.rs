//! The API server with its store, and what answers for the kubelet of its node.

use std::fs;
use std::path::Path;

use anyhow::Result;
use artifacts::run;
use tests::debian::Tool;

use crate::binaries::Binaries;
use crate::network::NODE;
use crate::process::Process;

/// The port of `go/kubelet`.
pub(super) const KUBELET: u16 = 10250;

/// Where the API server listens.
const ADDRESS: &str = "https://127.0.0.1:16443";

/// Starts them, with a configuration for kubectl in the file `kubeconfig` of the folder.
pub(super) fn start(binaries: &Binaries, folder: &Path) -> Result<Vec<Process>> {
    let openssl = Tool::named("openssl", "openssl")?;
    run(openssl.command().current_dir(folder).args(["genrsa", "-out", "accounts.key", "2048"]))?;
    fs::write(folder.join("tokens.csv"), "secret,admin,admin,\"system:masters\"\n")?;
    let kubeconfig = format!(
        "apiVersion: v1
kind: Config
clusters: [{{ name: tests, cluster: {{ server: \"{ADDRESS}\", insecure-skip-tls-verify: true }} }}]
users: [{{ name: admin, user: {{ token: secret }} }}]
contexts: [{{ name: tests, context: {{ cluster: tests, user: admin }} }}]
current-context: tests
"
    );
    fs::write(folder.join("kubeconfig"), kubeconfig)?;
    let (client, peer) = ("http://127.0.0.1:23790", "http://127.0.0.1:23800");
    let mut etcd = binaries.command("etcd");
    etcd.args(["--data-dir", "etcd", "--unsafe-no-fsync"])
        .args(["--listen-client-urls", client, "--advertise-client-urls", client])
        .args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer])
        .arg(format!("--initial-cluster=default={peer}"));
    let mut server = binaries.command("kube-apiserver");
    server
        .args(["--etcd-servers", client, "--bind-address", "127.0.0.1", "--secure-port", "16443"])
        // There is no default route to take it from, and nobody looks for it.
        .args(["--advertise-address", &NODE.to_string(), "--endpoint-reconciler-type", "none"])
        .args(["--cert-dir", "certificates", "--token-auth-file", "tokens.csv"])
        .args(["--service-account-issuer", "https://kubernetes.default.svc"])
        .args(["--service-account-key-file", "accounts.key"])
        .args(["--service-account-signing-key-file", "accounts.key"])
        .args(["--authorization-mode", "AlwaysAllow", "--service-cluster-ip-range", "10.96.0.0/16"])
        // Nobody makes the accounts that it would want.
        .args(["--disable-admission-plugins", "ServiceAccount"]);
    let mut kubelet = binaries.command("kubelet");
    kubelet.arg(format!("{NODE}:{KUBELET}")).arg(folder.join("pods"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = [binaries.folder().to_owned()].into_iter().chain(std::env::split_paths(&path));
    kubelet.env("PATH", std::env::join_paths(path)?);
    Ok(vec![
        Process::start("etcd", etcd, folder)?,
        Process::start("kube-apiserver", server, folder)?,
        Process::start("kubelet", kubelet, folder)?,
    ])
}
