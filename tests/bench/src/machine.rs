//! The machine: which CPUs are used, and what it is.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;

use crate::args::Args;

const THIS_PROCESS: Pid = Pid::from_raw(0);

/// What the numbers were measured on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) envoy: String,
    pub(crate) processor: String,
    pub(crate) proxies_on_cpu: usize,
    pub(crate) client_on_cpu: usize,
    /// How many threads wanted to run, in the minute before: what else the machine did.
    pub(crate) load: f64,
}

/// The CPU for the proxies, and the one for client and upstream.
pub(crate) fn two_cpus(args: &Args) -> Result<(usize, usize)> {
    let allowed = sched_getaffinity(THIS_PROCESS)?;
    let allowed: Vec<usize> =
        (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu) == Ok(true)).collect();
    ensure!(allowed.len() >= 2, "this needs two CPUs: proxies and client must not share one");
    let proxies = args.cpu.unwrap_or(allowed[0]);
    let at = allowed.iter().position(|cpu| *cpu == proxies);
    let at = at.with_context(|| format!("CPU {proxies} is not among {allowed:?}"))?;
    Ok((proxies, allowed[(at + 1) % allowed.len()]))
}

/// Keeps this thread, and those it starts, on one CPU.
pub(crate) fn pin_this_process(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(THIS_PROCESS, &set)?)
}

pub(crate) fn describe(proxies: usize, ours: usize) -> Result<Machine> {
    let envoy = envoy_harness::version(&envoy_harness::locate()?)?;
    Ok(Machine {
        // The commit says little, the number much.
        envoy: envoy.split('/').nth(1).unwrap_or(&envoy).to_owned(),
        processor: processor(),
        proxies_on_cpu: proxies,
        client_on_cpu: ours,
        load: load(),
    })
}

fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(architecture, |(_, model)| model.trim().to_owned())
}

/// Some architectures have no name in `/proc/cpuinfo`.
fn architecture() -> String {
    let output = Command::new("uname").arg("-m").output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |it| String::from_utf8_lossy(&it.stdout).trim().to_owned(),
    )
}
