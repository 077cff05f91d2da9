//! `breakerctl simulate`: what would this configuration have done with these calls?
//!
//! The calls of a trace are replayed through the real module in virtual time: a day takes as long
//! as its calls take to compute. The trace says how each call ended, so whatever the breaker
//! lets through ends in that way; what it diverts is counted, and is known to have spared the
//! client a failure, or to have cost it a success.
//!
//! A scenario says more: what happens besides calls, on which worker, and what is to come of it.

mod configuration;
mod knowledge;
mod plot;
mod replay;
mod report;
mod scene;
mod transitions;
mod unmatched;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::input;
use crate::module::ModuleArgs;
use crate::output::{self, Answer, FAINT};
use crate::table;
use crate::trace;
use report::Report;

/// Replay calls through the breaker in virtual time
///
/// Either the calls of a trace, with a configuration, or a scenario, which brings its own: a file as
/// in tests/scenarios, with steps and what is to come of each. --config stands in for its own.
///
/// The trace is an access log, each line in the text format that Envoy or Istio has by itself or as a
/// JSON object; or a CSV file with a header line. Columns: `time` in seconds (or time_s, time_ms) or as
/// 2026-01-02T03:04:05Z, `duration` in milliseconds (or duration_ms, duration_s), `status`: the HTTP
/// status, or `reset` or `timeout` for a call without an answer, `aborted` (or 0, or 499) for a client
/// that left. Optional: method, path, host, cluster, for the configuration's `match`; flags, details, in
/// Envoy's words.
///
/// What is taken for granted: fallbacks succeed at once. A health check is answered by the call of
/// the trace that began nearest to it in time: if that one got an answer below 500, the check gets
/// that answer; otherwise it fails; if it took longer than the check's timeout, so does the check.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  breakerctl simulate --config breaker.json --trace calls.csv
  breakerctl simulate --config breaker.json --trace calls.csv --plot outage.svg
  breakerctl simulate --config breaker.json --trace calls.csv --json | jq '.transitions[]'
  breakerctl simulate --config envoy/recipe.yaml --trace access.log --only edge-breaker
  breakerctl simulate --scenario tests/scenarios/three-failures-in-a-row-trip-the-breaker.yaml

Exit status: 0 replayed, 1 the configuration is refused, or what a scenario expects did not happen, 2 \
the files or the module cannot be used.")]
pub(crate) struct Args {
    /// The plugin's configuration, by itself or in a file of Envoy, Istio or Envoy Gateway
    #[arg(long, value_name = "FILE", required_unless_present = "scenario")]
    config: Option<PathBuf>,
    /// Of several plugins in that file, the one of this name
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// The calls: an access log, or CSV; `-` reads standard input
    #[arg(long, value_name = "FILE", required_unless_present = "scenario")]
    trace: Option<PathBuf>,
    /// The scenario, as YAML
    #[arg(long, value_name = "FILE", conflicts_with_all = ["trace", "workers", "path", "host", "cluster", "plot"])]
    scenario: Option<PathBuf>,
    /// Spread the calls over so many workers
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// The path of calls whose trace has no column of it
    #[arg(long, default_value = "/")]
    path: String,
    /// The host of calls whose trace has no column of it
    #[arg(long, default_value = "localhost")]
    host: String,
    /// The cluster of calls whose trace has no column of it
    #[arg(long, default_value = "service")]
    cluster: String,
    /// Draw error rate, diverted share and states over time
    #[arg(long, value_name = "SVG")]
    plot: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    module: ModuleArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Answer> {
    let configuration =
        args.config.as_ref().map(|path| configuration::read(path, &args.only)).transpose()?;
    if let Some(file) = &args.scenario {
        return scene::run(args, file, configuration.as_ref());
    }
    let configuration = configuration.context("--config")?;
    let defaults = trace::Defaults { path: &args.path, host: &args.host, cluster: &args.cluster };
    let (file, text) = input::read(args.trace.as_ref().context("--trace")?)?;
    let trace = trace::parse(&text, &defaults).with_context(|| format!("reading {file}"))?;
    let module = args.module.load()?;
    if configuration.is_refused(&module)? {
        return Ok(Answer::No);
    }
    let calls = &trace.calls;
    let replayed = replay::run(&module, configuration.bytes(), args.workers, calls)?;
    let mut report = Report::new(calls, replayed);
    if report.matched == 0 {
        let why = unmatched::why(configuration.bytes(), &trace);
        report.summary = format!("no call matched a service: {why}");
    }
    if let Some((count, first)) = &trace.passed_over {
        report.passed_over = *count;
        anstream::eprintln!("{FAINT}{file}: lines that are no calls: {count}; {first}{FAINT:#}");
    }
    if let Some(path) = &args.plot {
        std::fs::write(path, plot::svg(calls, &report))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    if args.json {
        output::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(Answer::Yes)
}

fn print(report: &Report) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    for change in &report.transitions {
        let style = table::style_of(&change.to);
        writeln!(
            out,
            "{:>10.3}s  {}  {} -> {style}{}{style:#}  {FAINT}{}{FAINT:#}",
            change.time, change.service, change.from, change.to, change.reason
        )?;
        if !change.adaptive.is_empty() {
            writeln!(out, "             {FAINT}{}{FAINT:#}", change.adaptive)?;
        }
    }
    let Report { calls, failed_in_trace, admitted, admitted_failed, .. } = report;
    writeln!(out, "calls      {calls}, {failed_in_trace} of them failed in the trace")?;
    writeln!(
        out,
        "admitted   {admitted}, {admitted_failed} of them failed, of which the fallback \
                   answered {}",
        report.replayed
    )?;
    writeln!(
        out,
        "diverted   {}, {} of them would have failed",
        report.diverted, report.diverted_would_have_failed
    )?;
    for (reason, count) in &report.diverted_by_reason {
        writeln!(out, "           {count} {reason}")?;
    }
    writeln!(out, "checks     {}, {} of them failed", report.health_checks, report.failed_checks)?;
    writeln!(out, "{}", report.summary)?;
    Ok(())
}
