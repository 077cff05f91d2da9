//! The adaptive rule over four workers of a real Envoy: a service that begins to fail a fifth of its
//! calls.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::Edge;

use tests::load::{patient_fallback, patient_route};

use crate::pace::{self, Answered};

const WORKERS: u32 = 4;
/// Runs, and how many of them are side by side.
const RUNS: usize = 20;
const AT_ONCE: usize = 5;

/// Calls before the step, of which one in a hundred fails.
const USUAL: usize = 800;
/// As many calls as are made in a second. Counted in calls, since a machine that stands still makes
/// none.
const SECOND: usize = 400;
/// A step is seen when so many of so many latest calls were diverted.
const SEEN: usize = 3;
const LATEST: usize = 100;

fn plugin() -> Value {
    let service = |run| {
        json!({
            "name": format!("step-{run}"),
            "match": { "path_prefixes": [format!("/step-{run}/")] },
            // A machine that stands still makes calls slow.
            "trip": { "adaptive": { "latency": false } },
            "fallback": patient_fallback(),
        })
    };
    let services: Vec<_> = (0..RUNS).map(service).collect();
    json!({ "services": services })
}

/// The call with which the step was seen, from one on.
fn seen(answers: &[Answered]) -> Option<usize> {
    (1..=answers.len()).find(|last| {
        let latest = &answers[last.saturating_sub(LATEST)..*last];
        latest.iter().filter(|it| it.diverted).count() >= SEEN
    })
}

/// How many calls it takes to see the step.
async fn run(edge: &Edge, number: usize) -> Result<usize> {
    let name = format!("step-{number}");
    let (service, path) = (edge.services.service(&name), format!("/{name}/charge"));
    service.set_failure_rate(0.01);
    let usual = pace::send(edge, &path, USUAL, |_| false).await?;
    ensure!(!usual.iter().any(|it| it.diverted), "{name}: diverted before the step");
    service.set_failure_rate(0.2);
    let answers = pace::send(edge, &path, 4 * SECOND, |it| seen(it).is_some()).await?;
    let calls = seen(&answers).with_context(|| format!("{name}: never seen"))?;
    ensure!(calls <= SECOND, "{name}: seen with call {calls}");
    Ok(calls)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adaptive_rule_sees_a_step_to_a_fifth_within_a_second() -> Result<()> {
    let edge = Edge::start_with(plugin(), WORKERS, patient_route()).await?;
    let mut calls = Vec::new();
    for first in (0..RUNS).step_by(AT_ONCE) {
        let [a, b, c, d, e] = std::array::from_fn(|at| run(&edge, first + at));
        let (a, b, c, d, e) = tokio::try_join!(a, b, c, d, e)?;
        calls.extend([a, b, c, d, e]);
    }
    println!("calls until the step was seen: {calls:?}");
    Ok(())
}
