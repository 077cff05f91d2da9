//! `envoy-start MODULE...`: the CPU time that an Envoy takes to start with each module, in turns, and
//! the ratio to the first.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use envoy_harness::EnvoyOptions;
use envoy_harness::config::{Bootstrap, Listener, Route, Wasm};
use serde_json::json;

const ROUNDS: usize = 9;

#[tokio::main]
async fn main() -> Result<()> {
    let modules: Vec<String> = std::env::args().skip(1).collect();
    ensure!(!modules.is_empty(), "usage: envoy-start MODULE...");
    let mut times = vec![Vec::new(); modules.len()];
    for _ in 0..ROUNDS {
        for (module, times) in modules.iter().zip(&mut times) {
            times.push(start(Path::new(module)).await?);
        }
    }
    let medians: Vec<Duration> = times.iter_mut().map(|times| median(times)).collect();
    for (module, median) in modules.iter().zip(&medians) {
        let ratio = median.as_secs_f64() / medians[0].as_secs_f64();
        println!("{module}: {} ms of CPU time, {ratio:.2} of the first", median.as_millis());
    }
    Ok(())
}

/// With one worker and one service, until the listener is ready.
async fn start(module: &Path) -> Result<Duration> {
    let services =
        json!({ "services": [{ "name": "service", "match": { "hosts": ["a.example"] } }] });
    let filter = Wasm::new("edge-breaker", module).configuration(&services);
    let route = Route::prefix("/").direct_response(200, "");
    let config =
        Bootstrap::new().listener(Listener::new("edge").filter(filter).route(route)).build();
    let envoy = EnvoyOptions::new(config).concurrency(1).start().await?;
    envoy.listener_addr("edge").await?;
    envoy.cpu_time()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
