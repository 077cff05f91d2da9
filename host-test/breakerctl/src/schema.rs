//! `breakerctl schema`: what may be written in a configuration?

use std::io::Write as _;

use crate::output::Answer;

/// Made of the plugin's own types, and held to them.
const SCHEMA: &str = include_str!("../../../envoy/edge-breaker.schema.json");

/// Print the JSON Schema of the plugin's configuration
///
/// For editors, which complete and check with it while one types, and for linters. What no schema
/// can know, such as that two fields fit together, `check` tells.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  breakerctl schema > edge-breaker.schema.json

Exit status: 0.")]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> anyhow::Result<Answer> {
    std::io::stdout().lock().write_all(SCHEMA.as_bytes())?;
    Ok(Answer::Yes)
}
