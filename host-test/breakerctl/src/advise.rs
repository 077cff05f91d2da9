//! `breakerctl advise`: which rule would have done best on these calls?
//!
//! Rules are played on a log, dozens of them, and each is judged by its two errors: bad calls that
//! it lets through, and good ones that it diverts. So many are asked of the core itself, not of the
//! module; `simulate` then shows what the module does with the one that is chosen.

mod calls;
mod candidates;
mod chance;
mod outages;
mod play;
mod plot;
mod show;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::input;
use crate::output::{self, Answer, FAINT};
use crate::trace;
use calls::Selection;
use verdict::{Advice, advise};

/// Say which rule and numbers would have done best on the calls of a log
///
/// The log is what `simulate --trace` takes: an access log of Envoy or Istio, each line as text or as a
/// JSON object, or a CSV file with the columns time, duration and status. It must be from a time without
/// the breaker: diverted calls say nothing about the service.
///
/// Each rule is judged by the bad calls that it keeps from the service, less the good ones that it
/// diverts. One that would open by chance alone more often than once in 30 days, at the errors that are
/// usual here, is not chosen.
///
/// What is taken for granted: a call ends as it did, whatever the rule lets through; a service that gets
/// fewer calls does not get better by that.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  breakerctl advise --trace access.log --cluster payment
  breakerctl advise --trace calls.csv --plot advice.svg
  breakerctl advise --trace calls.csv --slow 500ms --diverted-costs 0.2
  breakerctl advise --trace calls.csv --json | jq '.rules[] | [.name, .bad_let_through, .good_diverted]'

Exit status: 0 there is advice, 1 there is none to give (too few calls, nothing happened, no rule would \
have helped), 2 the log cannot be used.")]
pub(crate) struct Args {
    /// The log: an access log, or CSV; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    trace: PathBuf,
    #[command(flatten)]
    selection: Selection,
    /// Calls that take so long are bad as well
    #[arg(long, value_name = "DURATION", value_parser = input::duration)]
    slow: Option<Duration>,
    /// What a good call that is diverted costs, where a bad one that is let through costs 1. Less where
    /// the fallback is nearly as good as the service
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0)]
    diverted_costs: f64,
    /// Draw what failed, and what the rules divert
    #[arg(long, value_name = "SVG")]
    plot: Option<PathBuf>,
    /// Answer as JSON, with all rules that were tried
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Answer> {
    let costs = args.diverted_costs;
    ensure!((0.0..=1000.0).contains(&costs), "--diverted-costs {costs}: give 0 to 1000");
    let is_slow = args.slow.is_none_or(|slow| !slow.is_zero());
    ensure!(is_slow, "--slow: every call takes 0s: give the time from which on one is too slow");
    // Of a log that does not say, all calls are to the same.
    let defaults = trace::Defaults { path: "/", host: "-", cluster: "-" };
    let (file, text) = input::read(&args.trace)?;
    let trace = trace::parse(&text, &defaults).with_context(|| format!("reading {file}"))?;
    if let Some((count, first)) = &trace.passed_over {
        anstream::eprintln!("{FAINT}{file}: lines that are no calls: {count}; {first}{FAINT:#}");
    }
    let calls = args.selection.of(&trace, args.slow).with_context(|| file.clone())?;
    let advice = advise(&calls, args.slow, costs)?;
    if let Some(path) = &args.plot {
        std::fs::write(path, plot::svg(&calls.samples, &advice))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    let paste = advice.best().map(|best| args.selection.configuration(&best.settings));
    if args.json {
        output::json(&show::Report::new(&advice, paste.as_ref()))?;
    } else {
        show::print(&advice, paste.as_ref())?;
    }
    Ok(Answer::from(matches!(advice, Advice { best: Some(_), .. })))
}
