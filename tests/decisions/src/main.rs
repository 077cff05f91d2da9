//! What rules of circuit breakers decide, ours and others', on the same calls, in virtual time.
//!
//! A scenario is a service, its callers and phases; a rule lets calls pass or not, and is told what
//! became of them. What a call that was not made would have become is drawn as well, so that both
//! errors are counted: bad calls that pass, and good ones that are rejected.

mod args;
mod bars;
mod compared;
mod figures;
mod peers;
mod play;
mod report;
mod rng;
mod run;
mod scenario;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use args::{Args, Bench};
use bars::{Bar, HELD};
use clap::Parser;
use compared::Named;
use run::{Runs, run};
use scenario::{File, Scenario};
use serde_json::json;

/// With fewer seeds, more is left to chance.
const MANY_SEEDS: u64 = 30;

/// Seeds, and calls of a scenario, when it is to be quick.
const FEW_SEEDS: u64 = 3;
const SHORT: f64 = 600_000.0;

fn main() -> Result<ExitCode> {
    let mut args = Args::parse();
    if args.bench == Bench::Quick {
        args.seeds = FEW_SEEDS;
        args.bars = true;
    }
    let files = files(&args)?;
    let rules = rules(&args)?;
    let pairs = if args.bars { pairs_for_bars(&files, &rules) } else { pairs(&files, &rules) };
    let seeds = args.seed0..args.seed0 + args.seeds;
    println!("Medians of the seeds {} to {}.", seeds.start, seeds.end - 1);
    let runs = run(&pairs, seeds, args.threads);
    if !args.bars {
        report::scenarios(&files, &runs);
    }
    let mut held = true;
    for it in &HELD {
        held &= report::bars(it, &runs, args.seeds < MANY_SEEDS);
    }
    if let Some(path) = &args.json {
        let runs: Vec<_> = runs.iter().map(Runs::json).collect();
        let text = serde_json::to_vec(&json!({ "seed0": args.seed0, "runs": runs }))?;
        std::fs::write(path, text).with_context(|| format!("{}", path.display()))?;
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn files(args: &Args) -> Result<Vec<File>> {
    let mut paths = args.files.clone();
    if paths.is_empty() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let entries = folder.read_dir().with_context(|| format!("{}", folder.display()))?;
        paths = entries.map(|it| Ok(it?.path())).collect::<Result<Vec<PathBuf>>>()?;
        paths.retain(|path| path.extension().is_some_and(|it| it == "json"));
        paths.sort();
    }
    let mut files = paths.iter().map(|path| File::read(path)).collect::<Result<Vec<_>>>()?;
    for file in &mut files {
        file.scenarios.retain(|it| it.name.contains(&args.only));
        if args.bench == Bench::Quick {
            file.scenarios.retain(|it| it.calls() <= SHORT);
        }
    }
    files.retain(|file| !file.scenarios.is_empty());
    Ok(files)
}

/// The rules that are asked for, by default all; for bars, whatever they need.
fn rules(args: &Args) -> Result<Vec<Named>> {
    let mut rules = match &args.settings {
        Some(path) => Named::read(path)?,
        None => compared::all(),
    };
    let is_known = |name: &String| rules.iter().any(|it| it.name == *name);
    if let Some(unknown) = args.rules.iter().find(|name| !is_known(name)) {
        let names: Vec<_> = rules.iter().map(|it| it.name.as_str()).collect();
        bail!("no rule is called {unknown:?}: give some of {}", names.join(", "));
    }
    if !args.rules.is_empty() && !args.bars {
        rules.retain(|it| args.rules.contains(&it.name));
    }
    Ok(rules)
}

type Pair<'a> = (&'a Scenario, &'a Named);

/// All scenarios with all rules.
fn pairs<'a>(files: &'a [File], rules: &'a [Named]) -> Vec<Pair<'a>> {
    let scenarios = files.iter().flat_map(|file| &file.scenarios);
    let of = |scenario: &'a Scenario| {
        rules.iter().filter(|rule| rule.is_for(scenario)).map(move |rule| (scenario, rule))
    };
    scenarios.flat_map(of).collect()
}

/// Those that there are bars for, with the rules that are held to them or that these are compared
/// with.
fn pairs_for_bars<'a>(files: &'a [File], all: &'a [Named]) -> Vec<Pair<'a>> {
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for scenario in files.iter().flat_map(|file| &file.scenarios) {
        for held in HELD.iter().filter(|it| it.is_about(&scenario.name)) {
            let bars = held.bars.iter();
            let about: Vec<&Bar> = bars.filter(|it| it.is_about(&scenario.name)).collect();
            let others = about.iter().filter_map(|bar| bar.other());
            for name in held.rules.iter().copied().filter(|_| !about.is_empty()).chain(others) {
                let known =
                    pairs.iter().any(|(it, rule)| it.name == scenario.name && rule.name == name);
                let rule = all.iter().find(|rule| rule.name == name).filter(|_| !known);
                pairs.extend(rule.map(|rule| (scenario, rule)));
            }
        }
    }
    pairs
}
