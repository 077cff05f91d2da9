//! Runs the recipe's three services until Ctrl-C.

use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use services::{Initial, Ports, Services};

/// The recipe's downstream services, their health checks and the fallback, on the loopback
/// interface. The ports are the ones that envoy/recipe.yaml sends to.
#[derive(Parser)]
struct Options {
    /// The share of calls that fail at first, from 0 to 1
    #[arg(long, env = "FAILURE_RATE", default_value_t = 0.0, value_parser = share)]
    failure_rate: f64,
    /// How long a call takes at first, in milliseconds
    #[arg(long, env = "LATENCY_MS", default_value_t = 0)]
    latency_ms: u64,
    /// Port of the downstream services (0: any free one, as for the others)
    #[arg(long, default_value_t = 8081)]
    downstream_port: u16,
    /// Port of the fallback service
    #[arg(long, default_value_t = 8082)]
    fallback_port: u16,
    /// Port of the health checks
    #[arg(long, default_value_t = 8083)]
    health_port: u16,
    /// Port of the controls
    #[arg(long, default_value_t = 8084)]
    control_port: u16,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("give a share from 0 to 1, such as 0.9".to_owned()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let ports = Ports {
        downstream: options.downstream_port,
        fallback: options.fallback_port,
        health: options.health_port,
        control: options.control_port,
    };
    let initial = Initial {
        failure_rate: options.failure_rate,
        latency: Duration::from_millis(options.latency_ms),
    };
    let services = Services::start_with(ports, initial).await?;
    println!("downstream  http://{}/{{service}}/...", services.downstream());
    println!("fallback    http://{}/", services.fallback());
    println!("health      http://{}/{{service}}", services.health());
    println!("control     http://{}/services/{{service}}", services.control());
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    services.stop().await;
    Ok(())
}
