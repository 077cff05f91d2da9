//! Runs the tool.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Where the repository is.
pub(crate) fn repository() -> PathBuf {
    artifacts::root()
}

/// The tool, to be run from the root of the repository, as the examples are: the module is where it
/// looks for it.
pub(crate) fn breakerctl() -> Command {
    artifacts::proxy_wasm().expect("the module");
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakerctl"));
    command
        .current_dir(repository())
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env_remove("EDGE_BREAKER_WASM")
        .env_remove("EDGE_BREAKER_TOKEN");
    command
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Runs the tool to its end.
pub(crate) fn run(args: &[&str]) -> Ran {
    breakerctl().args(args).output().expect("the tool starts").into()
}

impl Ran {
    /// Its answer as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
