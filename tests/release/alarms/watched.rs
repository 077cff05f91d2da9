//! The recipe's Envoy with its services, and a Prometheus that watches it.

use std::time::Duration;

use anyhow::{Result, ensure};
use envoy_harness::client::empty;
use http::Request;
use services::trace::PATH;
use tests::{Edge, PAYMENT};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::alarms::promql::scaled;
use crate::alarms::server::Server;

/// Between two calls of a caller, and how many it makes at most.
const PAUSE: Duration = Duration::from_millis(50);
const MOST_CALLS: usize = 10_000;

pub(crate) struct Watched {
    pub(crate) edge: Edge,
    pub(crate) prometheus: Server,
}

impl Watched {
    /// Starts all of it, and waits until the Envoy has been seen for a minute.
    pub(crate) async fn start() -> Result<Self> {
        let edge = Edge::recipe(1).await?;
        let prometheus = Server::start(edge.envoy.admin_addr()).await?;
        let seen = format!("edge_breaker_state{{cb_service=\"{PAYMENT}\"}} offset 1m");
        prometheus.wait_for(&scaled(&seen)).await?;
        Ok(Self { edge, prometheus })
    }

    /// Has an operator decide what becomes of the payment service's calls.
    pub(crate) async fn command(&self, command: &str) -> Result<()> {
        let url =
            format!("http://{}/circuit-breaker/services/{PAYMENT}/{command}", self.edge.admin);
        let request = Request::post(url).header("content-type", "application/json");
        let answer = self.edge.client.send(request.body(empty())?).await?;
        ensure!(answer.status == 200, "{command}: {}", answer.text());
        Ok(())
    }

    /// Clients that call the payment service one time after the other, until they are dropped.
    pub(crate) fn callers(&self, number: usize) -> JoinSet<()> {
        let mut callers = JoinSet::new();
        for _ in 0..number {
            let (client, url) = (self.edge.client.clone(), self.edge.url(PATH));
            callers.spawn(async move {
                for _ in 0..MOST_CALLS {
                    // Whatever the answer.
                    let _ = client.get(&url).await;
                    sleep(PAUSE).await;
                }
            });
        }
        callers
    }
}
