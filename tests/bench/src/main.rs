//! What the breaker costs, and how it does in an outage, against what else there is.
//!
//! Four parts, each of a few sheets:
//!
//! * [`cpu`]: proxies that differ by one filter, all at once on one CPU;
//! * [`outage`]: proxies that guard a service which fails, each in its own way;
//! * [`core`]: the breaker's decisions alone, in a process;
//! * [`memory`]: what a start takes, what a worker holds, what it does while nothing is asked.
//!
//! A sheet is measured, written down with every measurement and a plot, and judged by its bars.

mod args;
mod awake;
mod bars;
mod core;
mod cpu;
mod docs;
mod effort;
mod machine;
mod memory;
mod outage;
mod plot;
mod results;
mod sheet;
mod statistics;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use envoy_harness::repo_root;

use crate::args::{Args, Word};
use crate::effort::Effort;
use crate::results::Results;
use crate::sheet::Sheet;

/// What the parts are given.
pub(crate) struct Run<'a> {
    args: &'a Args,
    effort: Effort,
    results: Results,
}

impl Run<'_> {
    /// Measures one sheet, if it is wanted.
    async fn sheet(
        &self,
        name: &str,
        measure: impl Future<Output = Result<(Sheet, serde_json::Value)>>,
    ) -> Result<()> {
        if !name.contains(&self.args.only) {
            return Ok(());
        }
        self.results.sheet(name, measure).await
    }
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let quick = args.says(Word::Quick);
    let folder = repo_root().join(if quick { "target/bench/quick" } else { "target/bench" });
    let run = Run {
        effort: if quick { Effort::QUICK } else { Effort::FULL },
        results: Results::in_folder(folder.clone(), args.says(Word::Resume)),
        args: &args,
    };
    if args.says(Word::Keep) {
        return docs::keep(&run.results).map(|()| ExitCode::SUCCESS);
    }
    if !args.says(Word::Show) {
        measure(&run)?;
    }
    let measured = run.results.there(sheets())?;
    for one in &measured {
        println!("## {}: {}\n{}\n\n{}", one.sheet.name, one.sheet.title, one.machine, one.sheet);
    }
    let sheets: Vec<_> = measured.into_iter().map(|one| one.sheet).collect();
    let verdicts: Vec<_> = bars::bars().into_iter().map(|bar| bar.judge(&sheets)).collect();
    for verdict in verdicts.iter().filter(|verdict| verdict.is_measured()) {
        println!("{verdict}");
    }
    let unmeasured = verdicts.iter().filter(|verdict| !verdict.is_measured()).count();
    println!("{unmeasured} of {} bars were not measured", verdicts.len());
    println!("\nwritten to {}", folder.display());
    let missed = verdicts.iter().any(bars::Verdict::is_missed);
    Ok(if args.says(Word::Check) && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The names of all sheets, in the order in which they are shown.
fn sheets() -> Vec<&'static str> {
    [cpu::sheets(), outage::sheets(), core::sheets(), memory::sheets()].concat()
}

fn measure(run: &Run<'_>) -> Result<()> {
    // First those that need all CPUs: the others keep this thread on one.
    if run.args.wants(Word::Core) {
        blocking(core::measure(run))?;
    }
    if run.args.wants(Word::Outage) {
        blocking(outage::measure(run))?;
    }
    if run.args.wants(Word::Cpu) {
        blocking(cpu::measure(run))?;
    }
    if run.args.wants(Word::Memory) {
        blocking(memory::measure(run))?;
    }
    Ok(())
}

/// All of a part on this thread: client, upstream, and what goes with them.
fn blocking(part: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(part)
}
