//! Nothing outlives the process that started it, however that process ends.
//!
//! A destructor does not run when a test runner is killed. The kernel's parent-death signal would
//! do, but it is tied to the *thread* that started the child, and a test's thread ends with its
//! test. So a shell waits on a pipe whose other end closes with us, kills what it watches, and
//! removes the directory that this one had for itself.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::envoy::in_own_process_group;

/// Kills one process when this process is gone. Dropped, it no longer does.
#[derive(Debug)]
pub struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Watches over the process with this id, a child of this one, and the directory that it leaves
    /// behind.
    ///
    /// # Errors
    /// When there is no `sh`.
    pub fn over(pid: u32, directory: &Path) -> Result<Self> {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"read -r _; kill -9 "$1" 2>/dev/null; rm -rf "$2""#, "watchdog"])
            .arg(pid.to_string())
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let shell = in_own_process_group(&mut command).spawn().context("cannot run sh")?;
        Ok(Self { shell })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // It has to be gone before the pipe closes, or it would bite.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn it_kills_when_the_pipe_closes() {
        let mut watched = sleeper();
        let directory = tempfile::tempdir().unwrap();
        let mut watchdog = Watchdog::over(watched.id(), directory.path()).unwrap();
        // As the end of this process would.
        drop(watchdog.shell.stdin.take());
        assert_eq!(watched.wait().unwrap().signal(), Some(9));
        watchdog.shell.wait().unwrap();
        assert!(!directory.path().exists());
    }

    #[test]
    fn it_lets_go_when_it_is_dropped() {
        let mut watched = sleeper();
        let directory = tempfile::tempdir().unwrap();
        drop(Watchdog::over(watched.id(), directory.path()).unwrap());
        assert!(watched.try_wait().unwrap().is_none());
        assert!(directory.path().exists());
        watched.kill().unwrap();
        watched.wait().unwrap();
    }
}
