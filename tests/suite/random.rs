//! Scenarios made up from seeds: the same on each run, and the same on each host.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use hosts::{HOSTS, HostKind, NATIVE_AS_A_COMPONENT};
use libtest_mimic::Trial;
use scenario::{Need, Report, Scenario, generate};

use crate::trial;

/// How many seeds the generator itself is tried with.
const SEEDS: u64 = 200;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("the_same_seed_gives_the_same_scenario_and_timeline", same_seed),
        trial("made_up_scenarios_come_into_every_state", every_state),
        trial("made_up_scenarios_need_no_more_than_they_may", needs),
    ];
    for host in HOSTS.iter().filter(|host| host.name != "native") {
        for (like, needs) in counterparts(host) {
            let name = format!("made_up_scenarios_run_as_on_{}::{}", like.name, host.name);
            trials.push(trial(&name, move || agrees(host, like, &needs)));
        }
    }
    trials
}

/// How many made-up scenarios are tried on a host: fewer where time cannot be hurried.
fn seeds(host: &HostKind) -> u64 {
    if host.is_in_real_time() { 30 } else { SEEDS }
}

/// What a host is compared with, and on what.
///
/// In a proxy a gauge tells a worker that nobody has written a record since it was read. The
/// component has none, and reads records each time: what is wrong with the store it notices at
/// once, not up to a tick later. So on a broken store it is compared with a native host of its kind.
fn counterparts(host: &HostKind) -> Vec<(&'static HostKind, BTreeSet<Need>)> {
    let mut needs = abilities(host);
    let mut counterparts = Vec::new();
    if host.name == "component" {
        counterparts.push((&NATIVE_AS_A_COMPONENT, needs.clone()));
        needs.remove(&Need::StoreFaults);
    }
    counterparts.extend(
        HOSTS.iter().filter(|like| like.name == "native").map(|like| (like, needs.clone())),
    );
    counterparts
}

/// What this host can do.
fn abilities(host: &HostKind) -> BTreeSet<Need> {
    let lacks = |need: &Need| host.lacks.iter().any(|(lacking, _)| lacking == need);
    Need::ALL.into_iter().filter(|need| !lacks(need)).collect()
}

fn play(seed: u64, host: &HostKind) -> Result<Report> {
    host.play(&generate(seed, &abilities(host))).with_context(|| format!("seed {seed}"))
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

/// What has to be seen in timelines: a made-up scenario in which nothing happens would compare nothing.
const SEEN: [&str; 11] = [
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
    "-> accepted",
];

/// What comes only of more seeds, or of hosts that can do more than a real proxy.
const SEEN_IN_VIRTUAL_TIME: [&str; 8] = [
    "-> diverted half_open",
    "-> diverted ramp",
    "crash",
    "wall clock",
    "lost races",
    "garbage",
    "newer bytes",
    "unreadable",
];

fn every_state() -> Result<()> {
    let all = Need::ALL.into_iter().collect();
    let wanted: Vec<_> = SEEN.into_iter().chain(SEEN_IN_VIRTUAL_TIME).collect();
    all_seen(&wanted, SEEDS, &all, 5)?;
    for host in HOSTS.iter().filter(|host| host.is_in_real_time()) {
        all_seen(&SEEN, seeds(host), &abilities(host), 2)?;
    }
    Ok(())
}

/// Each of these is in some timelines of seeds.
fn all_seen(wanted: &[&str], seeds: u64, needs: &BTreeSet<Need>, least: usize) -> Result<()> {
    let mut seen = BTreeMap::new();
    for seed in 0..seeds {
        let text = native()?.play(&generate(seed, needs))?.text();
        for what in wanted {
            *seen.entry(what).or_insert(0) += usize::from(text.contains(what));
        }
    }
    let rare: Vec<_> = seen.iter().filter(|(_, count)| **count < least).collect();
    ensure!(rare.is_empty(), "hardly ever seen in {seeds} timelines: {rare:?}");
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

/// Compares two hosts on scenarios that need no more than this. Where time cannot be hurried all
/// seeds take it at once.
fn agrees(host: &'static HostKind, like: &'static HostKind, needs: &BTreeSet<Need>) -> Result<()> {
    if !host.is_in_real_time() {
        return (0..seeds(host)).try_for_each(|seed| agrees_on(seed, host, like, needs));
    }
    std::thread::scope(|scope| {
        let seeds: Vec<_> = (0..seeds(host))
            .map(|seed| scope.spawn(move || agrees_on(seed, host, like, needs)))
            .collect();
        let join = |seed: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            seed.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a seed panicked")))
        };
        let results: Vec<_> = seeds.into_iter().map(join).collect();
        results.into_iter().collect()
    })
}

/// Updates that ticks lose, and records that they cannot read, are as many as there are ticks. A
/// configuration of the dynamic module that was replaced ticks on all threads until its last stream has
/// ended, and that of other hosts on each thread until the last one there has.
fn is_compared(metric: &str, host: &HostKind) -> bool {
    let by_ticks = ["lost_updates_total", "unreadable_records_total"].contains(&metric);
    host.name != "dynamic_module" || !by_ticks
}

fn agrees_on(seed: u64, host: &HostKind, like: &HostKind, needs: &BTreeSet<Need>) -> Result<()> {
    let scenario = generate(seed, needs);
    let expected = like.play(&scenario)?;
    let got = host.play(&scenario).with_context(|| format!("seed {seed}"))?;
    let differing = expected.timeline.iter().zip(&got.timeline).find(|(a, b)| a != b);
    ensure!(
        expected.timeline == got.timeline,
        "seed {seed}: {} and {} differ in {differing:?}:\n{}\n\nand\n\n{}",
        like.name,
        host.name,
        expected.text(),
        got.text()
    );
    if let Some(metrics) = got.metrics {
        let expected = expected.metrics.unwrap_or_default();
        let names: BTreeSet<_> = expected.keys().chain(metrics.keys()).collect();
        let differing: Vec<_> = names
            .into_iter()
            .map(|name| (name, expected.get(name), metrics.get(name)))
            .filter(|(name, expected, got)| expected != got && is_compared(name, host))
            .collect();
        ensure!(
            differing.is_empty(),
            "seed {seed}: metrics of {} and {} differ: {differing:?}",
            like.name,
            host.name
        );
    }
    Ok(())
}
