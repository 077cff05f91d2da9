//! The machine: which CPUs are used, and what it is.

use std::fs;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use envoy_harness::repo_root;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

const THIS_PROCESS: Pid = Pid::from_raw(0);

/// What the numbers were measured on, and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) envoy: String,
    pub(crate) processor: String,
    /// How many processors this process may run on, or could before it chose one.
    pub(crate) processors: usize,
    /// How many threads wanted to run, in the minute before: what else the machine did.
    pub(crate) load: f64,
    /// The state of the repository.
    pub(crate) commit: String,
    pub(crate) at: String,
}

/// Who runs where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpus {
    /// For a proxy of one worker.
    pub(crate) proxy: usize,
    /// For client and upstream; or the next to `proxy`, for a proxy of two workers.
    pub(crate) client: usize,
}

impl Cpus {
    pub(crate) fn choose(proxy: Option<usize>) -> Result<Self> {
        let allowed = sched_getaffinity(THIS_PROCESS)?;
        let allowed: Vec<usize> =
            (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu) == Ok(true)).collect();
        ensure!(allowed.len() >= 2, "this needs two CPUs: proxies and client must not share one");
        let proxy = proxy.unwrap_or(allowed[0]);
        let at = allowed.iter().position(|cpu| *cpu == proxy);
        let at = at.with_context(|| format!("CPU {proxy} is not among {allowed:?}"))?;
        Ok(Self { proxy, client: allowed[(at + 1) % allowed.len()] })
    }

    /// Keeps this thread, and those that it starts, on the CPU for the client.
    pub(crate) fn pin_this_thread(self) -> Result<()> {
        let mut set = CpuSet::new();
        set.set(self.client)?;
        Ok(sched_setaffinity(THIS_PROCESS, &set)?)
    }

    /// For so many workers: with two of them the client has to share.
    pub(crate) fn of(self, workers: u32) -> Vec<usize> {
        if workers == 1 { vec![self.proxy] } else { vec![self.proxy, self.client] }
    }
}

impl Machine {
    pub(crate) fn describe() -> Result<Self> {
        let envoy = envoy_harness::version(&envoy_harness::locate()?)?;
        Ok(Self {
            // The commit says little, the number much.
            envoy: envoy.split('/').nth(1).unwrap_or(&envoy).to_owned(),
            processor: processor(),
            processors: fs::read_to_string("/proc/cpuinfo")
                .map_or(0, |info| info.matches("processor\t").count()),
            load: load(),
            commit: said("git", &["rev-parse", "--short", "HEAD"]),
            at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        })
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { envoy, processor, processors, load, commit, at } = self;
        write!(out, "Envoy {envoy}, {processors} x {processor}, load before {load}, {commit}, {at}")
    }
}

fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    // Some architectures have no name there.
    model.map_or_else(|| said("uname", &["-m"]), |(_, model)| model.trim().to_owned())
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(repo_root()).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |it| String::from_utf8_lossy(&it.stdout).trim().to_owned(),
    )
}
