//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Plays scenarios with rules of circuit breakers, and says what each rule let pass and what it
/// diverted.
#[derive(Parser)]
pub(crate) struct Args {
    /// Files of scenarios; by default all of this folder.
    pub(crate) files: Vec<PathBuf>,
    /// Rules, by name, with a comma between them; by default all.
    #[arg(long, value_delimiter = ',')]
    pub(crate) rules: Vec<String>,
    /// A file of rules that are played instead, each as the settings of a service.
    #[arg(long, value_name = "PATH", conflicts_with = "bars")]
    pub(crate) settings: Option<PathBuf>,
    /// Scenarios whose name contains this.
    #[arg(long, default_value = "")]
    pub(crate) only: String,
    /// How often each scenario is played with each rule.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: u64,
    /// The first seed; the others follow it.
    #[arg(long, default_value_t = 1000)]
    pub(crate) seed0: u64,
    /// Threads that play.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) threads: u64,
    /// Where every number is written to.
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// Plays only what the adaptive rule is held to.
    #[arg(long)]
    pub(crate) bars: bool,
    /// Plays only what is short, with few seeds, and holds it to bars that leave room for chance.
    #[arg(long, env = "BENCH", value_parser = quick, default_value = "full")]
    pub(crate) bench: Bench,
}

/// How much is played.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bench {
    Full,
    Quick,
}

fn quick(text: &str) -> Result<Bench, String> {
    match text {
        "full" => Ok(Bench::Full),
        "quick" => Ok(Bench::Quick),
        _ => Err("full or quick".to_owned()),
    }
}
