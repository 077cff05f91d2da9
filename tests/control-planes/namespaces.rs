//! Namespaces of their own: the network, the mounts and the processes of all that a test starts.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, exit};

use anyhow::{Context, Result};
use tests::debian::Tool;

use crate::binaries::Binaries;
use crate::needs;

/// Names the control plane that is tested, inside of the namespaces.
const PLANE: &str = "EDGE_BREAKER_CONTROL_PLANE";

/// Names the folder for what the tests write.
const FOLDER: &str = "EDGE_BREAKER_CONTROL_PLANE_FOLDER";

/// The folder with the image, in that for what the tests write.
pub(crate) const IMAGE: &str = "image";

/// The folder with the dynamic module, likewise.
pub(crate) const MODULES: &str = "modules";

/// The dynamic module in it.
pub(crate) const DYNAMIC_MODULE: &str = "libedge_breaker.so";

/// Where the pods of Envoy Gateway, and it itself, have certificates and names of secrets.
const MOUNT_POINTS: [&str; 2] = ["/certs", "/sds"];

/// The control plane whose tests this process runs.
pub(crate) fn plane() -> Option<String> {
    env::var(PLANE).ok()
}

/// The folder for what the tests write.
pub(crate) fn folder() -> Result<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from).with_context(|| format!("{FOLDER} is not set"))
}

/// Runs this program again in namespaces of its own, once for each control plane, and ends as they do.
pub(crate) fn run_both() -> ! {
    match try_run_both() {
        Ok(code) => exit(code),
        Err(error) => {
            eprintln!("{error:#}");
            exit(1);
        }
    }
}

fn try_run_both() -> Result<i32> {
    needs::check()?;
    // While there is a network that leads to where these are.
    Binaries::get()?;
    for (name, package) in TOOLS {
        Tool::named(name, package)?;
    }
    envoy_harness::locate()?;
    let home = tempfile::tempdir()?;
    package::image::write(&fs::read(tests::module()?)?, &[], &home.path().join(IMAGE))?;
    fs::create_dir(home.path().join(MODULES))?;
    fs::copy(artifacts::dynamic_module()?, home.path().join(MODULES).join(DYNAMIC_MODULE))?;
    let made: Vec<_> = MOUNT_POINTS.iter().filter(|it| fs::create_dir(it).is_ok()).collect();
    let planes = ["istio", "envoy-gateway"].map(|plane| Inside::start(plane, home.path()));
    let codes: Result<Vec<_>> = planes.into_iter().map(|it| it?.finish()).collect();
    for folder in made {
        let _ = fs::remove_dir(folder);
    }
    let failed = codes?.into_iter().find(|code| *code != 0);
    if failed.is_some() {
        eprintln!("the logs are in {}", home.keep().display());
    }
    Ok(failed.unwrap_or(0))
}

/// The programs that are taken from Debian where they are missing, and their packages.
pub(crate) const TOOLS: [(&str, &str); 6] = [
    ("curl", "curl"),
    ("dnsmasq", "dnsmasq-base"),
    ("docker-registry", "docker-registry"),
    ("ip", "iproute2"),
    ("openssl", "openssl"),
    ("skopeo", "skopeo"),
];

/// One run of this program in its namespaces.
struct Inside {
    process: Child,
    output: PathBuf,
}

impl Inside {
    fn start(plane: &str, home: &Path) -> Result<Self> {
        let folder = home.join(plane);
        fs::create_dir(&folder)?;
        for made in [IMAGE, MODULES] {
            std::os::unix::fs::symlink(home.join(made), folder.join(made))?;
        }
        let output = folder.join("output");
        let file = File::create(&output)?;
        let arguments: Vec<OsString> = env::args_os().skip(1).collect();
        let process = Command::new("unshare")
            .args(["--net", "--mount", "--propagation", "private"])
            .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
            .arg(env::current_exe()?)
            .args(arguments)
            .env(PLANE, plane)
            .env(FOLDER, &folder)
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("unshare (of util-linux) does not run")?;
        Ok(Self { process, output })
    }

    /// Waits for its end and shows what it said.
    fn finish(mut self) -> Result<i32> {
        let status = self.process.wait()?;
        print!("{}", String::from_utf8_lossy(&fs::read(&self.output)?));
        Ok(status.code().unwrap_or(1))
    }
}
