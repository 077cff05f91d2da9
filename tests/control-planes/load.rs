//! Requests without a pause, while something changes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use envoy_harness::client::{Client, empty};
use http::Request;
use tests::answered_by;
use tokio::task::JoinHandle;

/// Some clients that ask on and on.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<BTreeMap<String, u64>>>,
}

impl Load {
    /// Of the guarded service.
    pub(crate) fn start(address: SocketAddr, host: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |_| tokio::spawn(ask_on(address, host, stop.clone()));
        let clients = (0..4).map(client).collect();
        Self { stop, clients }
    }

    /// Ends it, and counts the answers: by status and who gave them, or by what was wrong.
    pub(crate) async fn stop(self) -> Result<BTreeMap<String, u64>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = BTreeMap::new();
        for client in self.clients {
            for (answer, count) in client.await? {
                *all.entry(answer).or_default() += count;
            }
        }
        Ok(all)
    }
}

async fn ask_on(
    address: SocketAddr,
    host: &'static str,
    stop: Arc<AtomicBool>,
) -> BTreeMap<String, u64> {
    let (client, mut answers) = (Client::new(), BTreeMap::new());
    while !stop.load(Ordering::Relaxed) {
        let request = Request::get(format!("http://{address}/payments/charge"));
        let answer = match request.header("host", host).body(empty()) {
            Ok(request) => match client.send(request).await {
                Ok(answer) => format!("{} by {}", answer.status.as_u16(), answered_by(&answer)),
                Err(error) => format!("{error:#}"),
            },
            Err(error) => error.to_string(),
        };
        *answers.entry(answer).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    answers
}
