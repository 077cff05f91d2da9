//! Drives the recipe's four validation scenarios through a real Envoy, which runs
//! `envoy/recipe.yaml` or `envoy/recipe-native.yaml`, with the recipe's services in this process. Where
//! Envoy cannot be had, `breakerctl demo` shows the former, and it is said so.

mod envoy;
mod tool;

use std::process::ExitCode;

use anyhow::Result;
use clap::builder::FalseyValueParser;
use clap::{Parser, ValueEnum};

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
    let version = match envoy::version().await {
        Ok(version) => version,
        Err(why) if options.form == Form::Native => {
            return Err(why.context("only an Envoy runs the dynamic module"));
        }
        Err(why) => return tool::demo(&why, options.exit).await,
    };
    let services = recipe::services().await?;
    let (_envoy, proxy) = envoy::start(&version, options.form, &services).await?;
    let as_expected = recipe::play(&services, &proxy, options.exit).await?;
    Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
