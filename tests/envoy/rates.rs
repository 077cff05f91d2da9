//! Rates over the calls of four workers: a real Envoy against a list of all answers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::Edge;

use tests::load::{patient_fallback, patient_route};

use crate::pace::{self, Answered};

const WORKERS: u32 = 4;
const RUNS: usize = 20;

/// As many calls as are made in a second and a half: so much may pass between the moment at which
/// the list says that the breaker has to open, and the first call that is diverted. Counted in
/// calls, since a machine that stands still makes none.
const LAG: usize = 600;

const THRESHOLD: usize = 25;
const MINIMUM: usize = 20;
/// How long a worker may keep good calls to itself, and a little for answers that pass each other; and
/// how many calls are made in that time, since a machine that stands still makes none and ticks late.
const TICK: Duration = Duration::from_millis(600);
const IN_A_TICK: usize = 240;
const WINDOW: Duration = Duration::from_secs(10);

fn plugin() -> Value {
    let services: Vec<_> = (0..=RUNS)
        .map(|run| {
            json!({
                "name": format!("run-{run}"),
                "match": { "path_prefixes": [format!("/run-{run}/")] },
                "trip": {
                    "failure_rate_threshold": THRESHOLD,
                    "minimum_number_of_calls": MINIMUM,
                    "sliding_window_size": "10s",
                },
                "fallback": patient_fallback(),
            })
        })
        .collect();
    json!({ "expose_state": "always", "services": services })
}

/// Sends calls until the first that was diverted has come back, or so many have.
async fn send(edge: &Edge, path: &str, most: usize) -> Result<Vec<Answered>> {
    let is_open = |answers: &[Answered]| answers.iter().any(|it| it.diverted);
    pace::send(edge, path, most, is_open).await
}

/// The answer with which a list of all answers has the threshold reached. Good ones may be missing from
/// it that are of so long ago, or among so many last ones.
fn due(answers: &[Answered], missing: Duration, latest: usize) -> Option<usize> {
    (0..answers.len()).find(|last| {
        let now = answers[*last].at;
        let seen = answers[..=*last].iter().filter(|it| now.duration_since(it.at) < WINDOW);
        let seen: Vec<_> = seen.filter(|it| !it.diverted).collect();
        let failed = seen.iter().filter(|it| it.failed).count();
        let old = seen.len().saturating_sub(latest);
        let late = seen.iter().enumerate().filter(|(place, it)| {
            !it.failed && (*place >= old || now.duration_since(it.at) < missing)
        });
        let known = seen.len() - late.count();
        seen.len() >= MINIMUM && failed * 100 >= THRESHOLD * known
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_opens_the_breaker_exactly_when_a_list_of_all_answers_reaches_it() -> Result<()> {
    let edge = Edge::start_with(plugin(), WORKERS, patient_route()).await?;
    let mut lags = Vec::new();
    for run in 0..RUNS {
        let service = format!("run-{run}");
        let path = format!("/{service}/charge");
        // The more good calls there are, the longer it takes.
        let mut answers = send(&edge, &path, 10 * run).await?;
        edge.services.service(&service).set_failure_rate(0.3);
        answers.extend(send(&edge, &path, 20_000).await?);
        let diverted = answers.iter().position(|it| it.diverted).context("it never opened")?;
        let due_then = due(&answers, Duration::ZERO, 0).unwrap_or(diverted);
        let lag = diverted.saturating_sub(due_then);
        ensure!(lag <= LAG, "run {run}: {lag} calls too late ({due_then}, {diverted})");
        // Nor earlier than what other workers have kept to themselves until their tick accounts for.
        // A call counts before its client has the answer, which a diverted one may overtake.
        let then = answers[diverted].at;
        let begun: Vec<_> = answers.iter().filter(|it| it.began < then).copied().collect();
        ensure!(
            due(&begun, TICK, IN_A_TICK).is_some(),
            "run {run}: too early, with answer {diverted}"
        );
        let breaker = edge.breaker(&service).await?;
        ensure!(breaker.trip_reason.as_deref() == Some("failure_rate"), "{breaker:?}");
        lags.push(lag);
    }
    println!("calls between the threshold and the first that was diverted: {lags:?}");
    Ok(())
}

/// And only then: a rate below the threshold opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_below_the_threshold_opens_nothing() -> Result<()> {
    let edge = Edge::start_with(plugin(), WORKERS, patient_route()).await?;
    let service = format!("run-{RUNS}");
    edge.services.service(&service).set_failure_rate(0.1);
    let answers = send(&edge, &format!("/{service}/charge"), 2_000).await?;
    ensure!(answers.len() == 2_000 && due(&answers[100..], Duration::ZERO, 0).is_none());
    ensure!(!answers.iter().any(|it| it.diverted));
    ensure!(edge.breaker(&service).await?.state == "CLOSED");
    Ok(())
}
