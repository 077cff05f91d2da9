//! The CPU time of another process.

use std::time::Duration;

use anyhow::Result;

/// What all threads of the process have used so far, to the nanosecond, those that ended included.
#[cfg(target_os = "linux")]
pub(crate) fn time_of(pid: u32) -> Result<Duration> {
    use anyhow::Context;
    use nix::time::clock_getcpuclockid;
    use nix::unistd::Pid;

    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?))
        .and_then(nix::time::ClockId::now)
        .with_context(|| format!("no CPU clock for process {pid}"))?;
    Ok(clock.into())
}

/// Other systems keep no such clock.
#[cfg(not(target_os = "linux"))]
pub(crate) fn time_of(_pid: u32) -> Result<Duration> {
    anyhow::bail!("the CPU clock of another process can be read on Linux only")
}
