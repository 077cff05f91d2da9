//! The tool, which shows the same without Envoy.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use envoy_harness::repo_root;
use tokio::process::Command;

const TOOL: &str = "breakerctl";

/// Has it show the scenarios, and says why.
///
/// # Errors
///
/// If it does not start.
pub(crate) async fn demo(why_not_envoy: &anyhow::Error, exit: bool) -> Result<ExitCode> {
    anstream::println!("There is no Envoy here: {why_not_envoy:#}");
    let mut tool = Command::new(tool().await?);
    tool.arg("demo").args(exit.then_some("--exit")).current_dir(repo_root()).kill_on_drop(true);
    let status = tool.status().await.with_context(|| format!("{TOOL} does not start"))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Where it is: it was built beside this program, or is now.
async fn tool() -> Result<PathBuf> {
    let tool = env::current_exe()?.with_file_name(TOOL);
    if !tool.exists() {
        let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "-p", TOOL]).current_dir(repo_root());
        ensure!(build.status().await?.success(), "{TOOL} was not built");
    }
    Ok(tool)
}
