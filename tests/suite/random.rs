//! Scenarios made up from seeds: the same on each run, and the same on each host.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use scenario::{Need, Report, Scenario, generate};

use crate::files::run;
use crate::hosts::{HOSTS, HostKind};
use crate::trial;

/// How many seeds are tried.
const SEEDS: u64 = 200;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("the_same_seed_gives_the_same_scenario_and_timeline", same_seed),
        trial("made_up_scenarios_come_into_every_state", every_state),
        trial("made_up_scenarios_need_no_more_than_they_may", needs),
    ];
    for host in HOSTS.iter().filter(|host| host.name != "native") {
        let name = format!("made_up_scenarios_run_as_on_native::{}", host.name);
        trials.push(trial(&name, || agrees(host)));
    }
    trials
}

/// What this host can do.
fn abilities(host: &HostKind) -> BTreeSet<Need> {
    let lacks = |need: &Need| host.lacks.iter().any(|(lacking, _)| lacking == need);
    Need::ALL.into_iter().filter(|need| !lacks(need)).collect()
}

fn play(seed: u64, host: &HostKind) -> Result<Report> {
    run(host, &generate(seed, &abilities(host))).with_context(|| format!("seed {seed}"))
}

fn native() -> Result<&'static HostKind> {
    HOSTS.iter().find(|host| host.name == "native").context("there is no native host")
}

fn text(scenario: &Scenario) -> String {
    format!("{scenario:?}")
}

fn same_seed() -> Result<()> {
    let needs = Need::ALL.into_iter().collect();
    let mut timelines = BTreeMap::new();
    for seed in 0..SEEDS {
        ensure!(text(&generate(seed, &needs)) == text(&generate(seed, &needs)), "seed {seed}");
        let (first, second) = (play(seed, native()?)?, play(seed, native()?)?);
        ensure!(first == second, "seed {seed}:\n{}\n\nand\n\n{}", first.text(), second.text());
        if let Some(other) = timelines.insert(first.text(), seed) {
            anyhow::bail!("seeds {seed} and {other} give the same timeline");
        }
    }
    Ok(())
}

/// A made-up scenario in which nothing happens would compare nothing.
fn every_state() -> Result<()> {
    let mut seen = BTreeMap::new();
    for seed in 0..SEEDS {
        let text = play(seed, native()?)?.text();
        for what in [
            "CLOSED",
            "HALF_OPEN",
            " OPEN",
            "-> passed",
            "-> replayed",
            "-> replied",
            "-> cut",
            "-> nothing",
            "-> waiting",
            "-> diverted open",
            "-> diverted half_open",
            "-> accepted",
            "crash",
            "wall clock",
            "lost races",
            "garbage",
            "unreadable",
        ] {
            *seen.entry(what).or_insert(0) += usize::from(text.contains(what));
        }
    }
    let rare: Vec<_> = seen.iter().filter(|(_, count)| **count < 5).collect();
    ensure!(rare.is_empty(), "hardly ever seen in {SEEDS} timelines: {rare:?}");
    Ok(())
}

fn needs() -> Result<()> {
    for seed in 0..SEEDS {
        let scenario = generate(seed, &BTreeSet::new());
        let needed = scenario.steps.iter().find_map(|step| step.event.need());
        ensure!(needed.is_none(), "seed {seed} needs {needed:?}");
    }
    Ok(())
}

/// Compares a host with the native one, on what both can do.
fn agrees(host: &HostKind) -> Result<()> {
    let abilities = abilities(host);
    for seed in 0..SEEDS {
        let scenario = generate(seed, &abilities);
        let expected = run(native()?, &scenario)?;
        let got = run(host, &scenario).with_context(|| format!("seed {seed}"))?;
        let differing = expected.timeline.iter().zip(&got.timeline).find(|(a, b)| a != b);
        ensure!(
            expected.timeline == got.timeline,
            "seed {seed}: native and {} differ in {differing:?}:\n{}\n\nand\n\n{}",
            host.name,
            expected.text(),
            got.text()
        );
        if got.metrics.is_some() {
            ensure!(expected.metrics == got.metrics, "seed {seed}: metrics of {}", host.name);
        }
    }
    Ok(())
}
