//! A scenario: its timeline, and whether all that it expects has happened.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use hosts::module_host;
use scenario::{Scenario, Status, play};
use serde::Serialize;

use super::Args;
use super::configuration::Configuration;
use crate::output::{self, Answer, BAD, FAINT, GOOD};

#[derive(Serialize)]
struct Report {
    title: String,
    ok: bool,
    timeline: Vec<String>,
    /// What was expected and did not happen.
    mismatches: Vec<Mismatch>,
    metrics: std::collections::BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Mismatch {
    line: u64,
    step: usize,
    what: String,
    expected: String,
    got: String,
}

/// Plays a scenario on the module, with another configuration if there is one.
///
/// # Errors
///
/// If it cannot be read or played.
pub(super) fn run(
    args: &Args,
    file: &Path,
    config: Option<&Configuration>,
) -> anyhow::Result<Answer> {
    let mut scenario = Scenario::load(file)?;
    if let Some(config) = config {
        scenario.config = serde_json::from_slice(config.bytes()).context("--config is no JSON")?;
    }
    let module = args.module.load()?;
    if let Some(refusal) = module.refusal(scenario.config.to_string().as_bytes())? {
        anstream::eprintln!("{BAD}refused{BAD:#}: {}: {refusal}", file.display());
        return Ok(Answer::No);
    }
    let mut host = module_host(module.module, scenario.workers, status);
    let played = play(&scenario, &mut host)?;
    let mismatch = |it: &scenario::Mismatch| Mismatch {
        line: it.line,
        step: it.step,
        what: it.what.clone(),
        expected: it.expected.clone(),
        got: it.got.clone(),
    };
    let report = Report {
        title: scenario.title,
        ok: played.mismatches.is_empty(),
        mismatches: played.mismatches.iter().map(mismatch).collect(),
        timeline: played.timeline,
        metrics: played.metrics.unwrap_or_default(),
    };
    if args.json {
        output::json(&report)?;
        return Ok(Answer::from(report.ok));
    }
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", report.title)?;
    for line in &report.timeline {
        writeln!(out, "{line}")?;
    }
    for it in &played.mismatches {
        writeln!(out, "{BAD}not so{BAD:#} {it}")?;
    }
    if report.ok {
        writeln!(out, "{GOOD}ok{GOOD:#} {FAINT}all that is expected has happened{FAINT:#}")?;
    }
    Ok(Answer::from(report.ok))
}

/// What a record says, by docs/shared-state.md. One that cannot be read counts as none.
fn status(record: Option<&[u8]>, mode: &str) -> Status {
    let record = record.filter(|record| read(record).is_some());
    let mut status = record.and_then(read).unwrap_or_else(|| Status {
        state: "CLOSED".to_owned(),
        failure_count: 0,
        generation: 1,
        trip_reason: None,
    });
    let set = record.and_then(|record| record.get(3)).and_then(|code| match code {
        1 => Some("enabled"),
        2 => Some("disabled"),
        3 => Some("forced_open"),
        4 => Some("metrics_only"),
        _ => None,
    });
    match set.unwrap_or(mode) {
        "enabled" => {}
        mode => status.state = mode.to_uppercase(),
    }
    status
}

fn read(record: &[u8]) -> Option<Status> {
    let (version, state) = (*record.first()?, *record.get(1)?);
    if ![(2, 368), (3, 676)].contains(&(version, record.len())) {
        return None;
    }
    let state = ["CLOSED", "OPEN", "HALF_OPEN"].get(usize::from(state))?;
    let trip_reason = match record.get(2)? {
        1 => Some("consecutive_failures"),
        2 => Some("trial_failed"),
        6 => Some("failure_rate"),
        7 => Some("slow_call_rate"),
        9 => Some("adaptive"),
        11 => Some("retry_after"),
        _ => None,
    };
    Some(Status {
        state: (*state).to_owned(),
        failure_count: u32::from_le_bytes(*record.get(4..)?.first_chunk()?).into(),
        generation: u64::from_le_bytes(*record.get(8..)?.first_chunk()?),
        trip_reason: trip_reason.map(str::to_owned),
    })
}
