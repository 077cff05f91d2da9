//! The command line tool for people who run the breaker: check a configuration before a proxy
//! sees it, look at the breakers while they work and control them, and try both without a proxy.
//!
//! It knows what its users know: the module as a file, the configuration, the admin API. Whatever
//! a breaker would do, the module is asked.

mod admin;
mod advise;
mod check;
mod commands;
mod completions;
mod demo;
mod document;
mod input;
mod manual;
mod module;
mod output;
mod pattern;
mod plot;
mod removal;
mod schema;
mod serve;
mod simulate;
mod status;
mod table;
mod trace;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use output::BAD;

/// Checks, tries, watches and controls circuit breakers
#[derive(Debug, Parser)]
#[command(
    name = "breakerctl",
    version,
    after_help = "\
Exit status: 0 fine, 1 the answer is no (a configuration is refused, a service is open), 2 wrong \
usage, or something that is needed is not there."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Status(status::Args),
    Watch(watch::Args),
    /// Divert every call of a service, until it is closed or reset
    Open(commands::Args),
    /// Close a service's breaker now, forced open or not
    Close(commands::Args),
    /// Leave all calls of a service alone
    Disable(commands::Args),
    /// Heed what a service's breaker decides
    Enable(commands::Args),
    /// Let a service's breaker decide and count, and divert nothing
    MetricsOnly(commands::Args),
    /// Put a service back to its configured mode, and to a closed breaker that has seen nothing
    Reset(commands::Args),
    Simulate(simulate::Args),
    Advise(advise::Args),
    Serve(serve::Args),
    Demo(demo::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(manual::Args),
}

fn main() -> ExitCode {
    let answer = match Cli::parse().command {
        Command::Check(args) => check::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Open(args) => commands::run(&args, "force-open"),
        Command::Close(args) => commands::run(&args, "close"),
        Command::Disable(args) => commands::run(&args, "disable"),
        Command::Enable(args) => commands::run(&args, "enable"),
        Command::MetricsOnly(args) => commands::run(&args, "metrics-only"),
        Command::Reset(args) => commands::run(&args, "reset"),
        Command::Simulate(args) => simulate::run(&args),
        Command::Advise(args) => advise::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Man(args) => manual::run(&args, Cli::command()),
    };
    match answer {
        Ok(answer) => answer.into(),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{BAD}error{BAD:#}: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whoever read the output has seen enough, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
