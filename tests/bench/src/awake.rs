//! CPUs that do not go to sleep between two requests.
//!
//! A core that is woken for each request starts each with cold caches, in a virtual machine more
//! so, and then every detour costs as much as any other. A proxy under load does not sleep. So
//! something else runs on the core whenever nothing wants to, at the priority that gives way at
//! once; it is another process, and its time is not counted.

use std::process::{Child, Command, Stdio};

use crate::machine::Cpus;

/// Ends with the process that started it, however that ends.
const SPIN: &str = "while kill -0 \"$1\" 2>/dev/null; do \
                    i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; done";

/// Keeps CPUs awake until it is dropped.
pub(crate) struct Awake(Vec<Child>);

impl Awake {
    /// Without `chrt` and `taskset` the CPUs sleep as they like, and the numbers are noisier.
    pub(crate) fn keep(cpus: Cpus) -> Self {
        let parent = std::process::id().to_string();
        let spin = |cpu: usize| {
            Command::new("chrt")
                .args(["--idle", "0", "taskset", "-c", &cpu.to_string(), "sh", "-c", SPIN, "spin"])
                .arg(&parent)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .ok()
        };
        Self([cpus.proxy, cpus.client].into_iter().filter_map(spin).collect())
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended by itself, if it could not run at all.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
