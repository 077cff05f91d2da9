//! The memory that a process holds.

use std::fs;

use anyhow::{Context, Result};

/// What of it lies in memory, in MiB.
pub(crate) fn of(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| path.clone())?;
    kibibytes(&status).map(|it| it / 1024.0).with_context(|| format!("no VmRSS in {path}"))
}

fn kibibytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_part_is_read_from_the_processs_status() {
        assert_eq!(kibibytes("VmPeak:\t  9 kB\nVmRSS:\t    2048 kB\nThreads:\t1\n"), Some(2048.0));
        assert_eq!(kibibytes("Threads:\t1\n"), None);
        assert!(of(std::process::id()).is_ok_and(|it| it > 0.1));
    }
}
