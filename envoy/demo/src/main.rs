//! Drives the recipe's four validation scenarios through a real Envoy, which runs
//! `envoy/recipe.yaml` or `envoy/recipe-native.yaml`, with the recipe's services in this process. Where
//! Envoy cannot be had, `breakerctl serve` runs the former, and it is said so.
//!
//! What is shown is what was seen: who answered is read from the answer, the breaker's state from
//! its admin API, and how many calls reached the service is counted by the service. What was seen
//! is then compared with what the recipe expects.

mod board;
mod observed;
mod proxy;
mod recipe;
mod scenarios;

use std::process::ExitCode;

use anyhow::Result;
use clap::builder::FalseyValueParser;
use clap::{Parser, ValueEnum};

use crate::board::Board;
use crate::recipe::Recipe;

/// Shows the recipe's four validation scenarios, each request as it happens.
#[derive(Parser)]
struct Options {
    /// Ends after the scenarios, with status 1 if any went otherwise than the recipe says; else
    /// all is left running until Ctrl-C
    #[arg(long, env = "DEMO_EXIT", value_parser = FalseyValueParser::new())]
    exit: bool,
    /// The form of the filter that Envoy runs
    #[arg(long, env = "DEMO_FORM", default_value = "wasm")]
    form: Form,
}

/// A form of the filter.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// The module for proxies, in a sandbox
    Wasm,
    /// The dynamic module, in Envoy's own process
    Native,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    tokio::select! {
        code = run(&options) => code,
        // Whoever interrupts wants the terminal back, and no report; the proxy is stopped on the way.
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted.map(|()| ExitCode::SUCCESS)?),
    }
}

async fn run(options: &Options) -> Result<ExitCode> {
    let recipe = Recipe::start(options.form).await?;
    let mut board = Board::new();
    board.title(&format!("The recipe's four scenarios on {}", recipe.proxy));
    if let Some(why) = recipe.proxy.why_not_envoy() {
        board.note(&format!("since there is no Envoy here: {why}"));
    }
    board.note(&format!("the breakers in a browser: {}", recipe.page_url()));
    scenarios::closed(&recipe, &mut board).await?;
    scenarios::open(&recipe, &mut board).await?;
    scenarios::fallback(&recipe, &mut board).await?;
    scenarios::recovery(&recipe, &mut board).await?;
    let as_expected = board.close();
    if options.exit {
        return Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    board.invite(&recipe);
    std::future::pending().await
}
