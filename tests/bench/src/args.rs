//! The command line.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Parser;
use envoy_harness::repo_root;

/// Measures the CPU time per request that filters add to a plain route of a real Envoy.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Args {
    /// How often all proxies are started anew.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) starts: u32,
    /// Rounds per start.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Requests per burst, of which each proxy gets one per round.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) requests: u32,
    /// Requests before each burst that do not count.
    #[arg(long, default_value_t = 20)]
    pub(crate) warm_up: u32,
    /// Requests to each proxy after its start that do not count, while its code is being compiled.
    #[arg(long, default_value_t = 2000)]
    pub(crate) start_up: u32,
    /// Connections that are busy at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// The module to measure. Given several times, as `name=path`, builds are compared.
    #[arg(long, value_name = "[NAME=]PATH", value_parser = module)]
    pub(crate) module: Vec<Module>,
    /// The empty filter's module, if it is to be another than the one of this repository.
    #[arg(long, value_name = "PATH")]
    pub(crate) empty: Option<PathBuf>,
    /// A configuration (JSON) for the module, instead of one service with a fallback and a health
    /// check. It has to have a service that matches `GET /`.
    #[arg(long, value_name = "PATH")]
    pub(crate) configuration: Option<PathBuf>,
    /// The CPU for the proxies; the next one is for the client and the upstream.
    #[arg(long)]
    pub(crate) cpu: Option<usize>,
    /// What the order of the bursts and the intervals are drawn from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where every number is written to.
    #[arg(long, value_name = "PATH", default_value_os_t = repo_root().join("target/bench/envoy.json"))]
    pub(crate) json: PathBuf,
    /// Fails when ours costs over 1.5 times what an empty filter does.
    #[arg(long)]
    pub(crate) check: bool,
}

/// A module under comparison.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl Args {
    /// The modules under comparison: those given, else the one of this repository.
    ///
    /// # Errors
    /// When that cannot be built, as below.
    pub(crate) fn modules(&self) -> Result<Vec<Module>> {
        if self.module.is_empty() {
            let path = artifacts::proxy_wasm()?;
            return Ok(vec![Module { name: "edge breaker".to_owned(), path }]);
        }
        Ok(self.module.clone())
    }

    /// The module of the empty filter.
    pub(crate) fn empty(&self) -> Result<PathBuf> {
        self.empty.clone().map_or_else(artifacts::empty_filter, Ok)
    }
}

/// Reads `name=path`, or a path whose file gives the name.
fn module(text: &str) -> Result<Module, std::io::Error> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name.to_owned(), Path::new(path)),
        None => {
            let path = Path::new(text);
            (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path)
        }
    };
    // Envoy runs in another directory.
    Ok(Module { name, path: std::path::absolute(path)? })
}
