//! Calls at a steady pace, and when each was answered by whom.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use envoy_harness::client::Client;
use tests::load::WITHIN;
use tests::{Edge, answered_by};
use tokio::task::JoinSet;

/// 400 requests a second.
pub(crate) const PACE: Duration = Duration::from_micros(2_500);

/// An answer, when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) began: Instant,
    pub(crate) at: Instant,
    /// The service was not asked.
    pub(crate) diverted: bool,
    pub(crate) failed: bool,
}

/// Sends calls at a steady pace, until this is true of the answers so far, or so many have been
/// sent. The answers are in the order in which they came.
pub(crate) async fn send(
    edge: &Edge,
    path: &str,
    most: usize,
    until: impl Fn(&[Answered]) -> bool,
) -> Result<Vec<Answered>> {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let client = Client::new().timeout(WITHIN);
    let mut calls = JoinSet::new();
    for _ in 0..most {
        pace.tick().await;
        let (client, url, shared) = (client.clone(), edge.url(path), Arc::clone(&answers));
        calls.spawn(async move {
            let began = Instant::now();
            let response = client.get(&url).await?;
            let by = answered_by(&response);
            let (diverted, failed) = (by == "cluster", by == "replay");
            let answered = Answered { began, at: Instant::now(), diverted, failed };
            shared.lock().expect("nobody panics").push(answered);
            anyhow::Ok(())
        });
        if until(&answers.lock().expect("nobody panics")) {
            break;
        }
    }
    while let Some(call) = calls.join_next().await {
        call??;
    }
    let mut answers = answers.lock().expect("nobody panics").clone();
    answers.sort_by_key(|it| it.at);
    Ok(answers)
}
