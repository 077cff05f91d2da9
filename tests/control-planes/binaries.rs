//! The control planes and their tools, built from Go modules by the `go.mod` beside this file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use artifacts::run;
use package::image::Digest;

/// The folder of `go.mod`.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/control-planes/go");

/// What of the modules' own folders is kept beside the binaries: module, path, name here.
const FILES: [(&str, &str, &str); 4] = [
    ("istio.io/istio", "manifests/charts/base/files/crd-all.gen.yaml", "istio-crds.yaml"),
    ("istio.io/istio", "tools/packaging/common/envoy_bootstrap.json", "envoy_bootstrap.json"),
    (
        "github.com/envoyproxy/gateway",
        "charts/gateway-helm/charts/crds/crds/gatewayapi-crds.yaml",
        "gateway-api-crds.yaml",
    ),
    (
        "github.com/envoyproxy/gateway",
        "charts/gateway-helm/charts/crds/crds/generated",
        "envoy-gateway-crds",
    ),
];

/// The folder with all binaries, and with the files that belong to them.
#[derive(Clone, Debug)]
pub(crate) struct Binaries(PathBuf);

impl Binaries {
    /// Fails if they have to be built, and there is no Go that can.
    pub(crate) fn check() -> Result<()> {
        if folder()?.exists() {
            return Ok(());
        }
        // Outside of the module, in which an older one would refuse to say anything.
        let version = run(go_command(&["env", "GOVERSION"]).current_dir("/")).unwrap_or_default();
        let minor = version
            .trim()
            .strip_prefix("go1.")
            .and_then(|rest| rest.split(['.', '-', ' ']).next()?.parse::<u32>().ok());
        let found = if version.is_empty() { "there is none" } else { version.trim() };
        let new = minor.is_some_and(|minor| minor >= 26);
        ensure!(new, "make test-control-planes needs Go 1.26 or newer on PATH: {found}");
        Ok(())
    }

    /// Those that are there for this very `go.mod`, or else builds them.
    pub(crate) fn get() -> Result<Self> {
        let folder = folder()?;
        let home = folder.parent().context("no folder")?;
        fs::create_dir_all(home)?;
        let lock = File::create(home.join(".lock"))?;
        lock.lock()?;
        if !folder.exists() {
            let scratch = tempfile::Builder::new().prefix(".building-").tempdir_in(home)?;
            build(scratch.path())?;
            fs::rename(scratch.keep(), &folder)?;
        }
        Ok(Self(folder))
    }

    /// A program, or a file, of this name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A command that runs a program.
    pub(crate) fn command(&self, name: &str) -> Command {
        Command::new(self.path(name))
    }

    /// The folder, to be put on `PATH`.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }
}

/// Where they are, whether they are there or not.
fn folder() -> Result<PathBuf> {
    Ok(cache()?.join("edge-breaker/control-planes").join(key()?))
}

/// `$XDG_CACHE_HOME`, else `~/.cache`.
fn cache() -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set("XDG_CACHE_HOME")
        .or_else(|| Some(set("HOME")?.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set: there is no place for the binaries")
}

/// Another one for each content of the folder of `go.mod`.
fn key() -> Result<String> {
    let mut all = Vec::new();
    for file in ["go.mod", "go.sum", "tools.go", "kubelet/main.go"] {
        all.extend(fs::read(Path::new(SOURCES).join(file)).context(file)?);
    }
    Ok(Digest::of(&all).hex()[..16].to_owned())
}

/// Builds all into a folder.
fn build(folder: &Path) -> Result<()> {
    let sources = fs::read_to_string(Path::new(SOURCES).join("tools.go"))?;
    let packages = sources.lines().filter_map(|line| line.trim().strip_prefix("_ "));
    let mut packages: Vec<_> = packages.map(|path| path.trim_matches('"')).collect();
    ensure!(!packages.is_empty(), "tools.go names no packages");
    packages.push("./kubelet");
    eprintln!("building the control planes into {}: ten minutes on two cores", folder.display());
    let mut output = OsString::from(folder);
    output.push("/");
    let mut command =
        go_command(&["build", "-mod=readonly", "-buildvcs=false", "-ldflags=-s -w", "-o"]);
    let status = command.arg(output).args(packages).status().context("go build")?;
    ensure!(status.success(), "go build: {status}");
    // The package of etcd is called so.
    fs::rename(folder.join("server"), folder.join("etcd"))?;
    for (module, path, name) in FILES {
        let home = go(&["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module])?;
        copy(&Path::new(home.trim()).join(path), &folder.join(name))?;
    }
    Ok(())
}

fn go(arguments: &[&str]) -> Result<String> {
    run(&mut go_command(arguments))
}

fn go_command(arguments: &[&str]) -> Command {
    let mut command = Command::new("go");
    // The one that is there, or none: another one is not fetched in silence.
    command.args(arguments).current_dir(SOURCES).env("GOTOOLCHAIN", "local").stdin(Stdio::null());
    command
}

/// Copies a file, or all files of a folder.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        // What is in the modules' folders may not be written.
        fs::write(to, fs::read(from).with_context(|| from.display().to_string())?)?;
        return Ok(());
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
