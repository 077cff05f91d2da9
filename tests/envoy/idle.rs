//! What services cost a proxy in which nothing happens.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tests::{Edge, clusters};

const SERVICES: usize = 1_000;

/// How long it is watched, once the proxy has come to rest: an engine compiles the module for a while.
const WATCHED: Duration = Duration::from_secs(5);
const REST: Duration = Duration::from_secs(15);

/// The most that it may take, of one core.
const MOST: f64 = 0.03;

/// Each of them would be checked five times a second, and none is.
#[tokio::test]
async fn a_thousand_idle_services_on_two_workers_take_less_than_three_percent_of_a_core()
-> Result<()> {
    let services = (0..SERVICES).map(|number| {
        json!({
            "name": format!("s{number}"),
            "match": { "hosts": [format!("s{number}.example.com")] },
            "health_check": {
                "cluster": clusters::HEALTH, "path": "/", "interval": "200ms", "timeout": "100ms",
            },
        })
    });
    let plugin = json!({ "services": services.collect::<Vec<_>>() });
    let edge = Edge::setup(plugin).workers(2).alone().start().await?;
    tokio::time::sleep(REST).await;
    let before = edge.envoy.cpu_time()?;
    tokio::time::sleep(WATCHED).await;
    let share = (edge.envoy.cpu_time()? - before).as_secs_f64() / WATCHED.as_secs_f64();
    println!("{SERVICES} idle services take {:.2} % of a core", share * 100.0);
    ensure!(share <= MOST, "{:.1} % of a core", share * 100.0);
    Ok(())
}
