//! Tests of the suite: what is wrong fails, and says where and how.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use hosts::{HOSTS, HostKind};
use libtest_mimic::{Arguments, Trial};
use scenario::{Expect, Need, Scenario};

use crate::files::{named, trials_of, trials_on, verdict};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_wrong_expectation_fails_with_file_step_expected_and_got", wrong_expectation),
        trial("every_expectation_of_every_scenario_can_fail", every_expectation_can_fail),
        trial("a_scenario_that_no_host_runs_fails", no_host),
        trial("a_host_that_cannot_run_a_scenario_is_listed_with_why", excused),
        trial("a_file_that_is_no_scenario_fails", no_scenario),
    ]
}

const WRONG: &str = "
title: The breaker is said to be closed when it is open.
config: {services: [{name: payment-service}]}
steps:
  - call: {times: 2, answer: 503}
  - call: {answer: 503}
    expect: {state: CLOSED, failures: 4}
";

fn wrong_expectation() -> Result<()> {
    let scenario = Scenario::parse(Path::new("tests/scenarios/wrong.yaml"), WRONG)?;
    for host in HOSTS.iter().filter(|host| host.excuse(&scenario).is_none()) {
        let failed = verdict(&host.play(&scenario)?).err().context("it passes")?;
        let message = failed.message().context("it says nothing")?;
        for part in [
            "tests/scenarios/wrong.yaml:6: step 2: state: expected \"CLOSED\", got \"OPEN\"",
            "tests/scenarios/wrong.yaml:6: step 2: failures: expected 4, got 3",
            "timeline:",
        ] {
            ensure!(message.contains(part), "{part:?} is not in\n{message}");
        }
    }
    Ok(())
}

/// Each expectation is turned into another one, which must fail: none is looked past.
fn every_expectation_can_fail() -> Result<()> {
    for scenario in crate::files::all()? {
        let host = HOSTS.iter().find(|host| host.excuse(&scenario).is_none());
        let host = host.context("no host runs it")?;
        let mut wrong = scenario.clone();
        let turned: Vec<_> = wrong.steps.iter_mut().map(|step| turn(&mut step.expect)).collect();
        let report = host.play(&wrong)?;
        for (index, (step, turned)) in scenario.steps.iter().zip(turned).enumerate() {
            let caught = report.mismatches.iter().filter(|m| m.step == index + 1).count();
            ensure!(
                caught >= turned,
                "{}:{}: {turned} wrong expectations, {caught} of which fail",
                scenario.file.display(),
                step.line,
            );
        }
    }
    Ok(())
}

/// Makes all of it wrong. Returns how many expectations there are.
fn turn(expect: &mut Expect) -> usize {
    let mut turned = 0;
    let mut another = |number: &mut u64| {
        *number += 1;
        turned += 1;
    };
    expect.failures.iter_mut().for_each(&mut another);
    expect.generation.iter_mut().for_each(&mut another);
    expect.retry_after.iter_mut().for_each(&mut another);
    expect.metrics.values_mut().for_each(&mut another);
    expect.callouts.values_mut().for_each(&mut another);
    let texts = [&mut expect.verdict, &mut expect.state, &mut expect.trip_reason];
    let texts = texts.into_iter().flatten().chain(&mut expect.message);
    for text in texts.chain(expect.log.iter_mut().flatten()) {
        text.push_str(" not");
        turned += 1;
    }
    let asked = expect.asked.values_mut().flat_map(BTreeMap::values_mut);
    for text in expect.headers.values_mut().chain(asked) {
        *text = Some("another".to_owned());
        turned += 1;
    }
    if let Some(status) = &mut expect.status {
        *status += 1;
        turned += 1;
    }
    turned
}

static NONE: &[HostKind] = &[HostKind {
    name: "slow",
    lacks: &[(Need::Crash, "nobody can crash it")],
    start: |_| anyhow::bail!("it is never started"),
}];

fn needing_a_crash() -> Result<Scenario> {
    let text = WRONG.replace("config:", "needs: [crash]\nconfig:");
    Ok(Scenario::parse(Path::new("x.yaml"), &text)?)
}

fn no_host() -> Result<()> {
    let failed = outcome(trials_on(NONE, "x", &needing_a_crash()?));
    ensure!(failed == (1, 0, 0), "{failed:?}");
    Ok(())
}

fn excused() -> Result<()> {
    static BOTH: [HostKind; 2] = [
        HostKind { name: "slow", lacks: NONE[0].lacks, start: NONE[0].start },
        HostKind { name: "native", lacks: &[], start: HOSTS[0].start },
    ];
    let trials = trials_on(&BOTH, "x", &needing_a_crash()?);
    let names: Vec<_> = trials.iter().map(Trial::name).collect();
    ensure!(names == ["x::slow (needs crash: nobody can crash it)", "x::native"], "{names:?}");
    ensure!(trials[0].has_ignored_flag() && !trials[1].has_ignored_flag());
    Ok(())
}

fn no_scenario() -> Result<()> {
    let directory = std::env::temp_dir().join(format!("scenarios-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let good =
        std::fs::read_to_string(crate::files::directory().join(format!("{}.yaml", named_file()?)))?;
    let mut outcomes = Vec::new();
    for (name, text) in [
        ("a-good-one.yaml", good.as_str()),
        ("a-bad-one.yaml", "title: A scenario with no steps.\n"),
        ("Not A Sentence.yaml", good.as_str()),
        ("not-even-yaml.txt", good.as_str()),
    ] {
        let path = directory.join(name);
        std::fs::write(&path, text)?;
        outcomes.push(outcome(trials_of(&path)));
    }
    std::fs::remove_dir_all(&directory)?;
    let [good, bad @ ..] = outcomes.as_slice() else { anyhow::bail!("nothing was run") };
    ensure!(good.0 == 0 && good.1 > 0, "{good:?}");
    ensure!(bad.iter().all(|bad| *bad == (1, 0, 0)), "{bad:?}");
    Ok(())
}

fn named_file() -> Result<&'static str> {
    const GOOD: &str = "three-failures-in-a-row-trip-the-breaker";
    named(GOOD).map(|_| GOOD)
}

/// How many of them failed, passed and were not run.
fn outcome(trials: Vec<Trial>) -> (u64, u64, u64) {
    let arguments =
        Arguments { quiet: true, logfile: Some("/dev/null".into()), ..Arguments::default() };
    let conclusion = libtest_mimic::run(&arguments, trials);
    (conclusion.num_failed, conclusion.num_passed, conclusion.num_ignored)
}
